#!/bin/sh
# Makes a copy of the project that runs in containers: MLflow's Kubernetes backend wants docker_env where the project
# itself has conda_env, and MLproject may name one alone. Then, in that folder:
#   mlflow run . -e train --backend kubernetes --backend-config deploy/kubernetes/config.json -P as_of=2024-01-31
# Arguments: the folder to make, and the image that deploy/kubernetes/Dockerfile makes.
set -eu
[ $# -eq 2 ] || { echo "Usage: sh deploy/kubernetes/project.sh FOLDER IMAGE" >&2; exit 2; }
[ ! -e "$1" ] || { echo "$1 is there already. Name a new folder" >&2; exit 2; }
source=$(CDPATH="" cd -- "$(dirname -- "$0")/../.." && pwd)
mkdir -p "$1"
for part in MLproject pyproject.toml requirements.txt conda.yaml .env.example configuration steps feature_repo feature_store deploy; do
    cp -R "$source/$part" "$1/"
done
find "$1" -name __pycache__ -type d -prune -exec rm -rf {} +
sed "s|^conda_env: .*|docker_env: {image: \"$2\"}|" "$source/MLproject" > "$1/MLproject"
echo "[OK] $1 runs in $2"
