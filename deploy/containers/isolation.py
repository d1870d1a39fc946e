"""Checks what the running containers know and what they reach: passwords, networks, volumes."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from dotenv import dotenv_values

from deploy.containers.outside import Containers, require

MLFLOW_PORT, POSTGRES_PORT, WATCHER_PORT, CONSOLE_PORT = 5000, 5432, 5001, 8080
VOLUMES_OF_GATEWAY = {"secrets-gateway", "sockets"}
# service -> the secrets that its processes have
SECRETS_OF = {
    "gateway": {"READER_PASSWORD", "PREDICTION_LOG_PASSWORD", "ENRICHER_API_KEYS", "CONSOLE_GATEWAY_KEY"},
    "console": {"CONSOLE_DATABASE_PASSWORD", "CONSOLE_KEYS", "CONSOLE_GATEWAY_KEY"},
}
READ_PASSWORDS = (
    "import json, pathlib; print(json.dumps({p.name: p.read_text() for p in pathlib.Path('/passwords').iterdir()}))"
)
READ_ENVIRONMENTS = """
import pathlib
for path in pathlib.Path("/proc").glob("[0-9]*/environ"):
    try:
        print(ascii(path.read_bytes().decode()))
    except (PermissionError, FileNotFoundError, ProcessLookupError):
        pass
"""
REACHED = """
import socket, sys
for name in sys.argv[1:]:
    host, port = name.rsplit(":", 1)
    try:
        socket.create_connection((host, int(port)), timeout=3).close()
        print(name)
    except OSError:
        pass
"""


def check(containers: Containers) -> None:
    secrets = passwords(containers)
    passwords_are_in_no_definition(containers, secrets)
    for service in SECRETS_OF:
        a_service_knows_its_own_passwords(containers, service, secrets)
    gateway_reaches_no_mlflow(containers)
    internal_services_have_no_way_out(containers)


def passwords(containers: Containers) -> dict[str, str]:
    words = ("run", "--rm", "-T", "--entrypoint", "python", "passwords", "-c", READ_PASSWORDS)
    made: dict[str, str] = json.loads(containers.compose(*words).splitlines()[-1])
    keys = dotenv_values(containers.folder / ".env")
    of_clients, of_people = (dict(pairs(keys[name] or "")) for name in ("ENRICHER_API_KEYS", "CONSOLE_KEYS"))
    require(len(made) > 1 and bool(of_people), "there are no passwords or no keys to look for")
    return {
        **made,
        "ENRICHER_API_KEYS": of_clients["check"],
        "CONSOLE_GATEWAY_KEY": of_clients["console"],
        "CONSOLE_KEYS": of_people["ann"],
    }


def pairs(keys: str) -> Iterator[tuple[str, str]]:
    for part in keys.split(","):
        name, _colon, key = part.partition(":")
        yield name, key


def passwords_are_in_no_definition(containers: Containers, secrets: Mapping[str, str]) -> None:
    definitions = containers.inspect()
    texts = list(strings(definitions))
    require(any(text.startswith("PGUSER=") for text in texts), "`inspect` shows no variables")
    shown = [name for name, value in secrets.items() if any(value in text for text in texts)]
    require(not shown, f"`inspect` shows {shown}")
    print(f"  `inspect` of {len(definitions)} containers and their image shows no password and no key")


def a_service_knows_its_own_passwords(containers: Containers, service: str, secrets: Mapping[str, str]) -> None:
    environments = containers.python(service, READ_ENVIRONMENTS)
    shown = {name for name, value in secrets.items() if ascii(value)[1:-1] in environments}
    require(shown == SECRETS_OF[service], f"the environments of the {service}'s container have {sorted(shown)}")
    print(f"  /proc/*/environ of the {service}'s container has {', '.join(sorted(shown))} and no other password")


def gateway_reaches_no_mlflow(containers: Containers) -> None:
    may = [f"postgres:{POSTGRES_PORT}", f"model:{WATCHER_PORT}", f"console:{CONSOLE_PORT}"]
    may_not = [f"{host}:{MLFLOW_PORT}" for host in ("mlflow", *containers.addresses("mlflow"))]
    require(len(may_not) > 1, "MLflow's container has no address")
    reached = containers.python("gateway", REACHED, *may, *may_not).split()
    require(reached == may, f"the gateway's container reaches {reached}")
    volumes = {
        mount["Name"].rpartition("_")[2] for mount in containers.of("gateway")["Mounts"] if mount["Type"] == "volume"
    }
    require(volumes == VOLUMES_OF_GATEWAY, f"the gateway's container mounts {sorted(volumes)}")
    print(
        f"  the gateway reaches {', '.join(reached)}, not {', '.join(may_not)}; it mounts {', '.join(sorted(volumes))}"
    )


def internal_services_have_no_way_out(containers: Containers) -> None:
    routes = "print([line.split()[1] for line in open('/proc/net/route')].count('00000000'))"
    ways = {name: int(containers.python(name, routes)) for name in ("gateway", "mlflow", "model")}
    require(ways["model"] == 0 < ways["gateway"], f"default routes: {ways}")
    print("  the watcher's container has no route to the outside")


def strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, list | dict):
        for item in value.values() if isinstance(value, dict) else value:
            yield from strings(item)
