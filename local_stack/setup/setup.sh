#!/bin/sh
# Creates .venv from the lock. Arguments: the requirement files. Does nothing if they are installed.
# PYTHON: a version (3.12) or a program. Default: the Python of .venv, else the newest on this machine.
set -eu
# CDPATH could change the folder; umask: as root, a system user runs PostgreSQL's programs in .venv
CDPATH='' cd -- "$(dirname -- "$0")/../.."
umask 022
venv=$PWD/.venv
stamp=".venv/installed-$(cat "$@" local_stack/setup/setup.sh | cksum | tr ' ' -)"
[ -e "$stamp" ] && [ -x .venv/bin/python ] && [ -z "${PYTHON:-}" ] && exit 0

scratch=$(mktemp -d)
clean_up() {
    rm -rf "$scratch"
    # after a failed set-up the previous .venv is restored
    [ ! -d .venv.before ] || { rm -rf .venv && mv .venv.before .venv; }
}
trap clean_up EXIT
trap 'exit 130' INT TERM
# pip continues without a writable cache, uv does not: use no cache if HOME is missing or read-only
cache=${UV_CACHE_DIR:-${XDG_CACHE_HOME:-${HOME:-/nonexistent}/.cache}/uv}
{ mkdir -p "$cache" && [ -w "$cache" ]; } 2>/dev/null || export UV_NO_CACHE=1 PIP_NO_CACHE_DIR=1
# uv uses the system's certificates, as pip does
export UV_SYSTEM_CERTS=true UV_COMPILE_BYTECODE=1 UV_COMPILE_BYTECODE_TIMEOUT=600 UV_HTTP_TIMEOUT=120
export UV_NO_PROGRESS=1 PIP_DISABLE_PIP_VERSION_CHECK=1

# uv as the lock has it: its version and the hashes of its files
sed -n '/^uv==/,/[^\\]$/p' requirements.txt > "$scratch/uv.txt"

fetch() { # downloads a Python if this machine has no suitable one
    uv=$(command -v uv) || {
        python3 -m venv "$scratch/uv" && "$scratch/uv/bin/python" -m pip install --quiet --require-hashes -r "$scratch/uv.txt"
        uv=$scratch/uv/bin/uv
    } >"$scratch/why" 2>&1 && [ -x "$uv" ] || return 1
    echo "  Python        $(cat "$scratch/none"); uv downloads one …"
    range=$(sed -n 's/^requires-python = "\(.*\)".*/\1/p' pyproject.toml)
    "$uv" python install "${PYTHON:-$range}" >"$scratch/why" 2>&1
}

find_python() { sh local_stack/setup/find_python.sh "${PYTHON:-}" "$venv/bin/python" 2>"$scratch/none"; }

found_python=$(find_python) || {
    [ $? = 1 ] || { cat "$scratch/none" >&2; exit 1; }
    fetch && found_python=$(find_python) || {
        echo "[ERROR] $(cat "$scratch/none"), and the download failed: $(grep . "$scratch/why" | tail -n 1 | sed 's/^ *//')" >&2
        echo "Install one (apt-get install python3 python3-venv; brew install python; https://www.python.org/downloads)," \
            "or name it: make run PYTHON=/path/to/python3" >&2
        exit 1
    }
}
version=${found_python%% *} python=${found_python#* }
created_by=$(sh local_stack/setup/find_python.sh "$venv/bin/python" 2>/dev/null || true)
if [ -d .venv ] && [ "$created_by" != "$found_python" ]; then
    # running processes would lose their files
    users=$({ ps -A -o pid= -o args= 2>/dev/null || true; } | grep -F "$venv/bin/python " | grep -cv "grep -F" || true)
    [ "$users" = 0 ] || { echo "[ERROR] .venv must be created again, but processes run from it ($users). Stop them: make down" >&2; exit 1; }
    echo "  .venv         was created by ${created_by:-a missing or unsupported Python}; it is created again by $found_python"
    rm -rf .venv.before
    mv .venv .venv.before
fi
[ -e "$stamp" ] && exit 0

started=$(date +%s)
echo "  .venv         Python $version, from $* (once; about a minute) …"
[ -x .venv/bin/pip ] || "$python" -m venv .venv
.venv/bin/python -m pip install --quiet --require-hashes -r "$scratch/uv.txt"
# uv does not read pip's settings: pass on the index
index=$(.venv/bin/python -m pip config get global.index-url 2>/dev/null || true)
[ -z "$index" ] || export UV_DEFAULT_INDEX="$index"
export VIRTUAL_ENV="$venv"
requirements=
for file in "$@"; do requirements="$requirements -r $file"; done
# shellcheck disable=SC2086
.venv/bin/uv pip install --quiet --require-hashes $requirements
# Feast must find the project's stores from any folder: cd feature_repo && feast apply
for site in .venv/lib/python*/site-packages; do [ ! -d "$site" ] || printf '%s\n' "$PWD" > "$site/streamflow.pth"; done
sed -i '/^# StreamFlow: /d; /local_stack env/d' .venv/bin/activate # lines of an older set-up
cat >> .venv/bin/activate <<'ACTIVATE'

# StreamFlow: the stack's addresses, and an `mlflow` that names what to start if the stack is down
eval "$(cd "$VIRTUAL_ENV/.." && PYTHONPATH="$PWD" "$VIRTUAL_ENV/bin/python" -m local_stack env)"
ACTIVATE
touch "$stamp"
rm -rf .venv.before
echo "  .venv         ready, $(($(date +%s) - started)) s"
