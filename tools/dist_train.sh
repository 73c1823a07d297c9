#!/usr/bin/env bash
# Trains on several GPUs of one or more machines, by torchrun:
#   bash tools/dist_train.sh CONFIG GPUS [ARGUMENTS OF train.py]
# More than one machine: run it on each, with NNODES, NODE_RANK, MASTER_ADDR and, if 29500 is
# taken, PORT set. They wait MEETING_SECONDS (180) for each other. Without GPUs, GPUS is the number of
# processes.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/_launch.sh"
: "${2:?usage: bash tools/dist_train.sh CONFIG GPUS [ARGUMENTS OF train.py]}"
launch_torchrun train.py "$2" "$1" "${@:3}"
