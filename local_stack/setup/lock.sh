#!/bin/sh
# Makes the lock files anew from pyproject.toml, for all of its Pythons at once, whichever runs this; and writes the lock's
# hash where conda looks for changes. What is locked stays, unless pyproject.toml excludes it: UPGRADE=1 takes the newest.
# requirements.txt is the one environment; the others hold what an extra needs beyond it.
set -eu
CDPATH="" cd -- "$(dirname -- "$0")/../.."
lowest=$(sed -n 's/^requires-python = ">=\([0-9.]*\),.*/\1/p' pyproject.toml)
compile=".venv/bin/uv pip compile --quiet --universal --python-version $lowest --no-annotate --no-header ${UPGRADE:+--upgrade}"
$compile pyproject.toml --output-file requirements.txt
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
for extra in dev spark redis; do
    # uv keeps the versions of the file it is to write
    cat requirements.txt "requirements-$extra.txt" > "$scratch/whole" 2>/dev/null || true
    $compile --extra "$extra" --constraint requirements.txt pyproject.toml --output-file "$scratch/whole"
    awk -F '==' 'NR == FNR { base[$1]; next } !($1 in base)' requirements.txt "$scratch/whole" > "requirements-$extra.txt"
done
hash=$(.venv/bin/python -c 'import hashlib; print(hashlib.sha256(open("requirements.txt", "rb").read()).hexdigest())')
sed -i "s/^# requirements.txt sha256: .*/# requirements.txt sha256: $hash/" conda.yaml
for file in requirements*.txt; do echo "[OK] $file: $(wc -l < "$file") packages"; done
