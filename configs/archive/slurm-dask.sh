#!/bin/bash
# A dask cluster in one job: sbatch configs/archive/slurm-dask.sh SLIDES RESULTS [more options of micromet batch]
#SBATCH --job-name=micromet
#SBATCH --ntasks=33
#SBATCH --cpus-per-task=1
#SBATCH --mem-per-cpu=5G
#SBATCH --time=12:00:00
set -euo pipefail
slides=$1 results=$2
shift 2
address="tcp://$(hostname -f):8786"
dask scheduler --port 8786 --no-dashboard &
scheduler=$!
trap 'kill $scheduler' EXIT
# One task is left for the scheduler and for the batch itself.
srun --ntasks=$((SLURM_NTASKS - 1)) dask worker "$address" --nthreads 1 --no-dashboard &
micromet batch "$slides" -o "$results" --scheduler "$address" "$@"
