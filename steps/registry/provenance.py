"""From a version back to the files it was made from, link by link. The links of the month are in links.py."""

import math
from collections.abc import Mapping

from mlflow.entities import Run
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from configuration import names
from steps.cli.errors import DatasetMismatch, UnusableVersion
from steps.cli.settings import PROJECT_ROOT
from steps.registry import versions
from steps.registry.links import Link, month_links
from steps.runs import environment, tracking
from steps.training import dataset_runs

FIGURES = ("AUC", "F1", "ACC")
SAME_ANSWER = 1e-9  # another processor may round the last bit otherwise
MOST_NAMED = 3  # packages that differ


def chain(version: ModelVersion) -> list[Link]:
    """In the order of the walk: gate, training, model, figures, dataset, code, Python, environment, month, load. Raises
    DatabaseUnavailable, and TrackingUnavailable when MLflow could not be asked: that is no fact about the version."""
    training = versions.training_of(version)
    if training is None:
        named = version.run_id or version.tags.get("run_id")
        return [_gate(version), Link("training", f"no run {named}", "broken"), _model(version)]
    tags = training.data.tags
    made_with = [_gate(version), _training(version, training), _model(version), _figures(training)]
    return [
        *made_with,
        *_dataset(tags),
        *_code(tags),
        _environment(),
        *month_links(tags.get("as_of"), _run(tags.get(names.DATASET_RUN_TAG))),
    ]


def _gate(version: ModelVersion) -> Link:
    """A version is judged when `register` makes it: a version without verdict was made otherwise, or the step died."""
    status = version.tags.get("gate")
    if status is None:
        return Link("gate", f"no verdict: version {version.version} was never judged", "told")
    return Link("gate", f"{status}: {version.tags.get('gate_reason', 'no reason recorded')}", "told")


def _run(run_id: str | None) -> Run | None:
    """Raises TrackingUnavailable."""
    return versions.look_up(lambda: MlflowClient().get_run(run_id)) if run_id else None


def _training(version: ModelVersion, run: Run) -> Link:
    if run.info.lifecycle_stage != "active":
        return Link("training", f"run {run.info.run_id} was deleted", "broken")
    tagged = version.tags.get("run_id", run.info.run_id)
    if tagged != run.info.run_id:
        said = f"run {run.info.run_id} logged the model, the version's tag run_id says {tagged}"
        return Link("training", said, "broken")
    return Link("training", f"run {run.info.run_id} {run.info.run_name}, {run.data.tags.get('feature_service')}")


def _model(version: ModelVersion) -> Link:
    """Loaded as it is served, and asked what it was asked when it was registered."""
    try:
        opened = versions.open_version(str(version.version))
        recorded = version.tags.get(names.EXAMPLE_PROBABILITY_TAG)
        if opened.example is None or recorded is None:
            return Link("model", "can be loaded; no answer was recorded to compare with", "told")
        answer = float(opened.answers(opened.example)["probability"].iloc[0])
    except UnusableVersion as error:
        return Link("model", str(error), "broken")
    if not math.isclose(answer, float(recorded), rel_tol=SAME_ANSWER):
        return Link("model", f"answers its own example with {answer}, when registered with {recorded}", "broken")
    return Link("model", f"answers its own example with {answer}, as when it was registered")


def _figures(run: Run) -> Link:
    """Of validation rows, which the training never saw."""
    metrics = run.data.metrics
    missing = [name for name in FIGURES if name not in metrics]
    if missing:
        return Link("figures", f"without {', '.join(missing)}", "broken")
    users = f"{metrics['rows_validation']:.0f} validation users" if "rows_validation" in metrics else "validation users"
    figures = " ".join(f"{name}={metrics[name]:.4f}" for name in FIGURES)
    return Link("figures", f"{figures} on {users}", "told")


def _dataset(tags: Mapping[str, str]) -> list[Link]:
    run_id, recorded = tags.get(names.DATASET_RUN_TAG), tags.get(names.DATASET_SHA256_TAG)
    run = _run(run_id)
    if run is None:
        return [Link("dataset", f"no run {run_id}", "broken")]
    if run.info.lifecycle_stage != "active":
        return [Link("dataset", f"run {run_id} was deleted", "broken")]
    try:
        rows, facts = dataset_runs.read(run.info.run_id)
    except (DatasetMismatch, MlflowException, OSError, ValueError, KeyError) as error:
        _run(run_id)  # is it the dataset, or MLflow?
        return [Link("dataset", f"run {run_id}: {error}", "broken")]
    found = facts["dataset_sha256"]
    outcome = "recomputed from dataset.parquet: the same" if found == recorded else f"recomputed, it is {found}"
    return [
        Link("dataset", f"run {run_id}, {len(rows)} rows, {facts['feature_service']} as of {facts['as_of']}"),
        Link("sha256", f"{recorded}, {outcome}", "same" if found == recorded else "broken"),
    ]


def _code(tags: Mapping[str, str]) -> list[Link]:
    """What the training recorded against what is on disk here."""
    here = tracking.code_version()
    named = {
        "commit": (tracking.COMMIT_TAG, "", "this checkout"),
        "code": (tracking.CODE_TAG, "sha256 ", "the code here"),
        "lock": (tracking.LOCK_TAG, "sha256 ", "requirements.txt here"),
    }
    links = [_compared(name, kind, tags.get(tag), here[tag], what) for name, (tag, kind, what) in named.items()]
    if tracking.PYTHON_TAG not in tags:  # trainings of the time before it was recorded are whole all the same
        return [*links, Link("python", "not recorded", "told")]
    python = _compared("python", "", tags[tracking.PYTHON_TAG], here[tracking.PYTHON_TAG], "the Python here")
    return [*links, python]


def _compared(name: str, kind: str, recorded: str | None, here: str, what: str) -> Link:
    if recorded is None:
        return Link(name, "not recorded", "broken")
    if recorded == here:
        return Link(name, f"{kind}{recorded}, {what} is the same")
    return Link(name, f"{kind}{recorded}, {what} is another: {here}", "differs")


def _environment() -> Link:
    """What is installed here against the lock on disk, which the link `lock` compares with the training's."""
    lock = PROJECT_ROOT / "requirements.txt"
    differ = environment.differences(lock)
    if not differ:
        count = len(environment.locked(lock))
        return Link("environment", f"all {count} packages of requirements.txt are installed in its versions")
    named = "; ".join(differ[:MOST_NAMED])
    more = f"; and {len(differ) - MOST_NAMED} more" if len(differ) > MOST_NAMED else ""
    return Link("environment", f"{named}{more}. To install the lock: make dev", "differs")
