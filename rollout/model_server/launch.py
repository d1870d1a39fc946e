"""One attempt to launch a version and check that it can serve, in a thread of its own."""

import logging
import threading
import time
from dataclasses import dataclass

from rollout.errors import Cancelled, LaunchFailed, Refused
from rollout.model_server import description, seals
from rollout.model_server.examination import Examination
from rollout.model_server.server import ModelServer
from rollout.model_server.smoke_test import Identity, input_example, run_smoke_test
from rollout.registry import TargetVersion
from rollout.settings import Settings
from sealing.files import REGISTERED_META
from sealing.statement import Statement

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ReadyServer:
    """A server that passed its smoke test."""

    server: ModelServer
    target: TargetVersion
    identity: Identity
    dataset_sha256: str | None  # of its training, as sealed


class Launch:
    """Fetch, verify, start, wait, smoke-test. Once `done`, either `result` or `reason` (why it failed) is set.

    copy_from: a server that already has the files of this version.
    """

    def __init__(self, settings: Settings, target: TargetVersion, copy_from: ModelServer | None = None) -> None:
        self.target = target
        self.result: ReadyServer | None = None
        self.reason: str | None = None
        self.server = ModelServer(settings, target.version)
        self._name = settings.model_name
        self._copy_from = copy_from
        self._examination = Examination(target.version, self.server.folder / "examination.log")
        self._settings = settings
        self._cancelled = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"launch-{target.version}", daemon=True)

    def start(self) -> None:
        self._thread.start()

    @property
    def pids(self) -> list[int]:
        """Of the launch's processes that run."""
        return [pid for pid in (self.server.pid, self._examination.pid) if pid]

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
            if isinstance(error, Refused):
                description.note(self._name, self.target.version, self.reason)

    def _launch(self) -> ReadyServer:
        self.server.make_folder()
        self.server.seal = seal = self._copied() or self._downloaded()
        example = input_example(self.server.model)
        self._raise_if_cancelled()
        self.server.start()
        self.server.wait_until_healthy(self._raise_if_cancelled)
        identity = run_smoke_test(self.server.call, example, self._name, self.target, seal)
        self._raise_if_cancelled()
        if self._copy_from is None:
            description.note(self._name, self.target.version, None)
        return ReadyServer(self.server, self.target, identity, seal.dataset_sha256)

    def _copied(self) -> Statement | None:
        """The seal of the files copied from the other server; None if there is none or the files have changed there.
        Needs neither registry nor database."""
        if self._copy_from is None or self._copy_from.seal is None:
            return None
        try:
            # without what Python has written beside them
            self.server.copy_model(self._copy_from, [*self._copy_from.seal.files, REGISTERED_META])
            seals.require_files(self._copy_from.seal, self.server.model)
        except (OSError, Refused) as error:
            log.warning("The copy of version %s is unusable, downloading it again: %s", self.target.version, error)
            return None
        return self._copy_from.seal

    def _downloaded(self) -> Statement:
        """The seal of the files downloaded from the registry. Raises LaunchFailed, Cancelled."""
        seal = seals.seal_of(self._settings, self.target)
        if self._settings.require_gate:
            if seal.verdict is None:
                self._examination.run(self._settings.examine_timeout_s, self._raise_if_cancelled)
                seal = seals.seal_of(self._settings, self.target)
            seals.require_verdict(seal)
        self.server.fetch(self._name)
        seals.require_files(seal, self.server.model)
        return seal

    def _raise_if_cancelled(self) -> None:
        if self._cancelled.is_set():
            raise Cancelled("another version was promoted, or the watcher is stopping")
