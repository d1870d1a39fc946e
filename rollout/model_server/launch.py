"""One attempt to launch a version and check that it can serve, in a thread of its own."""

import logging
import threading
import time
from dataclasses import dataclass

from rollout.errors import Cancelled, LaunchFailed
from rollout.model_server.server import ModelServer
from rollout.model_server.smoke_test import Identity, input_example, run_smoke_test
from rollout.registry import TargetVersion
from rollout.settings import Settings

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ReadyServer:
    """A server that passed its smoke test."""

    server: ModelServer
    target: TargetVersion
    identity: Identity


class Launch:
    """Fetch, start, wait, smoke-test. Once `done`, either `result` or `reason` (why it failed) is set.

    copy_from: a server that already has the files of this version.
    """

    def __init__(self, settings: Settings, target: TargetVersion, copy_from: ModelServer | None = None) -> None:
        self.target = target
        self.result: ReadyServer | None = None
        self.reason: str | None = None
        self.server = ModelServer(settings, target.version)
        self._name = settings.model_name
        self._copy_from = copy_from
        self._cancelled = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"launch-{target.version}", daemon=True)

    def start(self) -> None:
        self._thread.start()

    @property
    def done(self) -> bool:
        return not self._thread.is_alive()

    def cancel(self) -> None:
        """Return once the launch's process and files are gone, which can take as long as its longest wait."""
        self._cancelled.set()
        self._thread.join()
        if self.result is not None:
            self.result.server.end()

    def _run(self) -> None:
        started = time.monotonic()
        try:
            self.result = self._launch()
            log.info("Version %s is ready after %.1f s", self.target.version, time.monotonic() - started)
        except Exception as error:  # a version that cannot be launched must not end the watcher
            # OSError: the disk is full, for example
            is_expected = isinstance(error, LaunchFailed | Cancelled | OSError)
            self.reason = str(error) if is_expected else f"{type(error).__name__} during its launch"
            if not is_expected:
                log.exception("Version %s could not be launched", self.target.version)
            self.server.end()

    def _launch(self) -> ReadyServer:
        self.server.make_folder()
        if self._copy_from is not None:
            self.server.copy_model(self._copy_from)
        else:
            self.server.fetch(self._name)
        example = input_example(self.server.model)
        self._raise_if_cancelled()
        self.server.start()
        self.server.wait_until_healthy(self._raise_if_cancelled)
        identity = run_smoke_test(self.server.url, example, self._name, self.target)
        self._raise_if_cancelled()
        return ReadyServer(self.server, self.target, identity)

    def _raise_if_cancelled(self) -> None:
        if self._cancelled.is_set():
            raise Cancelled("another version was promoted, or the watcher is stopping")
