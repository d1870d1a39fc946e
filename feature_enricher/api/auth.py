"""API keys, where the deployment has any: X-API-Key or a bearer token, compared in constant time."""

import hmac
from collections.abc import Sequence

from flask import Flask, Request, request

from feature_enricher.errors.base import InvalidSetting
from feature_enricher.errors.requests import Unauthorized

# What a load balancer asks, and what shows nothing but how to ask.
OPEN_PATHS = ("/", "/health", "/docs")
# How a key is sent, as the OpenAPI document has it
SCHEMES = {
    "X-API-Key": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
    "Bearer": {"type": "http", "scheme": "bearer"},
}
LOOPBACK = {"127.0.0.1", "localhost", "::1", "[::1]"}


def require_keys(app: Flask, keys: Sequence[str]) -> None:
    """Several keys are valid at once, so that they can be changed one after the other."""
    if not keys:
        return
    known = [key.encode() for key in keys]

    @app.before_request
    def check() -> None:
        if request.path in OPEN_PATHS or request.path.startswith("/docs/"):
            return
        given = _given(request).encode("utf-8", "surrogateescape")
        # all of them: the time taken must not tell which one it was
        if not any([hmac.compare_digest(given, key) for key in known]):  # noqa: C419
            raise Unauthorized("No valid API key")


def check_binding(host: str, keys: Sequence[str], allow_open: bool) -> None:
    """Raises InvalidSetting where others could reach the gateway without a key."""
    if host not in LOOPBACK and not keys and not allow_open:
        raise InvalidSetting(
            f"GATEWAY_HOST={host!r} is open to others and there are no ENRICHER_API_KEYS. "
            "Set some, or say ENRICHER_ALLOW_OPEN=true"
        )


def _given(asked: Request) -> str:
    bearer = asked.headers.get("Authorization", "")
    return asked.headers.get("X-API-Key") or (bearer[7:] if bearer.startswith("Bearer ") else "")
