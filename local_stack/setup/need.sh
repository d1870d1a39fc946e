#!/bin/sh
# Exits with a message if programs are not on PATH. Arguments: the command that needs them, and their names.
set -eu
command=$1 missing=
shift
for program in "$@"; do command -v "$program" >/dev/null || missing="$missing $program"; done
[ -z "$missing" ] && exit 0
echo "[ERROR] $command needs programs that are not on PATH:$missing. Install them: apt-get install$missing" >&2
exit 1
