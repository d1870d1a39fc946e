#!/bin/sh
# Runs docker-compose.yml with ../shared/tools/compose-check, on a copy of the project's files.
# Skipped with a message if that tool or a program it needs is missing.
set -eu
root=$(CDPATH="" cd -- "$(dirname -- "$0")/../.." && pwd)
tool="$root/../shared/tools/compose-check/run.sh"
skip() { echo "[SKIPPED] test-compose: $1"; exit 0; }
[ -f "$tool" ] || skip "../shared/tools/compose-check/run.sh is missing beside the project"
[ "$(id -u)" = 0 ] || skip "it needs root"
for program in git podman catatonit runc mmdebstrap docker-compose; do
  command -v "$program" >/dev/null || skip "$program is missing: apt-get install git podman catatonit runc netavark aardvark-dns iptables mmdebstrap docker-compose"
done
export DATA="${DATA:-$root/../shared/data}"
[ -d "$DATA" ] && DATA=$(cd "$DATA" && pwd) || unset DATA

STREAMFLOW_COMMIT=$(git -C "$root" rev-parse HEAD)
export STREAMFLOW_COMMIT
scratch=$(mktemp -d "${TMPDIR:-/tmp}/streamflow-compose-XXXXXX")
trap 'rm -rf "$scratch"' EXIT
clone="$scratch/streamflow"
key() { od -An -N24 -tx1 /dev/urandom | tr -d ' \n'; }
mkdir "$clone"
(cd "$root" && git ls-files -z --cached --others --exclude-standard | tar --null --ignore-failed-read -cf - -T -) | tar -xf - -C "$clone"
sed -e "s/^MLFLOW_PORT=.*/MLFLOW_PORT=${MLFLOW_PORT:-15000}/" -e "s/^GATEWAY_PORT=.*/GATEWAY_PORT=${GATEWAY_PORT:-18000}/" \
  -e "s/^CONSOLE_PORT=.*/CONSOLE_PORT=${CONSOLE_PORT:-18080}/" -e "s/^ALERTMANAGER_PORT=.*/ALERTMANAGER_PORT=${ALERTMANAGER_PORT:-19093}/" \
  -e "s|^READER_PASSWORD=.*|READER_PASSWORD=r:e@d'er/%-$$|" -e "s|^PGPASSWORD=.*|PGPASSWORD=|" \
  -e "s|^ENRICHER_API_KEYS=.*|ENRICHER_API_KEYS=prometheus:$(key),console:$(key),check:$(key)|" -e "s|^CONSOLE_KEYS=.*|CONSOLE_KEYS=ann:$(key)|" "$clone/.env.example" > "$clone/.env"
# remove the name of the last image, so that `up` builds this code; its layers are reused
state=${COMPOSE_CHECK_DIR:-/var/tmp/compose-check}
if [ -f "$state/storage.conf" ]; then
  CONTAINERS_CONF="$state/containers.conf" CONTAINERS_STORAGE_CONF="$state/storage.conf" \
    podman untag docker.io/library/streamflow:local 2>/dev/null || true
fi
status=0
# in a subshell: at the end, the tool takes down the containers of its current folder
"$tool" "$clone" "(cd '$root' && PYTHONPATH='$root' .venv/bin/python -m deploy.containers.check '$clone')" || status=$?
[ "$status" = 77 ] && skip "the tool reports that a program is missing"
exit "$status"
