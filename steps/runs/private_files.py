"""Files of the lake and artifacts are for their owner alone."""

import os
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def private_files() -> Iterator[None]:
    """In the block, new files and folders are closed to other users, whatever the umask of the shell."""
    before = os.umask(0o077)
    try:
        yield
    finally:
        os.umask(before)
