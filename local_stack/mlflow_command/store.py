"""Is the store that a command needs there, and does it let us in? One line when not, instead of minutes and a trace."""

import base64
import os
import re
import socket
import sys
from collections.abc import Sequence
from urllib.parse import urlsplit

from local_stack.mlflow_command.options import tokens, value_of

ANSWER_TIMEOUT_S = 2.0
DEFAULT_PORTS = {"http": 80, "https": 443, "postgresql": 5432}
NEEDS_STORE = {"run", "runs", "experiments", "models", "artifacts", "gc", "traces", "datasets", "scorers"}
SERVERS = {"server", "ui"}
UNAUTHORIZED = (401, 403)


def require_store(arguments: Sequence[str]) -> None:
    """Exits with one line when the store of this command does not answer, or not to us."""
    command = arguments[0] if arguments else ""
    if "--help" in arguments:
        return
    if command in NEEDS_STORE:
        require_answer(os.environ.get("MLFLOW_TRACKING_URI", ""))
    elif command in SERVERS:
        given = value_of(tokens(arguments[1:], {}, ()), "--backend-store-uri")
        require_answer(given or os.environ.get("MLFLOW_BACKEND_STORE_URI", ""))
    elif command == "db":
        require_answer(next((argument for argument in arguments if "://" in argument), ""))


def require_answer(uri: str) -> None:
    where = urlsplit(uri)
    scheme = where.scheme.split("+")[0]
    if scheme not in DEFAULT_PORTS or not where.hostname:
        return
    place = f"{where.hostname}:{where.port or DEFAULT_PORTS[scheme]}"
    try:
        if scheme == "postgresql":
            socket.create_connection((where.hostname, where.port or DEFAULT_PORTS[scheme]), ANSWER_TIMEOUT_S).close()
        elif _refuses_us(uri):
            sys.exit(wants_login(place))
    except OSError:
        by_proxy = "" if scheme == "postgresql" else _by_proxy(uri)
        sys.exit(f"MLflow's tracking store does not answer at {place}{by_proxy}. Start the stack: make up")


def _refuses_us(uri: str) -> bool:
    """Asked as MLflow's client asks: by the same proxy, with the same login. Raises OSError when nothing answers."""
    import requests  # noqa: PLC0415 - a tenth of a second that a store in PostgreSQL need not wait

    address = f"{uri.rstrip('/')}/api/2.0/mlflow/experiments/search?max_results=1"
    try:
        return requests.get(address, headers=_login(), timeout=ANSWER_TIMEOUT_S).status_code in UNAUTHORIZED
    except (requests.exceptions.SSLError, requests.exceptions.ReadTimeout, ValueError):
        return False  # whatever it is, MLflow says it


def _by_proxy(uri: str) -> str:
    import requests  # noqa: PLC0415 - loaded already

    through = requests.utils.select_proxy(uri, requests.utils.get_environ_proxies(uri))
    return f" through the proxy {through.split('@')[-1]} that the shell names" if through else ""


def _login() -> dict[str, str]:
    """What MLflow's own client would send."""
    user, password = (os.environ.get(f"MLFLOW_TRACKING_{name}", "") for name in ("USERNAME", "PASSWORD"))
    token = os.environ.get("MLFLOW_TRACKING_TOKEN")
    if user and password:
        return {"Authorization": f"Basic {base64.b64encode(f'{user}:{password}'.encode()).decode()}"}
    return {"Authorization": f"Bearer {token}"} if token else {}


def wants_login(where: str) -> str:
    return (
        f"MLflow at {where} wants a login, or another one. Set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, "
        "or MLFLOW_TRACKING_TOKEN"
    )


def in_one_line(error: Exception) -> str:
    """What MLflow, git or the database raised, for somebody who typed a command."""
    said = str(getattr(error, "message", None) or getattr(error, "stderr", None) or error).strip()
    deleted = re.search(r"experiment (\d+) must be in the 'active' state", said)
    if deleted:
        number = deleted[1]
        return f"Experiment {number} was deleted. Put it back: mlflow experiments restore --experiment-id {number}"
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    return " ".join(lines[:3]) if lines else type(error).__name__
