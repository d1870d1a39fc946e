"""The parts of a request's head that access control reads, and its verdict."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote_to_bytes

CLIENT_KEY = "streamflow.client"
"""In the WSGI environment: the Client, if the server has checked the request"""


@dataclass(frozen=True, slots=True)
class Head:
    path: str
    """With one leading slash: Flask ignores further ones"""
    host: str
    """Several Host headers are joined by commas, and so are several keys: neither is ever valid."""
    needs_host: bool
    api_key: str
    authorization: str
    address: str

    @property
    def key(self) -> str:
        scheme, _space, token = self.authorization.partition(" ")
        return self.api_key or (token.strip() if scheme.lower() == "bearer" else "")


@dataclass(frozen=True, slots=True)
class Client:
    key_name: str
    sees_details: bool
    """Of /ready, which answers everyone"""


def head_of_scope(scope: Mapping[str, Any]) -> Head:
    """Of an ASGI request. Reads the same bytes as the application (server/wsgi.py)."""
    raw_path: bytes = scope["raw_path"]
    values = _joined(scope["headers"])
    return Head(
        path=_path((unquote_to_bytes(raw_path) if b"%" in raw_path else raw_path).decode("latin-1")),
        host=values.get(b"host", b"").decode("latin-1"),
        needs_host=scope["http_version"] == "1.1",
        api_key=values.get(b"x-api-key", b"").decode("latin-1"),
        authorization=values.get(b"authorization", b"").decode("latin-1"),
        address=scope["client"][0] if scope["client"] else "",
    )


def head_of_environ(environ: Mapping[str, Any]) -> Head:
    """Of a WSGI request."""
    return Head(
        path=_path(environ.get("PATH_INFO", "")),
        host=environ.get("HTTP_HOST", ""),
        needs_host=environ.get("SERVER_PROTOCOL") == "HTTP/1.1",
        api_key=environ.get("HTTP_X_API_KEY", ""),
        authorization=environ.get("HTTP_AUTHORIZATION", ""),
        address=environ.get("REMOTE_ADDR", ""),
    )


def _path(path: str) -> str:
    return "/" + path.lstrip("/")


def _joined(headers: Iterable[tuple[bytes, bytes]]) -> dict[bytes, bytes]:
    values: dict[bytes, bytes] = {}
    for name, value in headers:
        values[name] = values[name] + b"," + value if name in values else value
    return values
