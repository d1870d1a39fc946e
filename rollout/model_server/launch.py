"""One attempt to bring a version to the point where it may serve, in a thread of its own."""

import logging
import threading
import time
from dataclasses import dataclass

from rollout.errors import Cancelled, NotFit
from rollout.model_server.server import ModelServer
from rollout.model_server.smoke_test import Identity, example_of, try_out
from rollout.registry import Wanted
from rollout.settings import Settings

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Up:
    """A server that has shown that it answers rightly."""

    server: ModelServer
    wanted: Wanted
    identity: Identity


class BringUp:
    """Fetch, start, wait, try. `result` is there when `done`; `reason` says why there is none.

    copy_of: a server that has the files of this very version.
    """

    def __init__(self, settings: Settings, wanted: Wanted, copy_of: ModelServer | None = None) -> None:
        self.wanted = wanted
        self.result: Up | None = None
        self.reason: str | None = None
        self.server = ModelServer(settings, wanted.version)
        self._name = settings.model_name
        self._copy_of = copy_of
        self._cancelled = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"bring-up-{wanted.version}", daemon=True)

    def start(self) -> None:
        self._thread.start()

    @property
    def done(self) -> bool:
        return not self._thread.is_alive()

    def cancel(self) -> None:
        """Returns when nothing of the attempt is left, which can take as long as its longest wait."""
        self._cancelled.set()
        self._thread.join()
        if self.result is not None:
            self.result.server.end()

    def _run(self) -> None:
        started = time.monotonic()
        try:
            self.result = self._try()
            log.info("Version %s is fit to serve after %.1f s", self.wanted.version, time.monotonic() - started)
        except Exception as error:  # a version that cannot be brought up must not end the watcher
            known = isinstance(error, NotFit | Cancelled)
            self.reason = str(error) if known else f"{type(error).__name__} while it was brought up"
            if not known:
                log.exception("Version %s could not be brought up", self.wanted.version)
            self.server.end()

    def _try(self) -> Up:
        if self._copy_of is not None:
            self.server.take(self._copy_of)
        else:
            self.server.fetch(self._name)
        example = example_of(self.server.model)
        self._go_on()
        self.server.start()
        self.server.wait_until_healthy(self._go_on)
        identity = try_out(self.server.url, example, self._name, self.wanted)
        self._go_on()
        return Up(self.server, self.wanted, identity)

    def _go_on(self) -> None:
        if self._cancelled.is_set():
            raise Cancelled("another version is wanted")
