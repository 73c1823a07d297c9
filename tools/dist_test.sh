#!/usr/bin/env bash
# Tests on several GPUs of one or more machines, by torchrun:
#   bash tools/dist_test.sh CONFIG CHECKPOINT GPUS [ARGUMENTS OF test.py]
# More than one machine: as in dist_train.sh.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/_launch.sh"
: "${3:?usage: bash tools/dist_test.sh CONFIG CHECKPOINT GPUS [ARGUMENTS OF test.py]}"
launch_torchrun test.py "$3" "$1" "$2" "${@:4}"
