"""Starts the gateway: python -m feature_enricher"""

import os
import sys

from feature_enricher.auth import check_binding
from feature_enricher.errors.base import InvalidSetting
from feature_enricher.server.run import serve
from feature_enricher.settings import load_settings


def main() -> int:
    try:
        settings = load_settings()
        host, port = os.environ.get("GATEWAY_HOST", "127.0.0.1"), int(os.environ.get("GATEWAY_PORT", "8000"))
        # a container listens on all its own addresses; others reach the one that it is published at
        check_binding(os.environ.get("GATEWAY_PUBLISHED_AT", host), settings.api_keys, settings.allow_open)
        serve("feature_enricher.server.asgi:create", settings, host, port)
    except InvalidSetting as error:
        print(f"[ERROR] {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
