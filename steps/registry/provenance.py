"""From a version back to the files it was made from, link by link. The links of the month are in links.py."""

import math
from collections.abc import Mapping

from mlflow.entities import Run
from mlflow.entities.model_registry import ModelVersion

from configuration import names
from steps.cli.errors import DatasetMismatch, UnusableVersion
from steps.cli.settings import PROJECT_ROOT
from steps.registry import decisions, loaded_version, seals, versions
from steps.registry.links import Link, month_links
from steps.runs import environment, search, tracking
from steps.training import dataset_runs

FIGURES = ("AUC", "F1", "ACC")
TOLERANCE = 1e-9  # relative: another processor may round the last bit differently
MAX_NAMED = 3  # packages that differ


def chain(version: ModelVersion) -> list[Link]:
    """The links in order: gate, decision, seal, training, model, figures, dataset, code, Python, environment, month.

    Raises DatabaseUnavailable, and TrackingUnavailable when MLflow does not answer: that is no fact about the version.
    """
    training = versions.training_of(version)
    if training is None:
        run_id = version.run_id or version.tags.get(names.RUN_ID_TAG)
        lost = Link("training", f"no run {run_id}", "broken")
        return [_gate(version), *_decided(version), lost, _seal(version), _model(version)]
    tags = training.data.tags
    made_with = [
        _gate(version),
        *_decided(version),
        _seal(version),
        _training(version, training),
        _model(version),
        _figures(training),
    ]
    return [
        *made_with,
        *_dataset(tags),
        *_code(tags),
        _environment(),
        *month_links(tags.get("as_of"), _run(tags.get(names.DATASET_RUN_TAG))),
    ]


def _gate(version: ModelVersion) -> Link:
    """`register` judges every version: one without a verdict was made otherwise, or the step was killed."""
    status = version.tags.get("gate")
    if status is None:
        return Link("gate", f"no verdict: version {version.version} was never judged", "recorded")
    return Link("gate", f"{status}: {version.tags.get('gate_reason', 'no reason recorded')}", "recorded")


def _decided(version: ModelVersion) -> list[Link]:
    """The newest decision about its stage. Without one, none: as for a version that was promoted by clicks."""
    newest = decisions.newest(version, decisions.about_stages())
    if newest is None:
        return []
    return [Link("decision", f"{newest.kind}, by {newest.decided_by}: {newest.reason}", "recorded")]


def _run(run_id: str | None) -> Run | None:
    """Raises TrackingUnavailable."""
    return search.find_run(run_id) if run_id else None


def _training(version: ModelVersion, run: Run) -> Link:
    if run.info.lifecycle_stage != "active":
        return Link("training", f"run {run.info.run_id} was deleted", "broken")
    tagged = version.tags.get(names.RUN_ID_TAG, run.info.run_id)
    if tagged != run.info.run_id:
        text = f"run {run.info.run_id} logged the model, but the version's tag run_id is {tagged}"
        return Link("training", text, "broken")
    return Link("training", f"run {run.info.run_id} {run.info.run_name}, {run.data.tags.get('feature_service')}")


def _seal(version: ModelVersion) -> Link:
    """The stored files, and the verdict in the version's tags, which anyone may set, against the signed statement."""
    try:
        if seals.of_version(version) is None:
            return Link("seal", "none: nothing shows that the files are those that were logged", "broken")
        sealed = seals.require_stored(version)
    except UnusableVersion as error:
        return Link("seal", str(error), "broken")
    text = f"{len(sealed.files)} files, all as sealed on {sealed.sealed_at}"
    verdict, tagged = sealed.verdict.status if sealed.verdict else None, version.tags.get("gate")
    if tagged not in (None, verdict):
        return Link("seal", f"{text}; but the sealed verdict is {verdict}, the tag gate says {tagged}", "broken")
    return Link("seal", text)


