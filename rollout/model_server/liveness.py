"""Pings the live model server: a process that runs can still be unresponsive (frozen, out of memory)."""

import threading
import time

from rollout.model_server.server import ModelServer

PING_EVERY_S = 1.0


class Liveness:
    """is_unresponsive: the monitored server has not answered for `silence_s` seconds."""

    def __init__(self, silence_s: float) -> None:
        self._silence_s = silence_s
        self._server: ModelServer | None = None
        self._answered_at = time.monotonic()
        threading.Thread(target=self._run, name="liveness", daemon=True).start()

    def monitor(self, server: ModelServer) -> None:
        self._server, self._answered_at = server, time.monotonic()

    @property
    def is_unresponsive(self) -> bool:
        return self._server is not None and time.monotonic() - self._answered_at > self._silence_s

    def _run(self) -> None:
        while True:
            server = self._server
            if server is not None and server.healthy() and server is self._server:
                self._answered_at = time.monotonic()
            time.sleep(PING_EVERY_S)
