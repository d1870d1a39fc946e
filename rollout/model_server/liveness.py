"""A model server can be alive and silent (frozen, out of memory): asked all the while, replaced after a while."""

import threading
import time

from rollout.model_server.server import ModelServer

PING_EVERY_S = 1.0


class Liveness:
    """is_silent: the watched server has not answered for the given time."""

    def __init__(self, silence_s: float) -> None:
        self._silence_s = silence_s
        self._server: ModelServer | None = None
        self._heard = time.monotonic()
        threading.Thread(target=self._run, name="liveness", daemon=True).start()

    def watch(self, server: ModelServer) -> None:
        self._server, self._heard = server, time.monotonic()

    @property
    def is_silent(self) -> bool:
        return self._server is not None and time.monotonic() - self._heard > self._silence_s

    def _run(self) -> None:
        while True:
            server = self._server
            if server is not None and server.healthy() and server is self._server:
                self._heard = time.monotonic()
            time.sleep(PING_EVERY_S)
