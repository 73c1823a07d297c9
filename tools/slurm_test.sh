#!/usr/bin/env bash
# Tests on a Slurm cluster, one process a GPU:
#   GPUS=8 bash tools/slurm_test.sh PARTITION JOB_NAME CONFIG CHECKPOINT [ARGUMENTS OF test.py]
# Also read: the variables of slurm_train.sh.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/_launch.sh"
: "${4:?usage: bash tools/slurm_test.sh PARTITION JOB_NAME CONFIG CHECKPOINT [ARGUMENTS]}"
launch_slurm test.py "$@"
