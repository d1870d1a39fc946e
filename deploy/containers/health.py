"""python -m deploy.containers.health URL: exit code 0 if it answers 200. The image has no curl."""

import sys
from urllib.request import ProxyHandler, build_opener

TIMEOUT_S = 4.0

if __name__ == "__main__":
    opener = build_opener(ProxyHandler({}))  # Docker passes its user's proxies to containers
    with opener.open(sys.argv[1], timeout=TIMEOUT_S) as answer:
        sys.exit(0 if answer.status == 200 else 1)  # noqa: PLR2004
