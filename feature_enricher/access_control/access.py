"""Decides whether a request may be answered, and for which client, before its body is read."""

import math
from collections.abc import Callable
from http import HTTPStatus

from configuration.named_keys import NO_KEY
from feature_enricher.access_control.api_keys import ApiKeys, network_of
from feature_enricher.access_control.heads import Client, Head
from feature_enricher.access_control.rate_limit import RateLimit
from feature_enricher.errors.requests import ForeignHost, RequestRefused, TooManyRequests, Unauthorized
from feature_enricher.settings import Settings

PROBES = frozenset({"/health", "/ready"})
"""Answered for every host and without a key: nothing else may stop or restart a gateway that works."""
PUBLIC_PATHS = frozenset({"/", "/docs"})
PUBLIC_FOLDER = "/docs/"
LONGEST_HOST = 100  # characters in the answer
ANYBODY = Client(NO_KEY, sees_details=False)


class AccessControl:
    def __init__(self, settings: Settings, count_wrong_key: Callable[[], None]) -> None:
        self._hosts = settings.accepted_hosts
        self._keys = ApiKeys(settings.api_keys, count_wrong_key)
        self._rate = RateLimit(settings.requests_per_s)

    def admit(self, head: Head) -> Client:
        """Raises RequestRefused, ForeignHost, Unauthorized, TooManyRequests."""
        _check_number_of_hosts(head)
        if head.path in PROBES:
            return self._admit_probe(head)
        if not self._is_own_host(head):
            raise ForeignHost(f"The gateway does not serve the host {head.host[:LONGEST_HOST]!r}")
        try:
            name = self._key_name(head)
        except Unauthorized:
            self._check_rate(head, NO_KEY)
            raise
        self._check_rate(head, name)
        return Client(name, sees_details=True)

    def _admit_probe(self, head: Head) -> Client:
        """A key is optional, but a wrong one is refused as elsewhere: probes must not help to guess one."""
        if head.path == "/health":
            return ANYBODY
        name = self._keys.name_of(head.key, head.address) if self._keys and head.key else NO_KEY
        return Client(name, sees_details=self._is_own_host(head) and (name != NO_KEY or not self._keys))

    def _is_own_host(self, head: Head) -> bool:
        return self._hosts.allow(head.host) or not (head.host or head.needs_host)

    def _key_name(self, head: Head) -> str:
        if not self._keys or head.path in PUBLIC_PATHS or head.path.startswith(PUBLIC_FOLDER):
            return NO_KEY
        return self._keys.name_of(head.key, head.address)

    def _check_rate(self, head: Head, name: str) -> None:
        client = f"key:{name}" if name != NO_KEY else f"address:{network_of(head.address)}"
        if wait_s := self._rate.wait_s(client):
            raise TooManyRequests(math.ceil(wait_s), name)


def _check_number_of_hosts(head: Head) -> None:
    """Refuses an HTTP/1.1 request without exactly one Host (RFC 9112, section 3.2).

    granian passes an empty Host if there is none. HTTP/1.0 does not require one.
    """
    if "," in head.host or (head.needs_host and not head.host):
        raise RequestRefused("HTTP/1.1 requires exactly one Host header", HTTPStatus.BAD_REQUEST)
