"""API keys, if the deployment has any: X-API-Key or a bearer token, compared in constant time."""

import hmac
from collections.abc import Sequence

from flask import Flask, Request, request

from feature_enricher.errors.base import InvalidSetting
from feature_enricher.errors.requests import Unauthorized

# The check of a load balancer, and the documentation.
OPEN_PATHS = ("/", "/health", "/docs")
# The headers for a key, in OpenAPI's terms
SCHEMES = {
    "X-API-Key": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
    "Bearer": {"type": "http", "scheme": "bearer"},
}
LOOPBACK = {"127.0.0.1", "localhost", "::1", "[::1]"}


def require_keys(app: Flask, keys: Sequence[str]) -> None:
    """Several keys are valid at the same time, so they can be replaced one by one."""
    if not keys:
        return
    valid_keys = [key.encode() for key in keys]

    @app.before_request
    def check() -> None:
        if request.path in OPEN_PATHS or request.path.startswith("/docs/"):
            return
        key = _key_of(request).encode("utf-8", "surrogateescape")
        # compares with all of them: the time must not depend on which one matches
        if not any([hmac.compare_digest(key, valid) for valid in valid_keys]):  # noqa: C419
            raise Unauthorized("API key missing or invalid")


def check_binding(host: str, keys: Sequence[str], allow_open: bool) -> None:
    """Raises InvalidSetting if other machines could reach the gateway without a key."""
    if host not in LOOPBACK and not keys and not allow_open:
        raise InvalidSetting(
            f"Other machines could use the gateway at {host!r} (GATEWAY_PUBLISHED_AT, or else GATEWAY_HOST) without a "
            "key. Set ENRICHER_API_KEYS, or ENRICHER_ALLOW_OPEN=true"
        )


def _key_of(request: Request) -> str:
    scheme, _space, token = request.headers.get("Authorization", "").partition(" ")
    return request.headers.get("X-API-Key") or (token.strip() if scheme.lower() == "bearer" else "")
