#!/bin/sh
# Exits with a message when programs are not on PATH. Arguments: what needs them, and their names.
set -eu
what=$1 missing=
shift
for program in "$@"; do command -v "$program" >/dev/null || missing="$missing $program"; done
[ -z "$missing" ] && exit 0
echo "[ERROR] $what needs a program that is not on PATH:$missing. Install it: apt-get install$missing" >&2
exit 1
