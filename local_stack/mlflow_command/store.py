"""Checks that a command's store answers and accepts the login; MLflow would take minutes and print a traceback."""

import base64
import configparser
import os
import re
import socket
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

from local_stack.mlflow_command.options import parse_tokens, value_of

ANSWER_TIMEOUT_S = 2.0
DEFAULT_PORTS = {"http": 80, "https": 443, "postgresql": 5432}
NEEDS_STORE = {"run", "runs", "experiments", "models", "artifacts", "gc", "traces", "datasets", "scorers"}
SERVERS = {"server", "ui"}
CREDENTIALS = "~/.mlflow/credentials"
UNAUTHORIZED = (401, 403)


def require_store(arguments: Sequence[str]) -> None:
    """Exits with one line if the command's store does not answer or refuses the login."""
    command = arguments[0] if arguments else ""
    if "--help" in arguments:
        return
    if command in NEEDS_STORE:
        require_answer(os.environ.get("MLFLOW_TRACKING_URI", ""))
    elif command in SERVERS:
        uri = value_of(parse_tokens(arguments[1:], {}, ()), "--backend-store-uri")
        require_answer(uri or os.environ.get("MLFLOW_BACKEND_STORE_URI", ""))
    elif command == "db":
        require_answer(next((argument for argument in arguments if "://" in argument), ""))


def require_answer(uri: str) -> None:
    address = urlsplit(uri)
    scheme = address.scheme.split("+")[0]
    if scheme not in DEFAULT_PORTS or not address.hostname:
        return
    try:
        port = address.port or DEFAULT_PORTS[scheme]
    except ValueError as error:
        sys.exit(f"[ERROR] The address of MLflow's tracking store, at {address.hostname}: {error}. Use 1 to 65535")
    server = f"{address.hostname}:{port}"
    try:
        if scheme == "postgresql":
            socket.create_connection((address.hostname, port), ANSWER_TIMEOUT_S).close()
        elif _refuses_login(uri):
            sys.exit(login_message(server))
    except OSError:
        proxy = "" if scheme == "postgresql" else _proxy_note(uri)
        sys.exit(f"MLflow's tracking store does not answer at {server}{proxy}. Start the stack: make up")


def _refuses_login(uri: str) -> bool:
    """Send a request like MLflow's client, with its proxy and login. Raises OSError if nothing answers."""
    import requests  # noqa: PLC0415 - takes 0.1 s, which a store in PostgreSQL does not need

    address = f"{uri.rstrip('/')}/api/2.0/mlflow/experiments/search?max_results=1"
    try:
        return requests.get(address, headers=login_header(), timeout=ANSWER_TIMEOUT_S).status_code in UNAUTHORIZED
    except (requests.exceptions.SSLError, requests.exceptions.ReadTimeout, ValueError):
        return False  # MLflow reports it


def _proxy_note(uri: str) -> str:
    import requests  # noqa: PLC0415 - already loaded

    proxy = requests.utils.select_proxy(uri, requests.utils.get_environ_proxies(uri))
    return f" through the shell's proxy {proxy.split('@')[-1]}" if proxy else ""


def login_header() -> dict[str, str]:
    """The Authorization header that MLflow's client sends."""
    user, password = (_login_part(f"MLFLOW_TRACKING_{name}") for name in ("USERNAME", "PASSWORD"))
    token = os.environ.get("MLFLOW_TRACKING_TOKEN")
    if user and password:
        return {"Authorization": f"Basic {base64.b64encode(f'{user}:{password}'.encode()).decode()}"}
    return {"Authorization": f"Bearer {token}"} if token else {}


def _login_part(name: str) -> str | None:
    """Of the environment, else of the file that MLflow's client reads."""
    file = configparser.ConfigParser()
    with suppress(OSError, configparser.Error):
        file.read(Path(CREDENTIALS).expanduser())
    return os.environ.get(name) or file.get("mlflow", name.lower(), fallback=None)


def login_message(server: str) -> str:
    return (
        f"MLflow at {server} refuses the login. Set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, "
        "or MLFLOW_TRACKING_TOKEN"
    )


def one_line(error: Exception) -> str:
    """The error of MLflow, git or the database in one line."""
    message = str(getattr(error, "message", None) or getattr(error, "stderr", None) or error).strip()
    deleted = re.search(r"experiment (\d+) must be in the 'active' state", message)
    if deleted:
        number = deleted[1]
        return f"Experiment {number} was deleted. Restore it: mlflow experiments restore --experiment-id {number}"
    lines = [line.strip() for line in message.splitlines() if line.strip()]
    return " ".join(lines[:3]) if lines else type(error).__name__
