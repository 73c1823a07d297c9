#!/usr/bin/env bash
# Runs the tests: bash tools/run_tests.sh [--fast] [PYTEST ARGUMENTS]
#   --fast   leaves out whole runs (marker slow): under 2 minutes on 2 cores
# Uses the active virtual environment, else .venv; installs what the tests need.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

. tools/_environment.sh
prepare_environment tests

if [ "${1:-}" = --fast ]; then
    shift
    set -- -m 'not slow' "$@"
fi
# Tiny networks: more threads than one only wait for each other.
export OMP_NUM_THREADS=${OMP_NUM_THREADS:-1}
python -m ${AMD_MM_COVERAGE:+coverage run -m} pytest "$@"
