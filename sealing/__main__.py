"""python -m sealing PRIVATE.pem PUBLIC.pem: makes the key pair where it is missing. For containers, where the public
key is in another volume than the private key."""

import sys
from pathlib import Path

from sealing import keys

ARGUMENTS = 2


def main() -> None:
    if len(sys.argv) != ARGUMENTS + 1:
        sys.exit("[ERROR] usage: python -m sealing PRIVATE.pem PUBLIC.pem")
    private, public = (Path(argument) for argument in sys.argv[1:])
    try:
        key = keys.make_pair(private, public)
    except keys.KeyUnusable as error:
        sys.exit(f"[ERROR] {error}")
    print(f"[OK] Key {keys.key_id(key.public_key())}: {private}, {public}")


if __name__ == "__main__":
    main()
