#!/bin/sh
# Makes .venv from the lock. Arguments: the requirement files. Does nothing when they are installed already.
set -eu
# CDPATH would lead elsewhere; and PostgreSQL's programs in .venv are for a system user too where root runs the stack
CDPATH='' cd -- "$(dirname -- "$0")/.."
umask 022
stamp=".venv/installed-$(cat "$@" local_stack/setup.sh | cksum | tr ' ' -)"
[ -e "$stamp" ] && exit 0

python=${PYTHON:-$(command -v python3.11 || command -v python3 || true)}
[ -n "$python" ] || { echo "No python3.11 on PATH. Install Python 3.11, or name it: make run PYTHON=/path/to/python3.11" >&2; exit 1; }
version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
[ "$version" = 3.11 ] || { echo "$python is Python $version; StreamFlow needs 3.11. Name it: make run PYTHON=/path/to/python3.11" >&2; exit 1; }

# pip goes on without a cache it cannot write, uv does not: a HOME that is read-only or not there has none
cache=${UV_CACHE_DIR:-${XDG_CACHE_HOME:-${HOME:-/nonexistent}/.cache}/uv}
{ mkdir -p "$cache" && [ -w "$cache" ]; } 2>/dev/null || export UV_NO_CACHE=1 PIP_NO_CACHE_DIR=1

started=$(date +%s)
echo "  .venv         from $* (once; about a minute) …"
[ -x .venv/bin/python ] || "$python" -m venv .venv
.venv/bin/python -m pip install --quiet --disable-pip-version-check --constraint requirements.txt uv
# uv reads none of pip's settings: the index it is to use, and the certificates the system trusts
index=$(.venv/bin/python -m pip config get global.index-url 2>/dev/null || true)
[ -z "$index" ] || export UV_DEFAULT_INDEX="$index"
export UV_SYSTEM_CERTS=true UV_COMPILE_BYTECODE=1 UV_HTTP_TIMEOUT=120 UV_NO_PROGRESS=1 VIRTUAL_ENV="$PWD/.venv"
requirements=
for file in "$@"; do requirements="$requirements -r $file"; done
# shellcheck disable=SC2086
.venv/bin/uv pip install --quiet $requirements
sed -i '/^# StreamFlow: /d; /local_stack env/d' .venv/bin/activate # what an older set-up wrote there
cat >> .venv/bin/activate <<'ACTIVATE'

# StreamFlow: the addresses of the stack, and an `mlflow` that says what to start when the stack is down
eval "$(cd "$VIRTUAL_ENV/.." && PYTHONPATH="$PWD" "$VIRTUAL_ENV/bin/python" -m local_stack env)"
ACTIVATE
touch "$stamp"
echo "  .venv         is there, $(($(date +%s) - started)) s"
