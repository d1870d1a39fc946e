"""The queue of the prediction log, bounded in rows and bytes: requests append, the writer takes from the other end."""

import threading
from collections import deque

from feature_enricher.prediction.log_rows import Answered

MOST_ROWS = 20_000
MOST_BYTES = 72_000_000  # as many predictions of 16 features


class LogQueue:
    """Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._requests: deque[tuple[Answered, int]] = deque()
        self._bytes = 0
        self.rows = 0

    def append(self, request: Answered) -> bool:
        """False where there is no room for it."""
        rows, size = len(request.users), request.bytes()
        with self._lock:
            if self.rows + rows > MOST_ROWS or self._bytes + size > MOST_BYTES:
                return False
            self._requests.append((request, size))
            self.rows += rows
            self._bytes += size
            return True

    def oldest(self, rows: int) -> list[Answered]:
        """Requests with together `rows` rows or a few more. They stay in the queue, and count for its limits."""
        requests: list[Answered] = []
        with self._lock:
            for request, _size in self._requests:
                requests.append(request)
                rows -= len(request.users)
                if rows <= 0:
                    break
        return requests

    def remove_oldest(self, requests: int) -> int:
        """The number of their rows."""
        with self._lock:
            removed = [self._requests.popleft() for _ in range(requests)]
            rows = sum(len(request.users) for request, _size in removed)
            self.rows -= rows
            self._bytes -= sum(size for _request, size in removed)
        return rows
