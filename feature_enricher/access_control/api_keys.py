"""API keys with the names of their clients, and growing delays for an address that sends wrong ones."""

import hashlib
import hmac
import ipaddress
import logging
import secrets
import threading
from collections.abc import Callable, Sequence
from functools import lru_cache

from cachetools import TTLCache

from configuration.named_keys import NamedKey
from feature_enricher.errors.requests import Unauthorized

FIRST_DELAY_S = 0.25
LONGEST_DELAY_S = 5.0
DOUBLINGS = 5
"""Until the delay is the longest"""
REMEMBERED_S = 300.0
MOST_ADDRESSES = 4096
IPV6_NETWORK_BITS = 64
"""A single customer of a provider has that many addresses."""

log = logging.getLogger(__name__)


class ApiKeys:
    """Keys are compared as digests with a secret of this process: neither their length nor their text takes time."""

    def __init__(self, named_keys: Sequence[NamedKey], count_wrong: Callable[[], None]) -> None:
        self._secret = secrets.token_bytes(32)
        self._digests = [(name, self._digest(key)) for name, key in named_keys]
        self._count_wrong = count_wrong
        self._wrong: TTLCache[str, int] = TTLCache(MOST_ADDRESSES, REMEMBERED_S)
        self._lock = threading.Lock()  # an application without our server may be called by several threads

    def __bool__(self) -> bool:
        return bool(self._digests)

    def name_of(self, key: str, address: str) -> str:
        """Raises Unauthorized, with the delay for its answer if there is a key and it is wrong."""
        if not key:
            raise Unauthorized("API key missing")
        digest, matching = self._digest(key), ""
        for name, valid in self._digests:  # all of them: the time must not depend on which one matches
            if hmac.compare_digest(digest, valid):
                matching = name
        if not matching:
            raise Unauthorized("API key invalid", delay_s=self._delay_s(network_of(address)))
        return matching

    def _delay_s(self, network: str) -> float:
        self._count_wrong()
        with self._lock:
            count = self._wrong[network] = self._wrong.get(network, 0) + 1
        if count & (count - 1) == 0:  # the first, second, fourth, …: a flood must not fill the log
            log.warning("Wrong API key from %s: %d within %d s", network, count, REMEMBERED_S)
        doublings: int = min(count - 1, DOUBLINGS)
        return float(min(LONGEST_DELAY_S, FIRST_DELAY_S * 2**doublings))

    def _digest(self, key: str) -> bytes:
        return hashlib.blake2b(key.encode("utf-8", "surrogateescape"), key=self._secret).digest()


@lru_cache(MOST_ADDRESSES)
def network_of(address: str) -> str:
    """The address, or the network of an IPv6 address."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(parsed, ipaddress.IPv4Address):
        return str(parsed)
    if parsed.ipv4_mapped:
        return str(parsed.ipv4_mapped)
    return str(ipaddress.IPv6Network((parsed.packed, IPV6_NETWORK_BITS), strict=False))
