"""python -m containers.health URL: exit code 0 when it answers well. The image has no curl."""

import sys
from urllib.request import urlopen

TIMEOUT_S = 4.0

if __name__ == "__main__":
    with urlopen(sys.argv[1], timeout=TIMEOUT_S) as answer:  # noqa: S310 - the address is in docker-compose.yml
        sys.exit(0 if answer.status == 200 else 1)  # noqa: PLR2004
