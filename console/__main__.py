"""Starts the console: python -m console"""

import sys

from console.errors import InvalidSetting
from console.server import serve
from console.settings import load_settings


def main() -> int:
    try:
        settings = load_settings()
        settings.check_binding()
        serve(settings)
    except InvalidSetting as error:
        print(f"[ERROR] {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
