"""What a person sees of a step: its closing line, its errors, and how long things took."""

import logging
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from tqdm import tqdm

from steps.cli import interruption
from steps.cli.disk import disk_full
from steps.cli.errors import StepError
from steps.cli.settings import OF_THE_STACK, ConsoleSettings, Settings, project_run_id
from steps.cli.terminal import fitted, for_bars

T = TypeVar("T")

TICK_S = 0.5
RED, RESET = "\033[31m", "\033[0m"


def say(text: str) -> None:
    print(fitted(text, sys.stdout), flush=True)


def complain(error: BaseException) -> None:
    """Colour only where a terminal shows it and nobody asked for none (https://no-color.org)."""
    coloured = sys.stderr.isatty() and ConsoleSettings.read().colour
    start, end = (RED, RESET) if coloured else ("", "")
    print(f"{start}{fitted(f'[ERROR] {error}', sys.stderr)}{end}", file=sys.stderr, flush=True)


@contextmanager
def timed(what: str) -> Iterator[None]:
    """While it lasts, a clock on a terminal; then a line."""
    started, out = time.perf_counter(), sys.stdout
    with _clock(what):
        yield
    print(f"  {what}: {time.perf_counter() - started:.1f} s", file=out, flush=True)


@contextmanager
def _clock(what: str) -> Iterator[None]:
    over = threading.Event()
    with (
        for_bars() as terminal,
        tqdm(desc=f"  {what}", bar_format="{desc} {elapsed}", leave=False, disable=None, file=terminal) as shown,
    ):

        def go_on() -> None:
            while not over.wait(TICK_S):
                shown.refresh()

        ticking = threading.Thread(target=go_on, daemon=True)
        ticking.start()
        try:
            yield
        finally:
            over.set()
            ticking.join()


def progress(what: str, total: int, items: Iterable[T]) -> Iterator[T]:
    """The same items; how many have come is shown on a terminal, and gone from it at the end."""
    with for_bars() as terminal:
        yield from tqdm(items, total=total, unit=f" {what}", disable=None, leave=False, file=terminal)


def quiet_known_warnings() -> None:
    """Warnings of our parts about our parts, which nobody who runs a step can act upon."""
    # a trace of its own for each call while PostgreSQL is away; the exception that follows says the same
    logging.getLogger("mlflow.store.db.utils").setLevel(logging.CRITICAL)
    for message in (
        r"fetch_arrow_table\(\) is deprecated",  # ibis about DuckDB
        r"The spark (offline store|data source API) is an experimental feature",
        r"pandas only supports SQLAlchemy connectable",  # feast's own way of reading from PostgreSQL
        r"The ``noload`` loader strategy is deprecated",  # mlflow's models under SQLAlchemy 2.1
        r"The specified dataset source can be interpreted in multiple ways",  # it names the same source twice
        r"Hint: Inferred schema contains integer column",  # of the example; our signature is written, not inferred
        # stages are deprecated since MLflow 2.9 and are this project's switch all the same: mlflow<4 is pinned
        r".*(transition_model_version_stage|get_latest_versions).*deprecated since 2\.9\.0",
    ):
        warnings.filterwarnings("ignore", message=message)


def run(main: Callable[[], None]) -> None:
    """Runs a step as a program: an expected end is one line on stderr and an exit code, never a trace."""
    quiet_known_warnings()
    # `mlflow run` says it itself
    last_words = [] if project_run_id() else ["[ERROR] Interrupted"]
    interruption.end_in_order(last_words)
    try:
        for warning in Settings.from_env().unknown_variables(OF_THE_STACK):
            print(f"[WARNING] {warning}", file=sys.stderr, flush=True)
        main()
    except KeyboardInterrupt:
        if last_words:
            complain(KeyboardInterrupt("Interrupted"))
            last_words.clear()
        sys.exit(interruption.EXIT_CODE)
    except StepError as error:
        complain(error)
        sys.exit(error.exit_code)
    except Exception as error:
        full = disk_full(error)  # MLflow, Arrow and others have errors of their own for it
        if full is None:
            raise
        complain(full)
        sys.exit(full.exit_code)
