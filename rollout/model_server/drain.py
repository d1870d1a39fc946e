"""Ends replaced servers once their requests in flight are finished, and cancelled launches."""

import threading
import time
from collections.abc import Callable

from rollout.model_server.launch import Launch
from rollout.model_server.server import ModelServer


class Drain:
    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._due: list[tuple[float, ModelServer]] = []
        self._ending: list[threading.Thread] = []

    @property
    def servers(self) -> list[ModelServer]:
        return [server for _due_at, server in self._due]

    def add(self, server: ModelServer) -> None:
        """End the server after the drain time: until then gateways switch over and requests in flight finish."""
        self._due.append((time.monotonic() + self._seconds, server))

    def discard(self, launch: Launch) -> None:
        self._in_thread(launch.cancel)

    def end_due(self) -> None:
        now = time.monotonic()
        for _due_at, server in [entry for entry in self._due if entry[0] <= now]:
            self._in_thread(server.end)
        self._due = [entry for entry in self._due if entry[0] > now]
        self._ending = [thread for thread in self._ending if thread.is_alive()]

    def end_all(self) -> None:
        """Return once every server and launch has ended."""
        self._due = [(0.0, server) for _due_at, server in self._due]
        self.end_due()
        for thread in self._ending:
            thread.join()

    def _in_thread(self, end: Callable[[], None]) -> None:
        """Ending takes as long as the last request; the watcher must not wait for it."""
        thread = threading.Thread(target=end, daemon=True)
        thread.start()
        self._ending.append(thread)
