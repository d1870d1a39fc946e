"""What a person reads of a run in MLflow's UI: its name, and the description that says what happened."""

import contextlib
import re
from collections.abc import Iterator

import mlflow
from mlflow.entities import Run
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient
from mlflow.utils import name_utils
from mlflow.utils.mlflow_tags import MLFLOW_RUN_NAME, MLFLOW_RUN_NOTE

from steps.cli import console
from steps.cli.errors import StepError
from steps.cli.settings import project_run_id

LONGEST = 5000  # MLflow refuses a tag of more than 8000 characters


def conclude(text: str) -> None:
    """The step's closing line: printed, and the active run's description."""
    console.say(text)
    describe(text)


def describe(text: str) -> None:
    """Makes the text the active run's description; the UI reads it as Markdown."""
    shown = text[:LONGEST]
    mlflow.set_tag(MLFLOW_RUN_NOTE, f"```\n{shown}\n```" if "\n" in shown else shown)


@contextlib.contextmanager
def failure_described() -> Iterator[None]:
    """What ends the block early is the active run's description, and goes on."""
    try:
        yield
    except BaseException as error:
        with contextlib.suppress(MlflowException):  # the failure may be the store's own; it is what is to be seen
            describe(f"[ERROR] {_said(error)}")
        raise


@contextlib.contextmanager
def killed_by_ctrl_c(run_id: str) -> Iterator[None]:
    """Around a run: one that Ctrl-C ended is KILLED. MLflow calls it FAILED."""
    try:
        yield
    except KeyboardInterrupt:
        with contextlib.suppress(MlflowException):  # the interruption is what is to be seen
            MlflowClient().set_terminated(run_id, "KILLED")
        raise


def _said(error: BaseException) -> str:
    if isinstance(error, StepError):
        return str(error)
    if isinstance(error, KeyboardInterrupt):
        return "Interrupted"
    return f"{type(error).__name__}: {(str(error).strip() or 'no message').splitlines()[0]}"


def name_of(run: Run, ours: str) -> str:
    """The name that somebody gave the run, as with --run-name; else ours."""
    given = run.data.tags.get(MLFLOW_RUN_NAME) or run.info.run_name or ""
    return ours if not given or is_made_up(given) else str(given)


def name_project_run(name: str, text: str) -> None:
    """For a step that records nothing: the run that `mlflow run` made for it is not left without a name and a word."""
    run_id = project_run_id()
    if run_id is None:
        return
    client = MlflowClient()
    with contextlib.suppress(MlflowException):  # what the step has made is there all the same
        client.set_tag(run_id, MLFLOW_RUN_NAME, name_of(client.get_run(run_id), name))
        client.set_tag(run_id, MLFLOW_RUN_NOTE, text)


def is_made_up(name: str) -> bool:
    """Whether MLflow made the name itself, like suave-robin-918, because nobody had given one."""
    words = re.fullmatch(r"([a-z]+)-([a-z]+)-[0-9]{1,4}", name)
    if not words:
        return False
    predicates = {word.lower() for word in name_utils._GENERATOR_PREDICATES}
    nouns = {word.lower() for word in name_utils._GENERATOR_NOUNS}
    return words[1] in predicates and words[2] in nouns
