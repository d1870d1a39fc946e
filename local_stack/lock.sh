#!/bin/sh
# Makes the two lock files anew from pyproject.toml, and writes the lock's hash where conda looks for changes.
set -eu
cd "$(dirname "$0")/.."
compile=".venv/bin/uv pip compile --quiet --python-version 3.11 --no-annotate --no-header ${UPGRADE:+--upgrade}"
$compile pyproject.toml --output-file requirements.txt
whole=$(mktemp)
trap 'rm -f "$whole"' EXIT
$compile --extra dev --constraint requirements.txt pyproject.toml --output-file "$whole"
sort requirements.txt > "$whole.base"
sort "$whole" | comm -13 "$whole.base" - > requirements-dev.txt
rm -f "$whole.base"
hash=$(sha256sum requirements.txt | cut -d' ' -f1)
sed -i "s/^# requirements.txt sha256: .*/# requirements.txt sha256: $hash/" conda.yaml
echo "[OK] $(wc -l < requirements.txt) packages, and $(wc -l < requirements-dev.txt) more for development"
