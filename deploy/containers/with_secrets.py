"""python -m deploy.containers.with_secrets FOLDER COMMAND …: runs the command with each file of FOLDER as a variable.

`docker inspect` shows the variables of a container's definition, but not these.
"""

import os
import sys
from pathlib import Path


def main() -> None:
    folder, *command = sys.argv[1:]
    try:
        secrets = {
            path.name: path.read_text(encoding="utf-8") for path in Path(folder).iterdir() if path.name[0] != "."
        }
        os.execvpe(command[0], command, {**os.environ, **secrets})  # noqa: S606 - the container's own command
    except OSError as error:
        sys.exit(f"[ERROR] {error.filename or command[0]}: {error.strerror}")


if __name__ == "__main__":
    main()
