#!/usr/bin/env bash
# Runs the tests: bash tools/run_tests.sh [PYTEST ARGUMENTS]
# Uses the active virtual environment, else .venv; installs what the tests need.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

. tools/_environment.sh
prepare_environment tests

# Tiny networks: more threads than one only wait for each other.
export OMP_NUM_THREADS=${OMP_NUM_THREADS:-1}
python -m pytest "$@"
