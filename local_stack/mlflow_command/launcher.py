"""The `mlflow` command of the activated shell. It changes plain MLflow only as follows:

- The store is down or refuses the login: one line says what to do. (MLflow retries for minutes and prints a traceback.)
- Errors of MLflow, git and the database are one line.
- `run` without conda on this machine, and `models serve`, `predict` and `prepare-env`, use this environment unless
  --env-manager is given. (MLflow would stop, or install packages for minutes.)
- `run`: options win over the activated shell's variables, relative folders are the caller's, local git repositories
  work, and every run is ended, named and described.
- `run` with only an entry point and parameters loads only MLflow's projects, and `models` only MLflow's models. (The
  command line first loads every server, which takes longer than most steps.)
- `run -e erase_user`: the user_id is not recorded in MLflow.
- A port in use: `models serve` takes another, `server` and `ui` name the process's address.
- `gc` does not remove runs that a registered version was made from.
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

from local_stack.environment import inherited_variables, libpq_variables
from local_stack.mlflow_command import addresses, created_runs, gc, ports, private_values, store
from local_stack.mlflow_command.options import PARAMETER, RUN_FLAGS, RUN_OPTIONS, Token, parse_tokens, value_of
from local_stack.settings import Settings, StackError
from rollout import loopback

LIBRARY_MODULES = ("mlflow.", "git.", "sqlalchemy.")
INTERRUPTED = 128 + signal.SIGINT  # the exit code in shells
NO_DOCKER = "Docker build failed."  # MLflow raises it as a RuntimeError; docker has printed the reason
MANAGERS = {"local", "uv", "conda"}
IN_THIS_ENVIRONMENT = ("serve", "predict", "prepare-env")
# removed if an option of `mlflow run` names the experiment: MLflow would stop because the two differ
EXPERIMENT_VARIABLES = ("MLFLOW_EXPERIMENT_NAME", "MLFLOW_EXPERIMENT_ID")
EXPERIMENT_OPTIONS = ("--experiment-name", "--experiment-id")


def main() -> None:
    arguments = sys.argv[1:]
    prepare_environment()
    store.require_store(arguments)
    # "local" means this environment, not another python on PATH
    os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
    signal.signal(signal.SIGTERM, _interrupt)
    with_short_errors(lambda: run_command(arguments))


def prepare_environment() -> None:
    """Use no proxy for this machine, and only the stack's own PostgreSQL in the shell of such a stack."""
    os.environ.update(loopback.proxy_exceptions(os.environ))
    inherited_variables.drop_git(os.environ)
    is_stack_shell = "STREAMFLOW_LOGS" in os.environ  # containers have the other settings too
    if not is_stack_shell or os.environ.get("STREAMFLOW_POSTGRES") != libpq_variables.EMBEDDED:
        return
    try:
        ignored = libpq_variables.drop_ignored(Settings.from_env(server_of_running=True).values, os.environ)
    except StackError as error:
        sys.exit(f"[ERROR] {error}")
    if ignored:
        print(f"[WARNING] {ignored}", file=sys.stderr, flush=True)


def run_command(arguments: list[str]) -> None:
    """Raises the errors of MLflow, git and the database."""
    needs_help = "--help" in arguments
    if arguments[:1] == ["run"] and not needs_help:
        run_project(arguments)
        return
    if arguments[:1] == ["models"] and arguments[1:2] and arguments[1] in IN_THIS_ENVIRONMENT and not needs_help:
        arguments = [*arguments[:2], *in_this_environment(arguments[2:])]
        if arguments[1] == "serve":
            arguments = [*arguments[:2], *ports.for_model_server(arguments[2:])]
        elif (
            arguments[1] == "prepare-env" and value_of(parse_tokens(arguments[2:], {}, ()), "--env-manager") == "local"
        ):
            print("Nothing to prepare: models are served from this environment. For a separate one: --env-manager uv")
            return
    elif arguments[:1] in (["server"], ["ui"]) and not needs_help:
        ports.for_tracking_server(arguments[1:])
    elif arguments[:1] == ["gc"] and not needs_help:
        gc.refuse_needed_runs(arguments[1:])
    command_line(arguments)


