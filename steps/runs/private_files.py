"""Files of the lake and artifacts are for their owner alone."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_lock = threading.Lock()
_blocks: list[int] = []
"""The umask at the beginning of each block that is open"""


@contextmanager
def private_files() -> Iterator[None]:
    """In the block, new files and folders are closed to other users, whatever the umask of the shell.

    The umask is the process's: it is set back with the last block of all threads.
    """
    with _lock:
        _blocks.append(os.umask(0o077))
    try:
        yield
    finally:
        with _lock:
            first = _blocks[0]
            _blocks.pop()
            if not _blocks:
                os.umask(first)