def _model(version: ModelVersion) -> Link:
    """Its answer to its own input example, against the answer that was sealed when it was registered."""
    try:
        loaded = loaded_version.load(str(version.version))
        sealed = seals.of_version(version)
        recorded = sealed.example_probability if sealed else None
        if loaded.example is None or recorded is None:
            return Link("model", "can be loaded; no answer was recorded to compare with", "recorded")
        answer = float(loaded.answers(loaded.example)["probability"].iloc[0])
    except UnusableVersion as error:
        return Link("model", str(error), "broken")
    if not math.isclose(answer, recorded, rel_tol=TOLERANCE):
        return Link("model", f"answers its own example with {answer}, when registered with {recorded}", "broken")
    return Link("model", f"answers its own example with {answer}, as when it was registered")


def _figures(run: Run) -> Link:
    """On validation rows, which the training did not use."""
    metrics = run.data.metrics
    missing = [name for name in FIGURES if name not in metrics]
    if missing:
        return Link("figures", f"{', '.join(missing)} missing", "broken")
    users = f"{metrics['rows_validation']:.0f} validation users" if "rows_validation" in metrics else "validation users"
    figures = " ".join(f"{name}={metrics[name]:.4f}" for name in FIGURES)
    return Link("figures", f"{figures} on {users}", "recorded")


def _dataset(tags: Mapping[str, str]) -> list[Link]:
    run_id, recorded = tags.get(names.DATASET_RUN_TAG), tags.get(names.DATASET_SHA256_TAG)
    run = _run(run_id)
    if run is None:
        return [Link("dataset", f"no run {run_id}", "broken")]
    if run.info.lifecycle_stage != "active":
        return [Link("dataset", f"run {run_id} was deleted", "broken")]
    try:
        rows, facts = dataset_runs.read(run.info.run_id)
    except DatasetMismatch as error:
        if day := run.data.tags.get(tracking.ERASED_TAG):
            return [Link("dataset", f"run {run_id} had a user who was erased on {day}: {error}", "differs")]
        return [Link("dataset", str(error), "broken")]
    sha256 = facts["dataset_sha256"]
    outcome = "recomputed from dataset.parquet: the same" if sha256 == recorded else f"recomputed, it is {sha256}"
    return [
        Link("dataset", f"run {run_id}, {len(rows)} rows, {facts['feature_service']} as of {facts['as_of']}"),
        Link("sha256", f"{recorded}, {outcome}", "same" if sha256 == recorded else "broken"),
    ]


def _code(tags: Mapping[str, str]) -> list[Link]:
    """The recorded code, lock and Python against those on this machine."""
    current = tracking.code_version()
    compared = {
        "commit": (tracking.COMMIT_TAG, "", "this checkout"),
        "code": (tracking.CODE_TAG, "sha256 ", "the code here"),
        "lock": (tracking.LOCK_TAG, "sha256 ", "requirements.txt here"),
    }
    links = [_compared(name, kind, tags.get(tag), current[tag], part) for name, (tag, kind, part) in compared.items()]
    if tracking.PYTHON_TAG not in tags:  # of trainings before it was recorded; not a broken link
        return [*links, Link("python", "not recorded", "recorded")]
    python = _compared("python", "", tags[tracking.PYTHON_TAG], current[tracking.PYTHON_TAG], "the Python here")
    return [*links, python]


def _compared(name: str, kind: str, recorded: str | None, current: str, part: str) -> Link:
    if recorded is None:
        return Link(name, "not recorded", "broken")
    if tracking.NO_COMMIT in (recorded, current):
        return Link(name, f"{recorded}; here: {current}", "recorded")
    if recorded == current:
        return Link(name, f"{kind}{recorded}, {part} is the same")
    return Link(name, f"{kind}{recorded}, {part} is another: {current}", "differs")


def _environment() -> Link:
    """The installed packages against the lock on disk; the link `lock` compares that one with the training's."""
    lock = PROJECT_ROOT / "requirements.txt"
    differences = environment.differences(lock)
    if not differences:
        count = len(environment.locked(lock))
        return Link("environment", f"all {count} packages of requirements.txt are installed in its versions")
    listed = "; ".join(differences[:MAX_NAMED])
    more = f"; and {len(differences) - MAX_NAMED} more" if len(differences) > MAX_NAMED else ""
    return Link("environment", f"{listed}{more}. To install the lock: make dev", "differs")
