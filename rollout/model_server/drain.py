"""What is on its way out: servers with requests in flight, attempts that nobody wants any more."""

import threading
import time
from collections.abc import Callable

from rollout.model_server.launch import BringUp
from rollout.model_server.server import ModelServer


class Drain:
    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._due: list[tuple[float, ModelServer]] = []
        self._ending: list[threading.Thread] = []

    @property
    def servers(self) -> list[ModelServer]:
        return [server for _when, server in self._due]

    def add(self, server: ModelServer) -> None:
        """Ended after the time in which gateways turn away from it and requests in flight come back."""
        self._due.append((time.monotonic() + self._seconds, server))

    def discard(self, attempt: BringUp) -> None:
        self._in_thread(attempt.cancel)

    def end_what_is_due(self) -> None:
        now = time.monotonic()
        for _when, server in [entry for entry in self._due if entry[0] <= now]:
            self._in_thread(server.end)
        self._due = [entry for entry in self._due if entry[0] > now]
        self._ending = [thread for thread in self._ending if thread.is_alive()]

    def end_all(self) -> None:
        """Returns when nothing is left."""
        self._due = [(0.0, server) for _when, server in self._due]
        self.end_what_is_due()
        for thread in self._ending:
            thread.join()

    def _in_thread(self, end: Callable[[], None]) -> None:
        """An end takes as long as the last request; the watcher has to go on watching."""
        thread = threading.Thread(target=end, daemon=True)
        thread.start()
        self._ending.append(thread)
