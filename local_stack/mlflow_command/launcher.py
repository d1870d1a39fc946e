"""The `mlflow` command with manners that bare MLflow lacks. What it does not name, it leaves as it is.

- The store is down, or wants a login: one line says what to do. (MLflow retries for minutes, then shows a trace.)
- What MLflow, git or the database raises is one line.
- `run` where no conda is installed, and `models serve`, `predict` and `prepare-env` anywhere: in this environment,
  which the lock made, unless --env-manager says otherwise. (MLflow would stop, or install packages for minutes.)
- `run`: options that were given win over the activated shell's, relative folders are the caller's, a git repository
  on this machine is one, and no run stays RUNNING, nameless or without a word (mlflow_command/).
- `run` with nothing but an entry point and parameters loads the part of MLflow that runs projects, and `models` the
  part about models. (The command line loads every server first, which takes longer than most steps.)
- A port that is taken: `models serve` takes another, `server` and `ui` say who has it.
- `gc` does not delete what a registered version was made from.
"""

import logging
import os
import shutil
import signal
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from local_stack import other_programs, own_server
from local_stack.mlflow_command import addresses, gc, made_runs, ports, store
from local_stack.mlflow_command.options import PARAMETER, RUN_FLAGS, RUN_OPTIONS, Token, tokens, value_of
from local_stack.settings import Settings, StackError
from rollout import loopback

THEIRS = ("mlflow.", "git.", "sqlalchemy.")
INTERRUPTED = 128 + signal.SIGINT  # the exit code, as shells have it
NO_DOCKER = "Docker build failed."  # MLflow raises it as a RuntimeError; docker has said why
MANAGERS = {"local", "uv", "conda"}
IN_THIS_ENVIRONMENT = ("serve", "predict", "prepare-env")
# of the shell, where `mlflow run` is told the experiment by an option: MLflow would compare the two, and stop
OF_THE_SHELL = ("MLFLOW_EXPERIMENT_NAME", "MLFLOW_EXPERIMENT_ID")
EXPERIMENT_OPTIONS = ("--experiment-name", "--experiment-id")


def main() -> None:
    arguments = sys.argv[1:]
    keep_out_what_is_meant_for_others()
    store.require_store(arguments)
    # "local" means this environment, whatever else calls itself python on PATH
    os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
    signal.signal(signal.SIGTERM, _interrupt)
    with_manners(lambda: command(arguments))


def keep_out_what_is_meant_for_others() -> None:
    """This machine is asked without a proxy; in a shell of a stack with its own PostgreSQL, no other one is asked."""
    os.environ.update(loopback.proxy_exceptions(os.environ))
    other_programs.keep_repository_out(os.environ)
    of_a_stack = "STREAMFLOW_LOGS" in os.environ  # containers get the other settings too
    if not of_a_stack or os.environ.get("STREAMFLOW_POSTGRES") != own_server.EMBEDDED:
        return
    try:
        ignored = own_server.keep_others_out(Settings.from_env(server_of_running=True).values, os.environ)
    except StackError as error:
        sys.exit(f"[ERROR] {error}")
    if ignored:
        print(f"[WARNING] {ignored}", file=sys.stderr, flush=True)


def command(arguments: list[str]) -> None:
    """Raises what MLflow, git and the database raise."""
    needs_help = "--help" in arguments
    if arguments[:1] == ["run"] and not needs_help:
        run_project(arguments)
        return
    if arguments[:1] == ["models"] and arguments[1:2] and arguments[1] in IN_THIS_ENVIRONMENT and not needs_help:
        arguments = [*arguments[:2], *in_this_environment(arguments[2:])]
        if arguments[1] == "serve":
            arguments = [*arguments[:2], *ports.for_model_server(arguments[2:])]
        elif arguments[1] == "prepare-env" and value_of(tokens(arguments[2:], {}, ()), "--env-manager") == "local":
            print("Nothing to prepare: a model is served from this environment. For one of its own: --env-manager uv")
            return
    elif arguments[:1] in (["server"], ["ui"]) and not needs_help:
        ports.for_tracking_server(arguments[1:])
    elif arguments[:1] == ["gc"] and not needs_help:
        gc.require_unneeded(arguments[1:])
    command_line(arguments)


