#!/usr/bin/env bash
# Submit a study to SLURM: each wave of its steps as one job array, after the wave before; then summary and report.
#
#   recipes/slurm/submit.sh STUDY.yaml RUN_FOLDER [STEPS_PER_TASK]
#
# Run it where the jobs will run: same folder, same environment, with the run folder on a disk that all nodes share.
# Steps that are done are left out, so after a failure the same command submits the rest. A task that takes several
# steps loads the model once for all of them. Resources of a task stand at the top of task.sh.
set -euo pipefail
config=$1 out=$2 per_task=${3:-1}
here=$(cd "$(dirname "$0")" && pwd)
lists=$(dirname "$out")/$(basename "$out").waves
rm -rf "$lists" && mkdir -p "$lists"

trimtab study "$config" --out "$out" --list --json | python3 -c '
import json, sys
folder, per_task = sys.argv[1], int(sys.argv[2])
waves = {}
for step in json.load(sys.stdin)["steps"]:
    if not step["done"]:
        waves.setdefault(step["wave"], []).append(step["name"])
for wave, names in waves.items():
    with open(f"{folder}/wave-{wave:03d}", "w") as file:
        for first in range(0, len(names), per_task):
            print(*names[first : first + per_task], sep="\t", file=file)
' "$lists" "$per_task"

after=()
for list in "$lists"/wave-*; do
  [ -e "$list" ] || break
  tasks=$(wc -l <"$list")
  job=$("${SBATCH:-sbatch}" --parsable --array="0-$((tasks - 1))" "${after[@]}" "$here/task.sh" "$config" "$out" "$list")
  after=(--dependency="afterok:${job%%;*}")
  echo "$(basename "$list"): job ${job%%;*}, $tasks tasks"
done
job=$("${SBATCH:-sbatch}" --parsable "${after[@]}" "$here/task.sh" "$config" "$out")
echo "summary and report: job ${job%%;*}"
