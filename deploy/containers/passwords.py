"""python -m deploy.containers.passwords: makes the passwords of the containers. Safe to repeat. --show NAME prints one.

In: the .env file of the project's folder. Out: in the volume `passwords`, a file for each password; in the volume of
each service, a file for each of its variables. .env wins over the files, and passwords that neither has are made.
"""

import argparse
import os
import pwd
import secrets
import sys
from collections.abc import Mapping
from pathlib import Path

from dotenv import dotenv_values

from configuration import passwords

ENV_FILE = Path("/env")
MADE = Path("/passwords")
SECRETS = Path("/secrets")
USER = "streamflow"  # of the image
OF_ROLES = passwords.NAMES
OF_MLFLOW = ("MLFLOW_ADMIN_PASSWORD", "MLFLOW_STEPS_PASSWORD", "MLFLOW_WATCHER_PASSWORD")
OF_GRAFANA = "GRAFANA_ADMIN_PASSWORD"
PASSWORDS = (*OF_ROLES, *OF_MLFLOW, OF_GRAFANA)
# .env sets them, or nobody does
OPTIONAL = ("ENRICHER_API_KEYS", "CONSOLE_KEYS")
# service -> its variables, and the secret that each holds
SERVICES: Mapping[str, Mapping[str, str]] = {
    "roles": {name: name for name in OF_ROLES},
    "pipeline": {"PGPASSWORD": "PGPASSWORD", "MLFLOW_TRACKING_PASSWORD": "MLFLOW_STEPS_PASSWORD"},
    "requests": {"PGPASSWORD": "PGPASSWORD", "MLFLOW_TRACKING_PASSWORD": "MLFLOW_STEPS_PASSWORD"},
    "mlflow": {"PGPASSWORD": "MLFLOW_DATABASE_PASSWORD", **{name: name for name in OF_MLFLOW}},
    "model": {"PGPASSWORD": "WATCHER_PASSWORD", "MLFLOW_TRACKING_PASSWORD": "MLFLOW_WATCHER_PASSWORD"},
    "gateway": {
        "PGPASSWORD": "READER_PASSWORD",
        "ENRICHER_LOG_PASSWORD": "PREDICTION_LOG_PASSWORD",
        "ENRICHER_API_KEYS": "ENRICHER_API_KEYS",
    },
    "console": {
        "PGPASSWORD": "CONSOLE_DATABASE_PASSWORD",
        "CONSOLE_KEYS": "CONSOLE_KEYS",
        "CONSOLE_GATEWAY_KEY": "CONSOLE_GATEWAY_KEY",
    },
}
# of the images of the profile `monitoring`: service -> the user, by number, that reads its files
USERS = {"prometheus": 65534, "grafana": 472}
SCRAPER, ASKER = "prometheus", "console"
"""The names of the API keys with which Prometheus reads the gateway's metrics, and the console asks for a customer"""


def main() -> None:
    parser = argparse.ArgumentParser(prog="passwords", description=__doc__)
    parser.add_argument("--show", choices=PASSWORDS, help="print this password")
    args = parser.parse_args()
    user = pwd.getpwnam(USER)
    try:
        values = make(ENV_FILE, MADE)
        for service, variables in SERVICES.items():
            of_service = {variable: values[name] for variable, name in variables.items() if name in values}
            hand_over(SECRETS / service, of_service, (user.pw_uid, user.pw_gid))
        for service, of_service in of_monitoring(values).items():
            hand_over(SECRETS / service, of_service, (USERS[service], USERS[service]))
    except (OSError, ValueError) as error:
        sys.exit(f"[ERROR] {error}")
    for name in passwords.published(values) if not args.show else []:
        print(f"[WARNING] {name} in .env is a password that everybody knows. Set another", file=sys.stderr)
    print(values[args.show] if args.show else f"[OK] Passwords of {', '.join(SERVICES)} are in their volumes.")


def make(env_file: Path, folder: Path) -> dict[str, str]:
    """Secret -> value: from the file, else from the folder, else made and kept there. Raises ValueError, OSError."""
    chosen = {name: value for name, value in dotenv_values(env_file).items() if value}
    refuse_line_breaks(chosen)
    values = {name: chosen.get(name) or _kept(folder / name) or secrets.token_urlsafe(32) for name in PASSWORDS}
    write(folder, values, (os.getuid(), os.getgid()))
    optional = {name: chosen[name] for name in OPTIONAL if name in chosen}
    key = api_keys(optional).get(ASKER)
    return {**values, **optional, **({"CONSOLE_GATEWAY_KEY": key} if key else {})}


def of_monitoring(values: Mapping[str, str]) -> dict[str, dict[str, str]]:
    """Service -> its files. The gateway takes any key, also an empty one, where ENRICHER_API_KEYS is not set."""
    key = api_keys(values).get(SCRAPER, "")
    return {"prometheus": {"API_KEY": key}, "grafana": {"ADMIN_PASSWORD": values[OF_GRAFANA]}}


def api_keys(values: Mapping[str, str]) -> dict[str, str]:
    """Name -> key, of the gateway's."""
    parts = (part.partition(":") for part in values.get("ENRICHER_API_KEYS", "").split(","))
    return {name.strip(): key.strip() for name, _colon, key in parts}


def refuse_line_breaks(chosen: Mapping[str, str]) -> None:
    for name in (*PASSWORDS, *OPTIONAL):
        if any(ord(character) < ord(" ") for character in chosen.get(name, "")):
            raise ValueError(f"{name} in .env contains a line break or another control character, which is not allowed")


def hand_over(folder: Path, values: Mapping[str, str], owner: tuple[int, int]) -> None:
    """The folder has these files and no other; only their owner can read them."""
    write(folder, values, owner)
    for path in folder.iterdir():
        if path.name not in values:
            path.unlink()


def write(folder: Path, values: Mapping[str, str], owner: tuple[int, int]) -> None:
    """A file per value, closed to other users from its first byte. A container never reads half a file."""
    folder.chmod(0o700)
    os.chown(folder, *owner)
    for name, value in values.items():
        new = folder / f".{name}"
        new.unlink(missing_ok=True)
        with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
            file.write(value)
            os.fchown(file.fileno(), *owner)
        new.replace(folder / name)


def _kept(path: Path) -> str | None:
    return path.read_text(encoding="utf-8") if path.exists() else None


if __name__ == "__main__":
    main()
