"""The stack from nothing to a first answer, and back. One instance per state folder.

What is not needed to answer ends nothing that is: a chain that fails, an example that is not answered, an MLflow or a
model that does not come up are reported, and the rest stays. PostgreSQL and the gateway have to come up.
"""

import json
import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import psutil
import psycopg2

from local_stack import chain, loaded, postgres, processes, reader_role
from local_stack.care import Care
from local_stack.guards import Interrupted, interruptible, only_one, told
from local_stack.month_choice import Asked, month_to_run
from local_stack.parts import await_model_server, make_parts
from local_stack.processes import Part
from local_stack.settings import Settings, StackError

HEALTH_S = {"MLflow": 90.0, "watcher": 60.0, "gateway": 60.0}
WATCH_S = 0.5


class Stack:
    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.parts: list[Part] = []
        self.warnings: list[str] = []
        self.ready = False
        self.failed = False  # what was asked for was not done, although the stack is up
        self.owns_state = False
        self.care = Care(settings, self.parts, self._save)

    def run(self, request: Asked) -> None:
        """Starts everything, shows a first answer, stays until it is interrupted. Leaves no process, and all data."""
        with only_one(self.settings), interruptible():
            try:
                self._bring_up(request)
                self._watch()
            except Interrupted:
                print("\nStopping …", flush=True)
            finally:
                self._take_down()

    def _bring_up(self, request: Asked) -> None:
        started = time.monotonic()
        request.check()
        processes.require_free_ports(self._wanted_ports())
        self._save()
        mlflow_server, watcher, gateway = make_parts(self.settings)
        self._start_postgres()
        with told("warehouse", f"schema of database {self.settings['PGDATABASE']}"):
            loaded.bring_up_to_date(self.settings)
        with told("tracking", f"database {self.settings['MLFLOW_DATABASE']}"):
            experiment = chain.prepare_tracking(self.settings)
        self._start(mlflow_server)  # both load while the chain runs
        self._start(watcher)
        self._run_chain(experiment, request)
        if self.settings.embedded:
            gateway.environment = reader_role.make(self.settings)
        self._start(gateway)
        self._await_gateway(gateway)
        for part, port in ((watcher, "ROLLOUT_PORT"), (mlflow_server, "MLFLOW_PORT")):
            with self._warned(), told(part.name, self.settings.address(port)):
                self._await(part)
        self._announce(time.monotonic() - started)

    def _await_gateway(self, gateway: Part) -> None:
        with told("gateway", self.settings.address("GATEWAY_PORT")):
            gateway.wait_until_healthy(
                self.settings, HEALTH_S[gateway.name], self.care.step, f"{self.settings.address('GATEWAY_PORT')}/health"
            )
        if not chain.production_version(self.settings):
            self.warnings.append("No version is in Production. Promote one in the UI, or: mlflow run . -e register")
            return
        with self._warned():
            with told("model server", "for the version in Production"):
                await_model_server(self.settings, self.care.step)
            self._await(gateway)
            months = reversed(loaded.months(self.settings))
            users = (user for month in months if (user := loaded.user_of(self.settings, month.as_of)))
            print(json.dumps(chain.example_answer(self.settings, users), indent=2), flush=True)

    @contextmanager
    def _warned(self) -> Iterator[None]:
        """What fails in the block is reported at the end, and ends nothing."""
        try:
            yield
        except (StackError, OSError, ValueError, psycopg2.Error) as error:
            self.warnings.append(str(error).strip())

    def _start_postgres(self) -> None:
        where = f"{self.settings['PGHOST']}:{self.settings['PGPORT']}"
        with told("PostgreSQL", where):
            if self.settings.embedded:
                postgres.start(self.settings)
            elif not postgres.answers(self.settings):
                raise StackError(
                    f"No PostgreSQL answers at {where} as {self.settings['PGUSER']} (STREAMFLOW_POSTGRES=external)"
                )

    def _run_chain(self, experiment: str, request: Asked) -> None:
        """Raises StackError when it fails and nothing is in Production yet."""
        try:
            if request.lacks_samples and (request.names_a_month or not loaded.months(self.settings)):
                chain.mlflow_run(self.settings, ["-e", "sample_months"], self.care.step)
            month = month_to_run(self.settings, experiment, request)
            if month is None:
                return
            mix = ["-P", "mix=true"] if request.mix else []
            with told("chain", str(month.as_of)):
                arguments = ["-P", f"month_dir={month.folder}", "-P", f"as_of={month.as_of}", *mix]
                chain.mlflow_run(self.settings, arguments, self.care.step)
        except StackError as error:
            if not chain.production_version(self.settings):
                raise
            self.failed = True
            self.warnings.append(f"{error}. The stack is up with what it had before")

    def _start(self, part: Part) -> None:
        part.start(self.settings)
        self.parts.append(part)
        self._save()

    def _await(self, part: Part) -> None:
        part.wait_until_healthy(self.settings, HEALTH_S[part.name], self.care.step)

    def _watch(self) -> None:
        while True:
            with suppress(OSError):  # a log that cannot be written, on a full disk, ends no server
                self.care.step()
            time.sleep(WATCH_S)

    def _announce(self, seconds: float) -> None:
        gateway = self.settings.address("GATEWAY_PORT")
        for warning in self.warnings:
            print(f"\n[{'ERROR' if self.failed else 'WARNING'}] {warning}", flush=True)
        print(f"\n[OK] StreamFlow is up after {seconds:.0f} s")
        print(f"  MLflow   {self.settings.address('MLFLOW_PORT')}")
        print(f"  gateway  {gateway}")
        print(f"  docs     {gateway}/docs")
        print(f"  logs     {self.settings.state / 'logs'}", flush=True)
        self.ready = True  # last: `up` shows what was said until then
        self._save()

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
            "failed": self.failed,
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
