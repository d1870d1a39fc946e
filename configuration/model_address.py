"""Addresses of model servers: http://, https://, or http+unix:// with the percent-encoded path of a Unix socket."""

import socket
import ssl
from collections.abc import Callable
from functools import partial
from http.client import HTTPConnection, HTTPSConnection
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote, unquote, urlsplit

from pydantic import AfterValidator

from configuration.fields import Folder, setting, web_address_of

UNIX = "http+unix"
LONGEST_SOCKET_PATH = 103  # bytes; 107 on Linux
CERTIFICATE, KEY, AUTHORITY = "tls.crt", "tls.key", "ca.crt"

Connect = Callable[[], HTTPConnection]


class UnixConnection(HTTPConnection):
    def __init__(self, path: str) -> None:
        super().__init__("localhost")
        self._socket_path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._socket_path)


def unix_url(path: Path) -> str:
    return f"{UNIX}://{quote(str(path), safe='')}"


def socket_path(url: str) -> str | None:
    """The path of the socket, or None for an address of another scheme."""
    scheme, _separator, path = url.partition("://")
    return unquote(path) if scheme == UNIX else None


def url_path(url: str) -> str:
    """Of the server; empty for a Unix socket."""
    return "" if socket_path(url) else urlsplit(url).path


def connector(url: str, tls: ssl.SSLContext | None = None) -> Connect:
    """Makes connections that are not open yet. tls: for https://; None for the certificates that the system trusts."""
    if path := socket_path(url):
        return partial(UnixConnection, path)
    parts = urlsplit(url)
    if parts.scheme == "https":
        return partial(HTTPSConnection, str(parts.hostname), parts.port, context=tls)
    return partial(HTTPConnection, str(parts.hostname), parts.port)


def mutual_tls(folder: Path) -> ssl.SSLContext:
    """Of a client with the folder's certificate, which trusts the folder's authority alone. Raises OSError."""
    context = ssl.create_default_context(cafile=str(folder / AUTHORITY))
    context.load_cert_chain(folder / CERTIFICATE, folder / KEY, password="")
    return context


def _model_address(value: str) -> str:
    path = socket_path(value)
    if path is None:
        return web_address_of(value)
    if not path.startswith("/") or "\0" in path or len(path.encode()) > LONGEST_SOCKET_PATH:
        raise ValueError("not the path of a socket")
    return value


def _complete(folder: Path) -> Path:
    try:
        mutual_tls(folder)
    except OSError as error:  # ssl.SSLError is one
        raise ValueError("unusable") from error
    return folder


ModelAddress = Annotated[str, AfterValidator(_model_address)]
TlsFolder = Annotated[Folder, AfterValidator(_complete)]


def model_address(description: str, **more: Any) -> Any:
    allowed = "a URL like http://127.0.0.1:5002, without a login, or http+unix://%2Ffolder%2Fsocket"
    return setting(None, description, allowed, **more)


def tls_folder(description: str, **more: Any) -> Any:
    allowed = f"a folder with {CERTIFICATE}, {KEY} (without password) and {AUTHORITY}, which fit together"
    return setting(None, description, allowed, **more)
