"""Where a model server listens: at a Unix socket that only this user reaches, or, with ROLLOUT_MODEL_TLS, at a port.

`mlflow models serve` starts uvicorn, which reads UVICORN_… from its environment.
"""

import hashlib
import os
import secrets
import shutil
import socket
import ssl
import tempfile
from pathlib import Path
from typing import Protocol

from configuration import model_address
from configuration.answer_report import KEY_FILE
from configuration.model_address import AUTHORITY, CERTIFICATE, KEY, Connect, connector, unix_url
from rollout.errors import LaunchFailed
from rollout.settings import LONGEST_FOLDER, Settings

SHORT_TEMPORARY = Path("/tmp")  # noqa: S108 - a folder of mode 0700 is made in it


class Listener(Protocol):
    url: str
    """The address at which the gateway reaches it"""
    connect: Connect
    """For the watcher's own calls"""
    arguments: list[str]
    """Of `mlflow models serve`"""
    environment: dict[str, str]
    key: str
    """Gateways send it with their reports about this server"""

    def close(self) -> None:
        """After the end of the server."""


class UnixListener:
    """A socket in a folder of its own, which only its owner may enter: uvicorn opens the socket itself to everybody."""

    def __init__(self, settings: Settings, version: str) -> None:
        parent = _parent(settings)
        try:
            parent.mkdir(parents=True, exist_ok=True)
            self._folder = Path(tempfile.mkdtemp(prefix=_prefix(settings), dir=parent))  # mode 0700
            self.key = secrets.token_hex(16)
            (self._folder / KEY_FILE).write_text(self.key)
        except OSError as error:
            raise LaunchFailed(f"no folder for its socket can be made in {parent}: {error.strerror}") from error
        path = self._folder / f"v{version}"
        self.url, self.connect = unix_url(path), connector(unix_url(path))
        self.arguments: list[str] = []
        self.environment = {"UVICORN_UDS": str(path)}

    def close(self) -> None:
        shutil.rmtree(self._folder, ignore_errors=True)


class TlsListener:
    """A port that answers only clients with a certificate of the folder's authority."""

    key = ""

    def __init__(self, settings: Settings, folder: Path) -> None:
        port = free_port(settings)
        self.url = f"https://{settings.models_reached_at}:{port}"
        self.connect = connector(self.url, model_address.mutual_tls(folder))
        self.arguments = ["--host", settings.model_host, "--port", str(port)]
        self.environment = {
            "UVICORN_SSL_CERTFILE": str(folder / CERTIFICATE),
            "UVICORN_SSL_KEYFILE": str(folder / KEY),
            "UVICORN_SSL_CA_CERTS": str(folder / AUTHORITY),
            "UVICORN_SSL_CERT_REQS": str(int(ssl.CERT_REQUIRED)),
        }

    def close(self) -> None:
        """Nothing is left of it."""


def listen(settings: Settings, version: str) -> Listener:
    """Raises LaunchFailed."""
    if settings.model_tls is None:
        return UnixListener(settings, version)
    return TlsListener(settings, settings.model_tls)


def remove_left_sockets(settings: Settings) -> None:
    """Of a watcher that was killed, with this folder for models. Call when its model servers have ended."""
    for left in _parent(settings).glob(f"{_prefix(settings)}*"):
        if not left.is_symlink() and left.stat().st_uid == os.getuid():
            shutil.rmtree(left, ignore_errors=True)


def free_port(settings: Settings) -> int:
    """Raises LaunchFailed if every port of the range is in use."""
    for port in settings.model_ports or (0,):
        with socket.socket() as probe:
            try:
                probe.bind((settings.model_host, port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    ports = settings.model_ports
    raise LaunchFailed(f"ROLLOUT_MODEL_PORTS={ports[0]}-{ports[-1]}: every port is in use")


def _parent(settings: Settings) -> Path:
    """Not XDG_RUNTIME_DIR, which is removed when the user logs out."""
    temporary = Path(tempfile.gettempdir())
    is_short = len(os.fsencode(temporary)) <= LONGEST_FOLDER
    return settings.sockets or (temporary if is_short else SHORT_TEMPORARY)


def _prefix(settings: Settings) -> str:
    """Of this watcher's folders for sockets: several watchers may share the folder above."""
    return f"streamflow-{hashlib.sha256(os.fsencode(settings.folder)).hexdigest()[:8]}-"
