"""The lines a step prints for a person, its errors, and its exit code."""

import logging
import sys
import warnings
from collections.abc import Callable

from steps.cli import interruption
from steps.cli.disk import disk_full
from steps.cli.errors import BadParameter, StepError
from steps.cli.settings import OF_THE_STACK, ConsoleSettings, Settings, project_run_id
from steps.cli.terminal import fitted

RED, RESET = "\033[31m", "\033[0m"


def say(text: str) -> None:
    print(fitted(text, sys.stdout), flush=True)


def report_error(error: BaseException) -> None:
    """Prints one line on stderr, in red on a terminal unless NO_COLOR is set (https://no-color.org)."""
    is_coloured = sys.stderr.isatty() and ConsoleSettings.read().colour
    start, end = (RED, RESET) if is_coloured else ("", "")
    label = error.label if isinstance(error, StepError) else "ERROR"
    print(f"{start}{fitted(f'[{label}] {error}', sys.stderr)}{end}", file=sys.stderr, flush=True)


def quiet_known_warnings() -> None:
    """Hides warnings between libraries: a user of the steps cannot act on them."""
    # it logs a traceback per call while PostgreSQL is down; the exception that follows has the same message
    logging.getLogger("mlflow.store.db.utils").setLevel(logging.CRITICAL)
    for message in (
        r"fetch_arrow_table\(\) is deprecated",  # ibis on DuckDB
        r"The spark (offline store|data source API) is an experimental feature",
        r"pandas only supports SQLAlchemy connectable",  # how Feast reads from PostgreSQL
        r"The ``noload`` loader strategy is deprecated",  # mlflow's models under SQLAlchemy 2.1
        r"The specified dataset source can be interpreted in multiple ways",  # they name one source
        r"Hint: Inferred schema contains integer column",  # about the input example; our signature is explicit
        # stages are deprecated since MLflow 2.9; this project promotes by them and pins mlflow<4
        r".*(transition_model_version_stage|get_latest_versions).*deprecated since 2\.9\.0",
    ):
        warnings.filterwarnings("ignore", message=message)


def run(main: Callable[[], int | None], bad_parameter: int = BadParameter.exit_code) -> None:
    """Runs a step as a program. An expected failure is one line on stderr and an exit code, never a traceback.

    main: returns its exit code, None for 0. bad_parameter: the exit code for invalid parameters.
    """
    quiet_known_warnings()
    # `mlflow run` prints this line itself
    last_lines = [] if project_run_id() else ["[ERROR] Interrupted"]
    interruption.install(last_lines)
    try:
        code = _ended(main, bad_parameter)
    except KeyboardInterrupt:
        if last_lines:
            report_error(KeyboardInterrupt("Interrupted"))
            last_lines.clear()
        code = interruption.EXIT_CODE
    except Exception as error:
        full = disk_full(error)  # MLflow, Arrow and others raise their own errors for it
        if full is None:
            raise
        report_error(full)
        code = full.exit_code
    if code:
        sys.exit(code)


def _ended(main: Callable[[], int | None], bad_parameter: int) -> int:
    """Runs main and returns its exit code; prints its expected failure."""
    try:
        for warning in Settings.from_env().unknown_variables(OF_THE_STACK):
            print(f"[WARNING] {warning}", file=sys.stderr, flush=True)
        return main() or 0
    except BadParameter as error:
        report_error(error)
        return bad_parameter
    except StepError as error:
        report_error(error)
        return error.exit_code
    except SystemExit as ended:  # of argparse, which has printed its reason
        if ended.code == BadParameter.exit_code:
            return bad_parameter
        raise
