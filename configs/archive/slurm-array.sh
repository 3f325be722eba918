#!/bin/bash
# Each job of the array is a shard: sbatch configs/archive/slurm-array.sh SLIDES RESULTS [more options of micromet batch]
# When all have ended, one of them may be started again alone: what is done is not done twice.
#SBATCH --job-name=micromet
#SBATCH --array=1-16
#SBATCH --cpus-per-task=2
#SBATCH --mem=10G
#SBATCH --time=12:00:00
#SBATCH --signal=TERM@120
set -euo pipefail
slides=$1 results=$2
shift 2
micromet batch "$slides" -o "$results" --workers "$SLURM_CPUS_PER_TASK" \
    --shard "$SLURM_ARRAY_TASK_ID/$SLURM_ARRAY_TASK_COUNT" "$@"
# Then, once: sbatch --dependency=afterany:ARRAY_JOB_ID --wrap "micromet archive reindex RESULTS"
