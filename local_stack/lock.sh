#!/bin/sh
# Makes the lock files anew from pyproject.toml, and writes the lock's hash where conda looks for changes.
# requirements.txt is the one environment; the others hold what an extra needs beyond it.
set -eu
CDPATH="" cd -- "$(dirname -- "$0")/.."
compile=".venv/bin/uv pip compile --quiet --python-version 3.11 --no-annotate --no-header ${UPGRADE:+--upgrade}"
$compile pyproject.toml --output-file requirements.txt
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
sort requirements.txt > "$scratch/base"
for extra in dev spark redis; do
    $compile --extra "$extra" --constraint requirements.txt pyproject.toml --output-file "$scratch/whole"
    sort "$scratch/whole" | comm -13 "$scratch/base" - > "requirements-$extra.txt"
    rm "$scratch/whole"
done
hash=$(sha256sum requirements.txt | cut -d' ' -f1)
sed -i "s/^# requirements.txt sha256: .*/# requirements.txt sha256: $hash/" conda.yaml
for file in requirements*.txt; do echo "[OK] $file: $(wc -l < "$file") packages"; done
