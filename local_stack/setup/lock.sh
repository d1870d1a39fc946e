#!/bin/sh
# Writes the lock files from pyproject.toml, for all supported Pythons, and the lock's hash into conda.yaml, where conda
# looks for changes. Locked versions stay unless pyproject.toml excludes them; UPGRADE=1 takes the newest.
# requirements.txt is the environment; the other files have the additional packages of each extra. Each package has the
# hashes of its files: an index that serves another file is refused.
set -eu
CDPATH="" cd -- "$(dirname -- "$0")/../.."
lowest=$(sed -n 's/^requires-python = ">=\([0-9.]*\),.*/\1/p' pyproject.toml)
compile=".venv/bin/uv pip compile --quiet --universal --python-version $lowest --generate-hashes --no-annotate --no-header ${UPGRADE:+--upgrade}"
$compile pyproject.toml --output-file requirements.txt
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
for extra in dev spark redis evidently; do
    # uv keeps the versions in its output file
    cat requirements.txt "requirements-$extra.txt" > "$scratch/whole" 2>/dev/null || true
    $compile --extra "$extra" --constraint requirements.txt pyproject.toml --output-file "$scratch/whole"
    # a package is a line with its version, and indented lines with its hashes
    awk -F '==' 'NR == FNR { if (/^[^ ]/) base[$1]; next } /^[^ ]/ { own = !($1 in base) } own' requirements.txt "$scratch/whole" > "requirements-$extra.txt"
done
hash=$(.venv/bin/python -c 'import hashlib; print(hashlib.sha256(open("requirements.txt", "rb").read()).hexdigest())')
sed -i "s/^# requirements.txt sha256: .*/# requirements.txt sha256: $hash/" conda.yaml
for file in requirements*.txt; do echo "[OK] $file: $(grep -c == "$file") packages"; done
