# Sourced by quickstart.sh and run_tests.sh, from the repository's root.
#
# prepare_environment EXTRA: leaves an environment active in which `python` has the package
# (editable) with the extra EXTRA of setup.py, in the versions of requirements/pinned.txt.
# Takes the active virtual or conda environment, else .venv, which it makes where it is missing.
# PYTHON names the interpreter for a new .venv (default python3).

activate_environment() {
    if [ -n "${VIRTUAL_ENV:-}" ]; then
        return
    elif [ -n "${CONDA_PREFIX:-}" ] && [ "${CONDA_DEFAULT_ENV:-base}" != base ]; then
        return
    fi
    if [ ! -x .venv/bin/python ]; then
        require_python "${PYTHON:-python3}"
        echo "No virtual environment is active: making .venv"
        "${PYTHON:-python3}" -m venv .venv || {
            rm -rf .venv
            echo "Could not make .venv: on Debian and Ubuntu, apt install python3-venv." >&2
            return 1
        }
    fi
    . .venv/bin/activate
}

require_python() {
    "$1" -c 'import sys; sys.exit(sys.version_info < (3, 10))' || {
        echo "Python >= 3.10 is needed, found $("$1" --version 2>&1)." \
            "Activate an environment that has it, or set PYTHON=/path/to/python3." >&2
        return 1
    }
}

prepare_environment() {
    local extra=$1 stamp wanted
    activate_environment
    require_python python
    # What was installed last time, so that nothing is asked of pip when nothing changed.
    stamp="$(python -c 'import sys; print(sys.prefix)')/.amd_mm-$extra"
    wanted="$(pwd; cat setup.py requirements/pinned.txt)"
    if [ -f "$stamp" ] && [ "$wanted" = "$(cat "$stamp")" ]; then
        return
    fi
    echo "Installing the package and its requirements (some minutes the first time)"
    # torch first and by itself: another package's open range must not pull another build.
    python -m pip install --quiet -c requirements/pinned.txt torch torchvision
    python -m pip install --quiet -c requirements/pinned.txt -e ".[$extra]"
    use_headless_opencv_where_needed
    printf '%s\n' "$wanted" > "$stamp"
}

use_headless_opencv_where_needed() {
    # The hosts require OpenCV's desktop builds, which need libGL; servers often have none.
    # The headless build fills the same folder, so it has to come last.
    if ! python -c 'import cv2' 2>/dev/null; then
        echo "OpenCV's desktop build does not load here: installing the headless one over it"
        python -m pip install --quiet --no-deps --force-reinstall -c requirements/pinned.txt \
            opencv-contrib-python-headless
        python -c 'import cv2'
    fi
}
