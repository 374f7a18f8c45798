#!/usr/bin/env bash
#SBATCH --gpus=1
#SBATCH --cpus-per-task=8
#SBATCH --mem=64G
#SBATCH --time=04:00:00
# A task of submit.sh: the steps on its line of a list; without a list, what is left of the study, and its report.
set -euo pipefail
config=$1 out=$2 list=${3:-}
steps=()
if [ -n "$list" ]; then
  IFS=$'\t' read -ra names < <(sed -n "$((SLURM_ARRAY_TASK_ID + 1))p" "$list")
  for name in "${names[@]}"; do steps+=(--step "$name"); done
fi
trimtab study "$config" --out "$out" "${steps[@]}"
