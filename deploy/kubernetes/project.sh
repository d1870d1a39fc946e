#!/bin/sh
# Creates a copy of the project that runs in containers: MLflow's Kubernetes backend needs docker_env instead of conda_env,
# and MLproject may have only one. Then, in that folder:
#   mlflow run . -e train --backend kubernetes --backend-config deploy/kubernetes/config.json -P as_of=2024-01-31
# Arguments: the folder to create, and the image built from deploy/kubernetes/Dockerfile.
set -eu
[ $# -eq 2 ] || { echo "Usage: sh deploy/kubernetes/project.sh FOLDER IMAGE" >&2; exit 2; }
[ ! -e "$1" ] || { echo "$1 already exists. Name a new folder" >&2; exit 2; }
source=$(CDPATH="" cd -- "$(dirname -- "$0")/../.." && pwd)
mkdir -p "$1"
for name in MLproject pyproject.toml requirements.txt conda.yaml .env.example configuration sealing steps feature_repo feature_store; do
    cp -R "$source/$name" "$1/"
done
# not the rest of deploy: deploy/kubernetes/mine has passwords, and MLflow copies the whole folder into an image
mkdir -p "$1/deploy/kubernetes"
cp "$source/deploy/kubernetes/config.json" "$source/deploy/kubernetes/job.yaml" "$1/deploy/kubernetes/"
find "$1" -name __pycache__ -type d -prune -exec rm -rf {} +
sed "s|^conda_env: .*|docker_env: {image: \"$2\"}|" "$source/MLproject" > "$1/MLproject"
# the image has no git; without a commit here, the job's own text stays
if commit=$(git -C "$source" describe --always --dirty --abbrev=40 --exclude='*' 2>/dev/null); then
    sed "s|\"not a git checkout\"}.*|\"$commit\"}|" "$source/deploy/kubernetes/job.yaml" > "$1/deploy/kubernetes/job.yaml"
fi
echo "[OK] $1 runs in $2"
