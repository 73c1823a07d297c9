#!/usr/bin/env bash
# Trains on a Slurm cluster, one process a GPU:
#   GPUS=16 bash tools/slurm_train.sh PARTITION JOB_NAME CONFIG [ARGUMENTS OF train.py]
# Also read: GPUS_PER_NODE (8), CPUS_PER_TASK (8), SRUN_ARGS (further arguments of srun), and
# STOP_SECONDS (120): so long before the time limit a checkpoint is saved. BATCH=1 gives the run to
# sbatch, as a job that is started again and goes on until it is done, with OUTPUT (slurm-%j.out).
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/_launch.sh"
: "${3:?usage: bash tools/slurm_train.sh PARTITION JOB_NAME CONFIG [ARGUMENTS OF train.py]}"
launch_slurm train.py "$@"