def with_manners(work: Callable[[], None]) -> None:
    """Exits with one line for what a user can cause."""
    try:
        work()
    except KeyboardInterrupt:
        print("[ERROR] Interrupted", file=sys.stderr, flush=True)
        sys.exit(INTERRUPTED)
    except Exception as error:
        if not (isinstance(error, OSError) or str(error) == NO_DOCKER or type(error).__module__.startswith(THEIRS)):
            raise
        sys.exit(f"[ERROR] {store.in_one_line(error)}")


def command_line(arguments: list[str]) -> None:
    from click import Abort, ClickException  # noqa: PLC0415 - loaded by MLflow

    sys.argv = ["mlflow", *arguments]
    try:
        if arguments[:1] == ["models"]:
            from mlflow.models.cli import commands  # noqa: PLC0415 - as below, and a third of the seconds

            commands(arguments[1:], prog_name="mlflow models", standalone_mode=False)
        else:
            from mlflow.cli import cli  # noqa: PLC0415 - seconds that neither a message nor a plain run need wait for

            cli(standalone_mode=False)
    except Abort as error:  # click's word for Ctrl-C
        raise KeyboardInterrupt from error
    except ClickException as error:
        error.show()
        sys.exit(error.exit_code)


def run_project(arguments: list[str]) -> None:
    found = paths_and_environment(arguments)
    with addresses.local_project(found) as runnable:
        words = ["run", *(word for token in runnable for word in token.words())]
        plain = plain_run(words)
        start = plain.start if plain else lambda: command_line(words)
        # of Ctrl-C, one line is enough
        logging.getLogger("mlflow.projects").addFilter(lambda record: "cancelling run" not in record.getMessage())
        made_runs.looked_after(start, is_named=value_of(found, "--run-name") is not None)


def paths_and_environment(arguments: Sequence[str]) -> list[Token]:
    """The tokens of `run …`, ready to be run; and this process's environment with them."""
    found = tokens(with_environment(list(arguments))[1:], RUN_OPTIONS, RUN_FLAGS)
    if any(token.name in EXPERIMENT_OPTIONS for token in found):
        for name in OF_THE_SHELL:
            os.environ.pop(name, None)
    os.environ.pop("PYTHONSAFEPATH", None)  # a step is found where it runs: python -m steps.NAME
    return addresses.paths_of_caller(found, Path.cwd())


def in_this_environment(arguments: list[str]) -> list[str]:
    """Adds `--env-manager local` where no other was asked for."""
    chosen = any(argument.startswith(("--env-manager", "--no-conda")) for argument in arguments)
    return arguments if chosen else [*arguments, "--env-manager", "local"]


def with_environment(arguments: list[str]) -> list[str]:
    """Adds `--env-manager local` where MLflow would look for a conda that is not there."""
    conda = shutil.which("conda") or os.environ.get("CONDA_EXE") or os.environ.get("MLFLOW_CONDA_HOME")
    return arguments if conda else in_this_environment(arguments)


@dataclass(frozen=True)
class PlainRun:
    """`mlflow run URI -e ENTRY_POINT -P name=value …`, as its public interface in Python is called."""

    uri: str
    entry_point: str
    parameters: dict[str, str]
    env_manager: str | None

    def start(self) -> None:
        from mlflow import projects  # noqa: PLC0415 - see main()

        projects.run(self.uri, self.entry_point, parameters=self.parameters, env_manager=self.env_manager)


def plain_run(arguments: list[str]) -> PlainRun | None:
    """None for whatever has more to it, or is wrong: the command line knows what to say of that."""
    if arguments[:1] != ["run"]:
        return None
    found = tokens(arguments[1:], RUN_OPTIONS, RUN_FLAGS)
    parameters = [(token.value or "").partition("=") for token in found if token.name == PARAMETER]
    names = [name for name, equals, _value in parameters if equals]
    others = [token.name for token in found if token.name != PARAMETER]
    manager, uri = value_of(found, "--env-manager"), next((token.value for token in found if token.name is None), None)
    if len(set(names)) != len(parameters) or len(set(others)) != len(others) or not uri:
        return None
    if not set(others) <= {None, "--entry-point", "--env-manager"} or manager not in {None, *MANAGERS}:
        return None
    if any(token.value is None for token in found):
        return None
    given = {name: value for name, _equals, value in parameters}
    return PlainRun(uri, value_of(found, "--entry-point") or "main", given, manager)


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt
