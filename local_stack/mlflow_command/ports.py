"""Finds a free port for a command that starts a server, or exits with one line."""

import errno
import os
import socket
import sys
import urllib.error
import urllib.request

from local_stack.mlflow_command.options import Token, parse_tokens, value_of

LONG_NAMES = {"-p": "--port", "-h": "--host"}
DEFAULT_PORT = "5000"
ANSWER_TIMEOUT_S = 2.0
IN_USE = (errno.EADDRINUSE, errno.EACCES)


def for_model_server(arguments: list[str]) -> list[str]:
    """`models serve …`, with a free port added if none is given and MLflow's default port is in use."""
    tokens = parse_tokens(arguments, LONG_NAMES, ("--no-conda", "--install-mlflow"))
    host, chosen = _host(tokens), value_of(tokens, "--port")
    port = chosen or os.environ.get("MLFLOW_PORT", DEFAULT_PORT)
    if not _is_in_use(host, port):
        return arguments
    free = _free(host)
    if chosen:
        sys.exit(f"[ERROR] Port {port} of {host} is in use. Use a free one, such as --port {free}, or omit --port")
    print(f"Port {port} is in use{_owner(host, port)}; the model is served at http://{host}:{free}", end=". ")
    print("To choose a port: --port", flush=True)
    return [*arguments, "--port", str(free)]


def for_tracking_server(arguments: list[str]) -> None:
    """Exits with one line if the port of `server …` is in use."""
    tokens = parse_tokens(arguments, LONG_NAMES, ())
    host, port = _host(tokens), value_of(tokens, "--port") or os.environ.get("MLFLOW_PORT", DEFAULT_PORT)
    if _is_in_use(host, port):
        sys.exit(
            f"[ERROR] Port {port} of {host} is in use{_owner(host, port)}. For another server: --port {_free(host)}"
        )


def _host(tokens: list[Token]) -> str:
    return value_of(tokens, "--host") or os.environ.get("MLFLOW_HOST", "127.0.0.1")


def _is_in_use(host: str, port: str) -> bool:
    """False for an invalid port or an address of another machine: MLflow reports those."""
    if not port.isdecimal():
        return False
    try:
        family, kind, protocol, _name, address = socket.getaddrinfo(host, int(port), type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except (socket.gaierror, OverflowError):
        return False
    except OSError as error:
        return error.errno in IN_USE
    return False


def _free(host: str) -> int:
    family = socket.getaddrinfo(host, 0, type=socket.SOCK_STREAM)[0][0]
    with socket.socket(family) as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])


def _owner(host: str, port: str) -> str:
    address = f"http://{'127.0.0.1' if host == '0.0.0.0' else host}:{port}"  # noqa: S104 - only compared
    try:
        with urllib.request.urlopen(f"{address}/version", timeout=ANSWER_TIMEOUT_S) as answer:  # noqa: S310 - built above
            is_mlflow = answer.read(20).decode(errors="replace")[:1].isdecimal()
    except (OSError, ValueError):
        return ""
    return f" (MLflow runs at {address})" if is_mlflow else ""
