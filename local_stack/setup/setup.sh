#!/bin/sh
# Makes .venv from the lock. Arguments: the requirement files. Does nothing when they are installed already.
# PYTHON: the Python to use, as a version (3.12) or a program. Without it, the one that .venv has, else the newest here.
set -eu
# CDPATH would lead elsewhere; and PostgreSQL's programs in .venv are for a system user too where root runs the stack
CDPATH='' cd -- "$(dirname -- "$0")/../.."
umask 022
here=$PWD/.venv
stamp=".venv/installed-$(cat "$@" local_stack/setup/setup.sh | cksum | tr ' ' -)"
[ -e "$stamp" ] && [ -x .venv/bin/python ] && [ -z "${PYTHON:-}" ] && exit 0

scratch=$(mktemp -d)
cleaned_up() {
    rm -rf "$scratch"
    # a set-up that failed leaves the .venv that was there
    [ ! -d .venv.before ] || { rm -rf .venv && mv .venv.before .venv; }
}
trap cleaned_up EXIT
trap 'exit 130' INT TERM
# pip goes on without a cache it cannot write, uv does not: a HOME that is read-only or not there has none
cache=${UV_CACHE_DIR:-${XDG_CACHE_HOME:-${HOME:-/nonexistent}/.cache}/uv}
{ mkdir -p "$cache" && [ -w "$cache" ]; } 2>/dev/null || export UV_NO_CACHE=1 PIP_NO_CACHE_DIR=1
# uv trusts the certificates that the system trusts, as pip does
export UV_SYSTEM_CERTS=true UV_COMPILE_BYTECODE=1 UV_COMPILE_BYTECODE_TIMEOUT=600 UV_HTTP_TIMEOUT=120
export UV_NO_PROGRESS=1 PIP_DISABLE_PIP_VERSION_CHECK=1

fetch() { # downloads a Python where this machine has none that fits
    uv=$(command -v uv) || {
        python3 -m venv "$scratch/uv" && "$scratch/uv/bin/python" -m pip install --quiet uv
        uv=$scratch/uv/bin/uv
    } >"$scratch/why" 2>&1 && [ -x "$uv" ] || return 1
    echo "  Python        $(cat "$scratch/none"); uv fetches one …"
    range=$(sed -n 's/^requires-python = "\(.*\)".*/\1/p' pyproject.toml)
    "$uv" python install "${PYTHON:-$range}" >"$scratch/why" 2>&1
}

find_python() { sh local_stack/setup/find_python.sh "${PYTHON:-}" "$here/bin/python" 2>"$scratch/none"; }

found=$(find_python) || {
    [ $? = 1 ] || { cat "$scratch/none" >&2; exit 1; }
    fetch && found=$(find_python) || {
        echo "[ERROR] $(cat "$scratch/none"), and none could be fetched: $(grep . "$scratch/why" | tail -n 1 | sed 's/^ *//')" >&2
        echo "Install one (apt-get install python3 python3-venv; brew install python; https://www.python.org/downloads)," \
            "or name it: make run PYTHON=/path/to/python3" >&2
        exit 1
    }
}
version=${found%% *} python=${found#* }
made_by=$(sh local_stack/setup/find_python.sh "$here/bin/python" 2>/dev/null || true)
if [ -d .venv ] && [ "$made_by" != "$found" ]; then
    # their files would go from under them
    users=$({ ps -A -o pid= -o args= 2>/dev/null || true; } | grep -F "$here/bin/python " | grep -cv "grep -F" || true)
    [ "$users" = 0 ] || { echo "[ERROR] Processes run from .venv ($users), which is to be made anew: make down" >&2; exit 1; }
    echo "  .venv         was made by ${made_by:-a Python that is gone or not supported}; it is made anew by $found"
    rm -rf .venv.before
    mv .venv .venv.before
fi
[ -e "$stamp" ] && exit 0

started=$(date +%s)
echo "  .venv         Python $version, from $* (once; about a minute) …"
[ -x .venv/bin/pip ] || "$python" -m venv .venv
.venv/bin/python -m pip install --quiet --constraint requirements.txt uv
# uv reads none of pip's settings: the index it is to use
index=$(.venv/bin/python -m pip config get global.index-url 2>/dev/null || true)
[ -z "$index" ] || export UV_DEFAULT_INDEX="$index"
export VIRTUAL_ENV="$here"
requirements=
for file in "$@"; do requirements="$requirements -r $file"; done
# shellcheck disable=SC2086
.venv/bin/uv pip install --quiet $requirements
# so that Feast finds our stores from wherever it is called: cd feature_repo && feast apply
for site in .venv/lib/python*/site-packages; do [ ! -d "$site" ] || printf '%s\n' "$PWD" > "$site/streamflow.pth"; done
sed -i '/^# StreamFlow: /d; /local_stack env/d' .venv/bin/activate # what an older set-up wrote there
cat >> .venv/bin/activate <<'ACTIVATE'

# StreamFlow: the addresses of the stack, and an `mlflow` that says what to start when the stack is down
eval "$(cd "$VIRTUAL_ENV/.." && PYTHONPATH="$PWD" "$VIRTUAL_ENV/bin/python" -m local_stack env)"
ACTIVATE
touch "$stamp"
rm -rf .venv.before
echo "  .venv         is there, $(($(date +%s) - started)) s"
