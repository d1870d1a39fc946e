"""A port that is free, for a command that starts a server; or one line that says what to give."""

import errno
import os
import socket
import sys
import urllib.error
import urllib.request

from local_stack.mlflow_command.options import Token, tokens, value_of

LONG_NAMES = {"-p": "--port", "-h": "--host"}
USUAL_PORT = "5000"
ANSWER_TIMEOUT_S = 2.0
TAKEN = (errno.EADDRINUSE, errno.EACCES)


def for_model_server(arguments: list[str]) -> list[str]:
    """`models serve …` with a port that is free where none was asked for and MLflow's usual one is taken."""
    found = tokens(arguments, LONG_NAMES, ("--no-conda", "--install-mlflow"))
    host, asked = _host(found), value_of(found, "--port")
    port = asked or os.environ.get("MLFLOW_PORT", USUAL_PORT)
    if not _is_taken(host, port):
        return arguments
    free = _free(host)
    if asked:
        sys.exit(f"[ERROR] Port {port} of {host} is taken. Give one that is free: --port {free}; or none")
    print(f"Port {port} is taken{_by_whom(host, port)}: the model is served at http://{host}:{free}", end="; ")
    print("to choose: --port", flush=True)
    return [*arguments, "--port", str(free)]


def for_tracking_server(arguments: list[str]) -> None:
    """Exits with one line when the port of `server …` is taken."""
    found = tokens(arguments, LONG_NAMES, ())
    host, port = _host(found), value_of(found, "--port") or os.environ.get("MLFLOW_PORT", USUAL_PORT)
    if _is_taken(host, port):
        sys.exit(
            f"[ERROR] Port {port} of {host} is taken{_by_whom(host, port)}. For another server: --port {_free(host)}"
        )


def _host(found: list[Token]) -> str:
    return value_of(found, "--host") or os.environ.get("MLFLOW_HOST", "127.0.0.1")


def _is_taken(host: str, port: str) -> bool:
    """False too for what is no port or no address of this machine: MLflow says so itself."""
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
        return error.errno in TAKEN
    return False


def _free(host: str) -> int:
    family = socket.getaddrinfo(host, 0, type=socket.SOCK_STREAM)[0][0]
    with socket.socket(family) as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])


def _by_whom(host: str, port: str) -> str:
    address = f"http://{'127.0.0.1' if host == '0.0.0.0' else host}:{port}"  # noqa: S104 - it is compared
    try:
        with urllib.request.urlopen(f"{address}/version", timeout=ANSWER_TIMEOUT_S) as answer:  # noqa: S310 - as built
            is_mlflow = answer.read(20).decode(errors="replace")[:1].isdecimal()
    except (OSError, ValueError):
        return ""
    return f" (MLflow runs at {address})" if is_mlflow else ""
