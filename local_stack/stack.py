"""Starts the stack up to a first answer, and stops it. One instance per state folder.

PostgreSQL and the gateway must start. Other failures (the chain, the example request, MLflow, the model server) are
reported, and the rest keeps running.
"""

import json
import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import psutil
import psycopg2

from configuration import mlflow_ui, passwords
from local_stack import chain, mlflow_login, processes
from local_stack.database import loaded_months, postgres
from local_stack.database.background import background_threads
from local_stack.lifecycle import Interrupted, interruptible, only_one, private_files, timed_step
from local_stack.monitoring import prometheus
from local_stack.month_choice import MonthRequest, month_to_run
from local_stack.processes import Service
from local_stack.services import make_services, ports, wait_for_model_server
from local_stack.settings import Settings, StackError
from local_stack.supervisor import Supervisor

HEALTH_S = {"MLflow": 90.0, "watcher": 60.0, "gateway": 60.0, "console": 60.0, "Prometheus": 60.0}
SUPERVISE_S = 0.5


class Stack:
    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.services: list[Service] = []
        self.warnings: list[str] = []
        self.ready = False
        self.failed = False  # the stack is up, but the requested month was not run
        self.owns_state = False
        self.supervisor = Supervisor(settings, self.services, self._save)
        self.background = background_threads(settings)

    def run(self, request: MonthRequest) -> None:
        """Start everything, show a first answer, run until interrupted. Ends every process and keeps all data."""
        with only_one(self.settings), private_files(self.settings), interruptible():
            try:
                self._start_all(request)
                self._supervise()
            except Interrupted:
                print("\nStopping …", flush=True)
            finally:
                self._stop_all()

    def _start_all(self, request: MonthRequest) -> None:
        started = time.monotonic()
        request.check()
        for name in passwords.published(self.settings.values) if self.settings.embedded else []:
            self.warnings.append(f"{name} is a password that everybody knows. Remove it from .env and the shell")
        mlflow_login.server_settings(self.settings)
        monitoring = prometheus.services(self.settings)
        processes.require_free_ports(ports(self.settings))
        self._save()
        mlflow_server, watcher, gateway, console = make_services(self.settings)
        self._start_postgres()
        with timed_step("warehouse", f"schema of database {self.settings['PGDATABASE']}"):
            loaded_months.migrate(self.settings)
        with timed_step("tracking", f"database {self.settings['MLFLOW_DATABASE']}"):
            experiment = chain.prepare_tracking(self.settings)
            mlflow_login.create_tables(self.settings)
            if self.settings.embedded:
                postgres.apply_roles(self.settings)  # now that the tables exist
        self._start(mlflow_server)  # both start while the chain runs
        self._start(watcher)
        self._run_chain(experiment, request)
        self._start(gateway)
        self._wait_for_gateway(gateway)
        for service in (console, *monitoring.values()):
            self._start(service)
        for service in (watcher, mlflow_server, console, *monitoring.values()):
            with self._as_warning(), timed_step(service.name, f"http://127.0.0.1:{service.port}"):
                self._wait_for(service)
        self._print_summary(time.monotonic() - started, experiment)

    def _wait_for_gateway(self, gateway: Service) -> None:
        with timed_step("gateway", self.settings.address("GATEWAY_PORT")):
            gateway.wait_until_healthy(
                self.settings,
                HEALTH_S[gateway.name],
                self.supervisor.step,
                f"{self.settings.address('GATEWAY_PORT')}/health",
            )
        if not chain.production_version(self.settings):
            self.warnings.append("No version is in Production. Promote one in the UI, or: mlflow run . -e register")
            return
        with self._as_warning():
            with timed_step("model server", "for the version in Production"):
                wait_for_model_server(self.settings, self.supervisor.step)
            self._wait_for(gateway)
            months = reversed(loaded_months.list_months(self.settings))
            users = (user for month in months if (user := loaded_months.find_user(self.settings, month.as_of)))
            print(json.dumps(chain.example_answer(self.settings, users), indent=2), flush=True)

    @contextmanager
    def _as_warning(self) -> Iterator[None]:
        """A failure in the block becomes a warning at the end."""
        try:
            yield
        except (StackError, OSError, ValueError, psycopg2.Error) as error:
            self.warnings.append(str(error).strip())

    def _start_postgres(self) -> None:
        address = f"{self.settings['PGHOST']}:{self.settings['PGPORT']}"
        with timed_step("PostgreSQL", address):
            if self.settings.embedded:
                postgres.start(self.settings)
            elif not postgres.answers(self.settings):
                raise StackError(
                    f"No PostgreSQL answers at {address} as {self.settings['PGUSER']} (STREAMFLOW_POSTGRES=external)"
                )
            elif missing := postgres.missing_databases(self.settings):
                raise StackError(f"{', '.join(missing)}: no such database at {address}. Create it: createdb NAME")

    def _run_chain(self, experiment: str, request: MonthRequest) -> None:
        """Raises StackError if it fails and no version is in Production."""
        try:
            if request.needs_samples and (request.names_a_month or not loaded_months.list_months(self.settings)):
                chain.mlflow_run(self.settings, ["-e", "sample_months"], self.supervisor.step)
            month = month_to_run(self.settings, experiment, request)
            if month is None:
                return
            mix = ["-P", "mix=true"] if request.mix else []
            with timed_step("chain", str(month.as_of)):
                arguments = ["-P", f"month_dir={month.folder}", "-P", f"as_of={month.as_of}", *mix]
                chain.mlflow_run(self.settings, arguments, self.supervisor.step)
        except StackError as error:
            if not chain.production_version(self.settings):
                raise
            self.failed = True
            self.warnings.append(f"{error}. The stack is up with its earlier months and model")

    def _start(self, service: Service) -> None:
        service.start(self.settings)
        self.services.append(service)
        self._save()

    def _wait_for(self, service: Service) -> None:
        service.wait_until_healthy(self.settings, HEALTH_S[service.name], self.supervisor.step)

    def _supervise(self) -> None:
        for thread in self.background:
            thread.start()
        while True:
            with suppress(OSError):  # a full disk, on which logs cannot be written, must not end the servers
                self.supervisor.step()
            time.sleep(SUPERVISE_S)

    def _print_summary(self, seconds: float, experiment: str) -> None:
        gateway = self.settings.address("GATEWAY_PORT")
        for warning in self.warnings:
            print(f"\n[{'ERROR' if self.failed else 'WARNING'}] {warning}", flush=True)
        print(f"\n[OK] StreamFlow is up after {seconds:.0f} s")
        print(f"  console  {self.settings.address('CONSOLE_PORT')}")
        print(f"  MLflow   {self.settings.address('MLFLOW_PORT')} ({mlflow_login.note(self.settings)})")
        print(f"  runs     {self.settings.address('MLFLOW_PORT')}/{mlflow_ui.runs_page(experiment)}")
        print(f"  gateway  {gateway}\n  docs     {gateway}/docs")
        if prometheus.is_on(self.settings):
            print(f"  alerts   {self.settings.address(prometheus.PORT)}/alerts")
        print(f"  logs     {self.settings.state / 'logs'}", flush=True)
        self.ready = True  # last: `up` shows the lines printed until then
        self._save()

    def _stop_all(self) -> None:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # a second Ctrl-C must not interrupt the stop
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        for thread in self.background:
            thread.stop()
        for service in reversed(self.services):
            if service.process is not None and service.process.poll() is None:
                processes.end(psutil.Process(service.process.pid))
        if self.owns_state:  # else `make down` must find the processes of the stack before
            if self.settings.embedded:
                postgres.stop(self.settings)
            (self.settings.state / "stack.json").unlink(missing_ok=True)

    def _save(self) -> None:
        self.owns_state = True
        state = {
            "supervisor": processes.identity(os.getpid()),
            "ready": self.ready,
            "failed": self.failed,
            "settings": dict(self.settings.values),
            "services": [
                {"name": s.name, "port": s.port, "health": s.health, **processes.identity(s.process.pid)}
                for s in self.services
                if s.process is not None and s.process.poll() is None
            ],
        }
        processes.save_state(self.settings, state)
