"""The stack from nothing to a first answer, and back. One instance per state folder."""

import fcntl
import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TextIO

import psutil

from local_stack import chain, postgres, processes
from local_stack.parts import make_parts
from local_stack.processes import Part
from local_stack.settings import ROOT, Settings, StackError

HEALTH_S = {"MLflow": 90.0, "model server": 90.0, "gateway": 60.0}
WATCH_S = 0.5
SAMPLES = ROOT / "data" / "sample"  # where the entry point sample_months writes, unless told otherwise


class Interrupted(BaseException):
    """SIGINT or SIGTERM: the stack is asked to end."""


class Stack:
    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.parts: list[Part] = []
        self.ready = False
        self.owns_state = False

    def run(self, data: Path, as_of: str | None) -> None:
        """Starts everything, shows a first answer, stays until it is interrupted. Leaves no process, and all data."""
        with only_one(self.settings), interruptible():
            try:
                self._bring_up(data, as_of)
                self._watch()
            except Interrupted:
                print("\nStopping …", flush=True)
            finally:
                self._take_down()

    def _bring_up(self, data: Path, as_of: str | None) -> None:
        started = time.monotonic()
        if not self._makes_samples(data):
            chain.month_of(data, as_of)  # a wrong DATA or AS_OF is said before anything starts
        processes.require_free_ports(self._wanted_ports())
        self._save()
        mlflow_server, model_server, gateway = make_parts(self.settings)
        self._start_postgres()
        with told("tracking", f"database {self.settings['MLFLOW_DATABASE']}"):
            experiment = chain.prepare_tracking(self.settings)
        self._start(mlflow_server)  # it loads while the chain runs
        month = self._run_chain(experiment, data, as_of)
        with told("MLflow", self.settings.address("MLFLOW_PORT")):
            self._await(mlflow_server)
        self._start(gateway)
        with told("model server", self.settings.address("MODEL_PORT")):
            self._start(model_server, {"OMP_NUM_THREADS": "1"})
            self._await(model_server)
        with told("gateway", self.settings.address("GATEWAY_PORT")):
            self._await(gateway)
        answer = chain.first_answer(self.settings, month.first_user())
        print(json.dumps(answer, indent=2), flush=True)
        self._announce(time.monotonic() - started)

    def _start_postgres(self) -> None:
        where = f"{self.settings['PGHOST']}:{self.settings['PGPORT']}"
        with told("PostgreSQL", where):
            if self.settings.embedded:
                postgres.start(self.settings)
            elif not postgres.answers(self.settings):
                raise StackError(
                    f"No PostgreSQL answers at {where} as {self.settings['PGUSER']} (STREAMFLOW_POSTGRES=external)"
                )

    def _run_chain(self, experiment: str, data: Path, as_of: str | None) -> chain.Month:
        if self._makes_samples(data):
            chain.mlflow_run(self.settings, ["-e", "sample_months"], self._check)
        month = chain.month_of(data, as_of)
        if chain.is_done(self.settings, experiment, month):
            print(
                f"  {month.folder.name} as of {month.as_of}: the chain has run for these files; nothing to do",
                flush=True,
            )
            return month
        arguments = ["-P", f"month_dir={month.folder}", "-P", f"as_of={month.as_of}"]
        with told("chain", str(month.as_of)):
            chain.mlflow_run(self.settings, arguments, self._check)
        return month

    @staticmethod
    def _makes_samples(data: Path) -> bool:
        return data == SAMPLES and not (data / "month_000").is_dir()

    def _start(self, part: Part, extra: dict[str, str] | None = None) -> None:
        part.start(self.settings, extra)
        self.parts.append(part)
        self._save()

    def _await(self, part: Part) -> None:
        part.wait_until_healthy(self.settings, HEALTH_S[part.name], self._check)

    def _check(self) -> None:
        """Raises StackError as soon as anything that was started is no longer there."""
        for part in self.parts:
            if part.ended():
                raise StackError(f"{part.name} {part.fate(0)}. {processes.log_tail(self.settings, part.name)}")

    def _watch(self) -> None:
        while True:
            self._check()
            if self.settings.embedded and not postgres.is_running(self.settings):
                raise StackError(f"PostgreSQL ended. See {self.settings.state / 'postgres' / 'log'}")
            time.sleep(WATCH_S)

    def _announce(self, seconds: float) -> None:
        self.ready = True
        self._save()
        gateway = self.settings.address("GATEWAY_PORT")
        print(f"\n[OK] StreamFlow is up after {seconds:.0f} s")
        print(f"  MLflow   {self.settings.address('MLFLOW_PORT')}")
        print(f"  gateway  {gateway}")
        print(f"  docs     {gateway}/docs")
        print(f"  logs     {self.settings.state / 'logs'}", flush=True)

    def _take_down(self) -> None:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # ending takes a moment; a second Ctrl-C must not cut it short
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        for part in reversed(self.parts):
            if part.process is not None and part.process.poll() is None:
                processes.end(psutil.Process(part.process.pid))
        if self.owns_state:  # what another stack has left behind is for `make down` to find
            if self.settings.embedded:
                postgres.stop(self.settings)
            (self.settings.state / "stack.json").unlink(missing_ok=True)

    def _save(self) -> None:
        self.owns_state = True
        running = [part for part in self.parts if part.process is not None and part.process.poll() is None]
        state = {
            "supervisor": processes.identity(os.getpid()),
            "ready": self.ready,
            "settings": dict(self.settings.values),
            "parts": [
                {"name": p.name, "port": p.port, "health": p.health, **processes.identity(p.process.pid)}
                for p in running
                if p.process is not None
            ],
        }
        processes.save_state(self.settings, state)

    def _wanted_ports(self) -> dict[str, tuple[str, int]]:
        named = {"MLFLOW_PORT": "MLflow", "MODEL_PORT": "the model server", "GATEWAY_PORT": "the gateway"}
        if self.settings.embedded:
            named = {"PGPORT": "PostgreSQL", **named}
        return {setting: (what, self.settings.port(setting)) for setting, what in named.items()}


@contextmanager
def told(what: str, where: str) -> Iterator[None]:
    print(f"  {what:<13} {where} …", flush=True)
    started = time.monotonic()
    yield
    print(f"  {what:<13} {where} ready, {time.monotonic() - started:.1f} s", flush=True)


@contextmanager
def only_one(settings: Settings) -> Iterator[TextIO]:
    """Two stacks on one state folder would end each other's data."""
    settings.state.mkdir(parents=True, exist_ok=True)
    with (settings.state / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise StackError(
                f"A stack runs on {settings.state} already. See: make status; end it with: make down"
            ) from error
        yield lock


@contextmanager
def interruptible() -> Iterator[None]:
    def interrupt(_number: int, _frame: FrameType | None) -> None:
        raise Interrupted

    before: dict[int, Callable[[int, FrameType | None], object] | int | None] = {
        number: signal.signal(number, interrupt) for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
