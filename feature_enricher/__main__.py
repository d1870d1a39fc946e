"""Starts the gateway: python -m feature_enricher"""

import sys

from feature_enricher.api.auth import check_binding
from feature_enricher.errors.base import InvalidSetting
from feature_enricher.server.run import serve
from feature_enricher.settings import load_settings
from feature_store.settings import UnusableOnlineStore, redis_url


def main() -> int:
    try:
        settings = load_settings()
        check_binding(settings.reached_at, settings.api_keys, settings.allow_open)
        redis_url()  # raises here, and not in worker processes, which would be restarted for ever
        serve("feature_enricher.server.asgi:create", settings, settings.host, settings.port)
    except (InvalidSetting, UnusableOnlineStore) as error:
        print(f"[ERROR] {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
