#!/usr/bin/env bash
# From nothing to a distilled student on real videos: bash tools/quickstart.sh [--smoke] [--transfer]
# Uses the active virtual environment, else .venv; installs what it needs. Running it again does
# not redo what is there. --smoke takes every step on a handful of videos. --transfer also takes
# the students through linear probe, nearest neighbours and feature extraction.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

. tools/_environment.sh
prepare_environment quickstart

# SECONDS counts from the start of this script.
python tools/quickstart.py --elapsed "$SECONDS" "$@"
