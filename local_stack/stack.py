"""The stack from nothing to a first answer, and back. One instance per state folder."""

import json
import os
import signal
import time
from pathlib import Path

import psutil

from local_stack import chain, postgres, processes, reader_role
from local_stack.care import Care
from local_stack.guards import Interrupted, interruptible, only_one, told
from local_stack.parts import await_model_server, make_parts
from local_stack.processes import Part
from local_stack.settings import ROOT, Settings, StackError

HEALTH_S = {"MLflow": 90.0, "watcher": 60.0, "gateway": 60.0}
WATCH_S = 0.5
SAMPLES = ROOT / "data" / "sample"  # where the entry point sample_months writes, unless told otherwise


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
        mlflow_server, watcher, gateway = make_parts(self.settings)
        self._start_postgres()
        with told("tracking", f"database {self.settings['MLFLOW_DATABASE']}"):
            experiment = chain.prepare_tracking(self.settings)
        self._start(mlflow_server)  # both load while the chain runs
        self._start(watcher)
        month = self._run_chain(experiment, data, as_of)
        with told("MLflow", self.settings.address("MLFLOW_PORT")):
            self._await(mlflow_server)
        with told("watcher", self.settings.address("ROLLOUT_PORT")):
            self._await(watcher)
        if self.settings.embedded:
            gateway.environment = reader_role.make(self.settings)
        self._start(gateway)
        if chain.production_version(self.settings):
            with told("model server", "for the version in Production"):
                await_model_server(self.settings, self._check)
            with told("gateway", self.settings.address("GATEWAY_PORT")):
                self._await(gateway)
            answer = chain.first_answer(self.settings, month.first_user())
            print(json.dumps(answer, indent=2), flush=True)
        else:
            print("\n[WARNING] No version is in Production. Promote one in the UI, or: mlflow run . -e register")
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

    def _start(self, part: Part) -> None:
        part.start(self.settings)
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
        care = Care(self.settings, self.parts, self._save)
        while True:
            care.step()
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
        named = {"MLFLOW_PORT": "MLflow", "ROLLOUT_PORT": "the watcher", "GATEWAY_PORT": "the gateway"}
        if self.settings.embedded:
            named = {"PGPORT": "PostgreSQL", **named}
        return {setting: (what, self.settings.port(setting)) for setting, what in named.items()}
