"""python -m local_stack.database.as_owner MODULE ARGUMENT …: runs a module with the owner's login.

Its caller, the watcher, does not have that login in its environment.
"""

import os
import sys

from local_stack.settings import Settings, StackError


def main() -> None:
    try:
        settings = Settings.from_env(of_running=True)
    except StackError as error:
        sys.exit(f"[ERROR] {error}")
    os.execve(sys.executable, [sys.executable, "-m", *sys.argv[1:]], settings.child_environment())  # noqa: S606 - our own


if __name__ == "__main__":
    main()
