"""Access control in the application: the verdict of the server, or its own if it runs without that server."""

from collections.abc import Sequence

from flask import Flask, g, request

from configuration.named_keys import NamedKey
from feature_enricher.access_control.access import AccessControl
from feature_enricher.access_control.heads import CLIENT_KEY, head_of_environ
from feature_enricher.errors.base import InvalidSetting

# The headers for a key, in OpenAPI's terms
SCHEMES = {
    "X-API-Key": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
    "Bearer": {"type": "http", "scheme": "bearer"},
}
LOOPBACK = {"127.0.0.1", "localhost", "::1", "[::1]"}


def add_access_control(app: Flask, access: AccessControl) -> None:
    @app.before_request
    def admit() -> None:
        g.client = request.environ.get(CLIENT_KEY) or access.admit(head_of_environ(request.environ))


def check_binding(host: str, keys: Sequence[NamedKey], allow_open: bool) -> None:
    """Raises InvalidSetting if other machines could reach the gateway without a key."""
    if host not in LOOPBACK and not keys and not allow_open:
        raise InvalidSetting(
            f"Other machines could use the gateway at {host!r} (GATEWAY_PUBLISHED_AT, or else GATEWAY_HOST) without a "
            "key. Set ENRICHER_API_KEYS, or ENRICHER_ALLOW_OPEN=true"
        )