def with_short_errors(work: Callable[[], None]) -> None:
    """Exits with one line for errors that a user can cause."""
    try:
        work()
    except KeyboardInterrupt:
        print("[ERROR] Interrupted", file=sys.stderr, flush=True)
        sys.exit(INTERRUPTED)
    except Exception as error:
        if not (
            isinstance(error, OSError) or str(error) == NO_DOCKER or type(error).__module__.startswith(LIBRARY_MODULES)
        ):
            raise
        sys.exit(f"[ERROR] {store.one_line(error)}")


def command_line(arguments: list[str]) -> None:
    from click import Abort, ClickException  # noqa: PLC0415 - loaded by MLflow

    sys.argv = ["mlflow", *arguments]
    try:
        if arguments[:1] == ["models"]:
            from mlflow.models.cli import commands  # noqa: PLC0415 - a third of the time of mlflow.cli

            commands(arguments[1:], prog_name="mlflow models", standalone_mode=False)
        else:
            from mlflow.cli import cli  # noqa: PLC0415 - takes seconds, which messages and plain runs do not need

            cli(standalone_mode=False)
    except Abort as error:  # click raises it for Ctrl-C
        raise KeyboardInterrupt from error
    except ClickException as error:
        error.show()
        sys.exit(error.exit_code)


def run_project(arguments: list[str]) -> None:
    tokens = prepare_run(arguments)
    with private_values.in_files(tokens) as recordable, addresses.local_project(recordable) as runnable:
        run_arguments = ["run", *(argument for token in runnable for argument in token.arguments())]
        plain = plain_run(run_arguments)
        start = plain.start if plain else lambda: command_line(run_arguments)
        # after Ctrl-C one line is enough
        logging.getLogger("mlflow.projects").addFilter(lambda record: "cancelling run" not in record.getMessage())
        created_runs.run_and_complete(start, is_named=value_of(tokens, "--run-name") is not None)


def prepare_run(arguments: Sequence[str]) -> list[Token]:
    """The tokens of `run …` with resolved paths; also adapts this process's environment."""
    tokens = parse_tokens(with_environment(list(arguments))[1:], RUN_OPTIONS, RUN_FLAGS)
    if any(token.name in EXPERIMENT_OPTIONS for token in tokens):
        for name in EXPERIMENT_VARIABLES:
            os.environ.pop(name, None)
    os.environ.pop("PYTHONSAFEPATH", None)  # `python -m steps.NAME` needs the working directory on sys.path
    return addresses.resolve_paths(tokens, Path.cwd())


def in_this_environment(arguments: list[str]) -> list[str]:
    """Add `--env-manager local` unless an environment is given."""
    chosen = any(argument.startswith(("--env-manager", "--no-conda")) for argument in arguments)
    return arguments if chosen else [*arguments, "--env-manager", "local"]


def with_environment(arguments: list[str]) -> list[str]:
    """Add `--env-manager local` if there is no conda on this machine."""
    conda = shutil.which("conda") or os.environ.get("CONDA_EXE") or os.environ.get("MLFLOW_CONDA_HOME")
    return arguments if conda else in_this_environment(arguments)


@dataclass(frozen=True)
class PlainRun:
    """`mlflow run URI -e ENTRY_POINT -P name=value …` as a call of MLflow's Python interface."""

    uri: str
    entry_point: str
    parameters: dict[str, str]
    env_manager: str | None

    def start(self) -> None:
        from mlflow import projects  # noqa: PLC0415 - see main()

        projects.run(self.uri, self.entry_point, parameters=self.parameters, env_manager=self.env_manager)


def plain_run(arguments: list[str]) -> PlainRun | None:
    """None for invalid commands and other options: MLflow's command line handles those."""
    if arguments[:1] != ["run"]:
        return None
    tokens = parse_tokens(arguments[1:], RUN_OPTIONS, RUN_FLAGS)
    parameters = [(token.value or "").partition("=") for token in tokens if token.name == PARAMETER]
    names = [name for name, equals, _value in parameters if equals]
    options = [token.name for token in tokens if token.name != PARAMETER]
    manager, uri = (
        value_of(tokens, "--env-manager"),
        next((token.value for token in tokens if token.name is None), None),
    )
    if len(set(names)) != len(parameters) or len(set(options)) != len(options) or not uri:
        return None
    if not set(options) <= {None, "--entry-point", "--env-manager"} or manager not in {None, *MANAGERS}:
        return None
    if any(token.value is None for token in tokens):
        return None
    values = {name: value for name, _equals, value in parameters}
    return PlainRun(uri, value_of(tokens, "--entry-point") or "main", values, manager)


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt
