"""A run's name and description in MLflow's UI."""

import contextlib
import re
from collections.abc import Iterator, Mapping

import mlflow
from mlflow.entities import Run
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient
from mlflow.utils import name_utils
from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID, MLFLOW_RUN_NAME, MLFLOW_RUN_NOTE

from configuration import markdown, mlflow_ui, names
from steps.cli import console
from steps.cli.errors import StepError
from steps.cli.settings import MODEL_NAME, project_run_id

ERROR = "[ERROR] "
# tag with a run's id -> the link's text
LINKED_RUNS = {MLFLOW_PARENT_RUN_ID: "parent", "training_run_id": "training", names.DATASET_RUN_TAG: "dataset"}
VERSION_TAG = "model_version"
SEE_ALSO = "\n\nSee also: "
LONGEST = 5000  # MLflow refuses a tag of more than 8000 characters


def conclude(text: str) -> None:
    """Prints the step's closing line and makes it the active run's description."""
    console.say(text)
    describe(text)


def describe(text: str) -> None:
    """Makes the text the active run's description, with links to what the run belongs to."""
    run = MlflowClient().get_run(mlflow.active_run().info.run_id)  # with the tags that the step has set
    mlflow.set_tag(MLFLOW_RUN_NOTE, markdown.literal(text[:LONGEST]) + links_of(run))


def links_of(run: Run) -> str:
    """Markdown with the pages of the parent, the training, the dataset and the version; "" without any of them."""
    tags, experiment = run.data.tags, run.info.experiment_id
    links = [
        f"[{name}]({mlflow_ui.run_page(experiment, tags[tag])})"
        for tag, name in LINKED_RUNS.items()
        if re.fullmatch("[0-9a-f]{32}", tags.get(tag, ""))
    ]
    number = tags.get(VERSION_TAG, "")
    if re.fullmatch("[0-9]+", number):
        links.append(f"[version {number}]({mlflow_ui.version_page(MODEL_NAME, number)})")
    return f"{SEE_ALSO}{', '.join(links)}" if links else ""


def text_of(tags: Mapping[str, str]) -> str:
    """What `describe` was given for the run with these tags; "" for a run without a description."""
    note = tags.get(MLFLOW_RUN_NOTE, "")
    text = note.rpartition(SEE_ALSO)[0] if SEE_ALSO in note else note
    return text.strip("`\n")


@contextlib.contextmanager
def failure_described() -> Iterator[None]:
    """Makes an error of the block the active run's description, and re-raises it."""
    try:
        yield
    except BaseException as error:
        with contextlib.suppress(MlflowException):  # the store itself may have failed; the first error matters
            describe(f"{ERROR}{_summary(error)}")
        raise


@contextlib.contextmanager
def killed_by_ctrl_c(run_id: str) -> Iterator[None]:
    """Around a run: ends it as KILLED on Ctrl-C, where MLflow would end it as FAILED."""
    try:
        yield
    except KeyboardInterrupt:
        with contextlib.suppress(MlflowException):  # the interruption matters
            MlflowClient().set_terminated(run_id, "KILLED")
        raise


def _summary(error: BaseException) -> str:
    if isinstance(error, StepError):
        return str(error)
    if isinstance(error, KeyboardInterrupt):
        return "Interrupted"
    return f"{type(error).__name__}: {(str(error).strip() or 'no message').splitlines()[0]}"


def name_of(run: Run, default: str) -> str:
    """The run's name where a user set it, as with --run-name; else `default`."""
    name = run.data.tags.get(MLFLOW_RUN_NAME) or run.info.run_name or ""
    return default if not name or is_generated(name) else str(name)


def name_project_run(name: str, text: str) -> None:
    """Names and describes the run that `mlflow run` made for a step without tracking."""
    run_id = project_run_id()
    if run_id is None:
        return
    client = MlflowClient()
    with contextlib.suppress(MlflowException):  # the step's result does not depend on it
        client.set_tag(run_id, MLFLOW_RUN_NAME, name_of(client.get_run(run_id), name))
        client.set_tag(run_id, MLFLOW_RUN_NOTE, markdown.literal(text[:LONGEST]))


def is_generated(name: str) -> bool:
    """True for a name that MLflow generated, like suave-robin-918."""
    words = re.fullmatch(r"([a-z]+)-([a-z]+)-[0-9]{1,4}", name)
    if not words:
        return False
    predicates = {predicate.lower() for predicate in name_utils._GENERATOR_PREDICATES}
    nouns = {noun.lower() for noun in name_utils._GENERATOR_NOUNS}
    return words[1] in predicates and words[2] in nouns
