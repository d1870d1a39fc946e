"""The `mlflow` command with four manners that bare MLflow lacks. It changes nothing else.

- The tracking store is down: one line says what to start. (MLflow retries for minutes, then shows a trace.)
- `mlflow run` where no conda is installed: runs in this environment, which the lock made. (MLflow would stop.)
- `mlflow run` fails before the step starts: the run it made is FAILED. (MLflow leaves it RUNNING for ever.)
- `mlflow run` with nothing but an entry point and parameters loads the part of MLflow that runs projects. (The command
  line loads every server first, which takes longer than most steps.)
"""

import os
import shutil
import signal
import socket
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any
from urllib.parse import urlsplit

ANSWER_TIMEOUT_S = 2.0
DEFAULT_PORTS = {"http": 80, "https": 443, "postgresql": 5432}
MANAGERS = {"local", "uv", "conda"}
NEEDS_STORE = {"run", "runs", "experiments", "models", "artifacts"}


def main() -> None:
    arguments = sys.argv[1:]
    if arguments and arguments[0] in NEEDS_STORE and "--help" not in arguments:
        require_store(os.environ.get("MLFLOW_TRACKING_URI", ""))
    if arguments[:1] == ["run"]:
        arguments = with_environment(arguments)
    sys.argv = ["mlflow", *arguments]
    # "local" means this environment, whatever else calls itself python on PATH
    os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
    signal.signal(signal.SIGTERM, _interrupt)
    project = plain_run(arguments)
    if project:
        close_orphans(project.start)
        return
    from mlflow.cli import cli  # noqa: PLC0415 - seconds that neither the message nor a plain run need wait for

    close_orphans(cli) if arguments[:1] == ["run"] else cli()


def require_store(uri: str) -> None:
    """Exits with one line when nothing listens where the tracking store should be."""
    where = urlsplit(uri)
    scheme = where.scheme.split("+")[0]
    if scheme not in DEFAULT_PORTS or not where.hostname:
        return
    port = where.port or DEFAULT_PORTS[scheme]
    try:
        socket.create_connection((where.hostname, port), ANSWER_TIMEOUT_S).close()
    except OSError:
        sys.exit(f"MLflow's tracking store does not answer at {where.hostname}:{port}. Start the stack: make up")


def with_environment(arguments: list[str]) -> list[str]:
    """Adds `--env-manager local` where MLflow would look for a conda that is not there."""
    chosen = any(argument.startswith("--env-manager") for argument in arguments)
    conda = shutil.which("conda") or os.environ.get("CONDA_EXE") or os.environ.get("MLFLOW_CONDA_HOME")
    return arguments if chosen or conda else [*arguments, "--env-manager", "local"]


@dataclass(frozen=True)
class PlainRun:
    """`mlflow run URI -e ENTRY_POINT -P name=value …`, as its public interface in Python is called."""

    uri: str
    entry_point: str
    parameters: dict[str, str]
    env_manager: str | None

    def start(self) -> None:
        from mlflow import projects  # noqa: PLC0415 - see main()

        try:
            projects.run(self.uri, self.entry_point, parameters=self.parameters, env_manager=self.env_manager)
        except projects.ExecutionException as error:
            sys.exit(f"[ERROR] {error}")
        except KeyboardInterrupt:
            sys.exit("Aborted!")


def plain_run(arguments: list[str]) -> PlainRun | None:
    """None for whatever has more to it, or is wrong: the command line knows what to say of that."""
    options = {"-e": "entry_point", "--entry-point": "entry_point", "--env-manager": "env_manager"}
    chosen: dict[str, str] = {}
    parameters: dict[str, str] = {}
    pairs = list(zip(arguments[2::2], arguments[3::2], strict=False))
    if arguments[:1] != ["run"] or len(arguments) < 2 or len(arguments) % 2 or arguments[1].startswith("-"):  # noqa: PLR2004
        return None
    for option, value in pairs:
        name, equals, given = value.partition("=")
        if option in ("-P", "--param-list") and equals and name not in parameters:
            parameters[name] = given
        elif option in options and options[option] not in chosen and (option != "--env-manager" or value in MANAGERS):
            chosen[options[option]] = value
        else:
            return None
    return PlainRun(arguments[1], chosen.get("entry_point", "main"), parameters, chosen.get("env_manager"))


def close_orphans(command: Callable[[], Any]) -> None:
    """Runs the command; runs that it made and that are still RUNNING when it fails are marked FAILED."""
    from mlflow.tracking import MlflowClient  # noqa: PLC0415 - the command has loaded it already

    made: list[str] = []
    create_run = MlflowClient.create_run

    def remembering(self: MlflowClient, *args: Any, **kwargs: Any) -> Any:
        run = create_run(self, *args, **kwargs)
        made.append(run.info.run_id)
        return run

    MlflowClient.create_run = remembering
    try:
        command()
    finally:
        for run_id in made:
            if MlflowClient().get_run(run_id).info.status == "RUNNING":
                MlflowClient().set_terminated(run_id, "FAILED")


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    main()
