#!/bin/sh
# The entrypoint of PostgreSQL's container. Nobody knows the superuser's password: the volume of the server's Unix socket
# lets it in without one, and only the service that creates roles mounts it.
set -eu
chown postgres:postgres /var/run/postgresql
chmod 0775 /var/run/postgresql
POSTGRES_PASSWORD=$(head -c 32 /dev/urandom | base64)
export POSTGRES_PASSWORD
exec docker-entrypoint.sh postgres
