#!/usr/bin/env bash
# Stands in for sbatch where there is no SLURM: runs the tasks of a job here, JOBS at a time, and waits for them.
#
#   SBATCH=recipes/slurm/stand_in.sh recipes/slurm/submit.sh STUDY.yaml RUN_FOLDER [STEPS_PER_TASK]
#
# A job whose task fails fails, and with it submit.sh, so nothing that depends on it begins.
set -euo pipefail
last=0
while [[ $1 == --* ]]; do
  case $1 in
    --array=0-*) last=${1#--array=0-} ;;
    --parsable | --dependency=afterok:*) ;;
    *) echo "stand_in.sh: unknown option $1" >&2 && exit 2 ;;
  esac
  shift
done
seq 0 "$last" | xargs -P "${JOBS:-2}" -I{} env SLURM_ARRAY_TASK_ID={} bash "$@" >&2
echo "$$"
