"""The Host headers that a server accepts, against DNS rebinding.

A page of another site can point its own name at this machine; the browser then lets the page read the server's answers.
The Host header still has the page's name. It never has an IP address of this machine: for a page from an IP address,
there is no name to point elsewhere.

werkzeug's host_is_trusted() does not match IPv6 addresses and upper case.
"""

import ipaddress
import re
import socket
from collections.abc import Iterable
from functools import lru_cache
from typing import Annotated, Any

from pydantic import BeforeValidator
from pydantic_settings import NoDecode

from configuration.fields import setting

LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
EVERY_ADDRESS = frozenset({"0.0.0.0", "::"})  # noqa: S104 - compared, not listened on
ANY = "*"
SUBDOMAINS = "*."
NAME = re.compile(r"(?:\*\.)?[a-z0-9_](?:[a-z0-9_.-]*[a-z0-9_])?", re.ASCII)
HEADER = re.compile(r"(?:\[([0-9a-f:.]+)\]|([a-z0-9_.-]+?)\.?)(?::\d{0,5})?", re.ASCII | re.IGNORECASE)
HEADERS_KEPT = 256
ALLOWED = "host names, *.NAME for all names below one, or IP addresses, all without port and separated by commas; or *"


class AllowedHosts:
    """Loopback names, the addresses that the server listens on, and further names."""

    def __init__(self, names: Iterable[str], listens_on: Iterable[str | None]) -> None:
        """names: as in the setting, `*` for every host. A server that listens on every address answers to each."""
        addresses = {address.strip("[]").lower() for address in listens_on if address}
        names = set(names)
        self._any = ANY in names
        self._any_address = bool(addresses & EVERY_ADDRESS)
        self._names = {name for name in names | addresses | LOOPBACK if not name.startswith("*")}
        self._endings = tuple(name.removeprefix("*") for name in names if name.startswith(SUBDOMAINS))
        self.allow = lru_cache(HEADERS_KEPT)(self._allow)

    def _allow(self, header: str) -> bool:
        """header: of a request, with or without port."""
        if self._any:
            return True
        match = HEADER.fullmatch(header)
        if match is None:
            return False
        host = (match[1] or match[2]).lower()
        return host in self._names or host.endswith(self._endings) or (self._any_address and is_address(host))


def is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _split(value: object) -> object:
    if not isinstance(value, str):
        return value
    names = tuple(name.strip().lower().strip("[]").removesuffix(".") for name in value.split(",") if name.strip())
    if any(not (name == ANY or NAME.fullmatch(name) or is_address(name)) for name in names):
        raise ValueError("not a host")
    return names


Hosts = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split)]


def hosts(description: str, **more: Any) -> Any:
    return setting((), description, ALLOWED, **more)


def require_free(host: str, port: int) -> None:
    """Raises OSError for a port in use, which granian would share with the other process (SO_REUSEPORT), and for a name
    that is not known."""
    family, kind, protocol, _name, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    with socket.socket(family, kind, protocol) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(address)
