"""From a version to its files, and every way in which a link can be broken."""

import platform
import re
import tempfile
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import mlflow
import pytest
from mlflow.tracking import MlflowClient

from steps import build_dataset, ingest, lineage, register, warehouse
from steps.cli.errors import DiskFull, NoSuchVersion, TrackingUnavailable
from steps.cli.settings import MODEL_NAME, PROJECT_ROOT
from steps.registry import loaded_version, provenance, seals
from steps.registry.links import month_links
from steps.runs import environment
from steps.runs.entry_points import arguments
from steps.training import dataset_runs
from tests.conftest import JANUARY, free_port, open_folder, small_disk
from tests.steps.states.database import empty, execute, last_run
from tests.steps.states.lookalikes import lookalike
from tests.steps.states.scores import load_january
from tests.steps.states.trainings import model_id, train_quickly
from tests.tracking_store import tracking_store_at


@pytest.fixture(scope="module")
def training(trainings: dict[str, str], tracking: str, sample_months: Path) -> str:
    """A training of the loaded January."""
    empty()
    ingest.main(arguments("ingest", {"month_dir": str(sample_months / "month_000"), "as_of": str(JANUARY)}))
    build_dataset.main(arguments("build_dataset", {"as_of": str(JANUARY)}))
    return train_quickly("logistic_regression", tracking)


@pytest.fixture
def walk(empty_registry: None, training: str, capsys: pytest.CaptureFixture[str]) -> Callable[..., dict[str, str]]:
    """Registers a training and prints its lineage; returns the text of each link, and the last line as `end`."""

    def run(run_id: str = training, version: str = "") -> dict[str, str]:
        register.main(arguments("register", {"run_id": run_id, "force": "true"}))
        capsys.readouterr()
        lineage.main(arguments("lineage", {"version": version}))
        title, *lines, end = capsys.readouterr().out.splitlines()
        return {"title": title, **dict(line.strip().split(maxsplit=1) for line in lines), "end": end}

    return run


Walk = Callable[..., dict[str, str]]


def test_the_chain_from_the_version_to_the_files(walk: Walk, training: str, tracking: str, sample_months: Path) -> None:
    links, tags = walk(), mlflow.get_run(training).data.tags
    figures = mlflow.get_run(training).data.metrics
    files = mlflow.get_run(tags["dataset_run_id"]).data.tags["files_sha256"]
    assert links["title"] == f"{MODEL_NAME} version 1, in Production"
    assert training in links["training"]
    assert links["gate"].startswith("passed: ")
    decision = "promotion, by gate: Version 1 passed the gate and goes to Production as the first version there"
    assert links["decision"] == decision
    assert re.fullmatch("[0-9]+ files, all as sealed on [0-9T:+-]+", links["seal"])
    named = " ".join(f"{name}={figures[name]:.4f}" for name in ("AUC", "F1", "ACC"))
    assert links["figures"] == f"{named} on 75 validation users"
    assert re.fullmatch(r"answers its own example with 0\.\d+, as when it was registered", links["model"])
    assert links["dataset"] == f"run {tags['dataset_run_id']}, 300 rows, churn_v1 as of 2024-01-31"
    assert links["sha256"] == f"{tags['dataset_sha256']}, recomputed from dataset.parquet: the same"
    assert links["commit"] == f"{tags['streamflow.git_commit']}, this checkout is the same"
    assert links["code"] == f"sha256 {tags['streamflow.code_sha256']}, the code here is the same"
    assert links["lock"] == f"sha256 {tags['streamflow.lock_sha256']}, requirements.txt here is the same"
    assert links["python"] == f"{platform.python_version()}, the Python here is the same"
    assert re.fullmatch(r"all \d+ packages of requirements\.txt are installed in its versions", links["environment"])
    assert links["month"] == f"2024-01-31, files sha256 {files}, as in the warehouse"
    assert links["rows"] == f"fingerprint {warehouse.month_fingerprint(JANUARY)}, as in the warehouse"
    assert links["ingest"] == f"run {last_run('ingest', tracking).info.run_id}, from {sample_months / 'month_000'}"
    assert links["end"] == (
        "[OK] Every link holds: compared and equal are seal, training, model, dataset, sha256, commit, code, lock, "
        "python, environment, month, rows, ingest."
    )


def test_the_chain_is_kept_with_the_run(walk: Walk, tracking: str) -> None:
    links = walk(version="1")
    kept = mlflow.artifacts.load_text(f"runs:/{last_run('lineage', tracking).info.run_id}/lineage.txt")
    assert kept.splitlines()[0] == links["title"]


def test_a_damaged_dataset_is_a_broken_link(walk: Walk, training: str) -> None:
    walk()
    run = mlflow.get_run(mlflow.get_run(training).data.tags["dataset_run_id"])
    path = Path(run.info.artifact_uri.removeprefix("file://")) / "dataset.parquet"
    whole = path.read_bytes()
    path.write_bytes(whole[:100])
    try:
        links = walk(version="1")
    finally:
        path.write_bytes(whole)
    assert links["dataset"].startswith(f"BROKEN: the dataset of run {run.info.run_id} cannot be read: ")
    assert links["end"] == "[BROKEN] Broken links: dataset."


def test_a_month_loaded_again_from_other_files_differs(walk: Walk, training: str, sample_months: Path) -> None:
    walk()
    ingest.main(arguments("ingest", {"month_dir": str(sample_months / "month_001"), "as_of": str(JANUARY)}))
    try:
        links = walk(version="1")
    finally:
        ingest.main(arguments("ingest", {"month_dir": str(sample_months / "month_000"), "as_of": str(JANUARY)}))
    assert ", loaded again since from other files: " in links["month"]
    assert links["end"].startswith("[DIFFERS] Nothing is broken. The version was made with other: ")
    assert "made with other: month, rows. Compared and equal: seal, training, " in links["end"]


def test_rows_changed_directly_in_the_database_differ(walk: Walk) -> None:
    walk()
    change = "UPDATE subscriptions_profile_snapshots SET months_active = months_active {} 1"
    execute(change.format("+"))
    try:
        links = walk(version="1")
    finally:
        execute(change.format("-"))
    assert links["month"].endswith("as in the warehouse")
    assert links["rows"].startswith("DIFFERS: fingerprint ")
    assert "made with other: rows. " in links["end"]


def test_a_month_that_the_warehouse_no_longer_has_differs(walk: Walk, sample_months: Path) -> None:
    walk()
    empty()
    try:
        links = walk_again()
    finally:
        load_january(sample_months)
    assert links["month"].startswith("DIFFERS: ")
    assert links["month"].endswith(", the warehouse no longer has this month")
    assert "rows" not in links


def walk_again() -> dict[str, str]:
    """Version 1's links, without registering it again."""
    registered = MlflowClient().get_model_version(MODEL_NAME, "1")
    _title, *lines, _end = lineage.readable(registered, provenance.chain(registered)).splitlines()
    return dict(line.strip().split(maxsplit=1) for line in lines)


def test_a_label_file_without_a_load_is_broken(training: str, tracking: str) -> None:
    """One label file of the dataset's run has a load, the other none."""
    dataset = mlflow.get_run(mlflow.get_run(training).data.tags["dataset_run_id"])
    client = MlflowClient()
    tags = {"streamflow.step": "labels", "labels_sha256": "b" * 64}
    load = client.create_run(tracking, tags=tags)
    client.log_param(load.info.run_id, "labels_file", "late.csv")
    client.set_terminated(load.info.run_id)
    client.set_tag(dataset.info.run_id, "labels_sha256", f"{'b' * 64}, {'c' * 64}")
    try:
        links = month_links("2024-01-31", client.get_run(dataset.info.run_id))
    finally:
        client.delete_tag(dataset.info.run_id, "labels_sha256")
    assert [(link.text, link.state) for link in links if link.name == "labels"] == [
        (f"sha256 {'b' * 64}, run {load.info.run_id}, from late.csv", "same"),
        (f"sha256 {'c' * 64}, no finished run loaded it", "broken"),
    ]


MISSING = {
    "a dataset that is gone": ({"dataset_run_id": "f" * 32}, "dataset", f"no run {'f' * 32}"),
    "another dataset": ({"dataset_sha256": "0" * 64}, "sha256", f"{'0' * 64}, recomputed, it is "),
}


@pytest.mark.parametrize(("tags", "link", "text"), MISSING.values(), ids=MISSING)
def test_a_missing_part_is_a_broken_link(walk: Walk, training: str, tags: dict[str, str], link: str, text: str) -> None:
    links = walk(lookalike(training, tags=tags), version="1")
    assert links[link].startswith(f"BROKEN: {text}")
    assert link in links["end"]


DIFFERENT = {
    "another lock": ("streamflow.lock_sha256", "lock", "requirements.txt here is another: "),
    "other code": ("streamflow.code_sha256", "code", "the code here is another: "),
    "another Python": ("streamflow.python", "python", "the Python here is another: "),
    "another commit": ("streamflow.git_commit", "commit", "this checkout is another: "),
}


@pytest.mark.parametrize(("tag", "link", "text"), DIFFERENT.values(), ids=DIFFERENT)
def test_another_present_state_differs_and_is_not_broken(
    walk: Walk, training: str, tag: str, link: str, text: str
) -> None:
    copy = lookalike(training, tags={tag: "0" * 40})
    for figure in ("AUC", "F1", "ACC"):
        MlflowClient().log_metric(copy, figure, 0.8)
    links = walk(copy, version="1")
    assert links[link].startswith("DIFFERS: ")
    assert f"{'0' * 40}, {text}" in links[link]
    assert links["end"].startswith(f"[DIFFERS] Nothing is broken. The version was made with other: {link}. ")


def test_a_training_without_a_commit_has_nothing_to_compare(walk: Walk, training: str) -> None:
    copy = lookalike(training, tags={"streamflow.git_commit": "not a git checkout"})
    for figure in ("AUC", "F1", "ACC"):
        MlflowClient().log_metric(copy, figure, 0.8)
    links = walk(copy, version="1")
    assert links["commit"].startswith("not a git checkout; here: ")
    assert links["end"].startswith("[OK] ")
    assert "commit" not in links["end"]


def test_a_training_without_recorded_python_is_not_broken(walk: Walk, training: str) -> None:
    copy = lookalike(training)
    for figure in ("AUC", "F1", "ACC"):
        MlflowClient().log_metric(copy, figure, 0.8)
    MlflowClient().delete_tag(copy, "streamflow.python")
    links = walk(copy, version="1")
    assert links["python"] == "not recorded"
    assert links["end"].startswith("[OK] ")


def test_packages_that_are_not_the_locks_are_named(walk: Walk, monkeypatch: pytest.MonkeyPatch) -> None:
    def installed(name: str) -> str:
        if name == "flask":
            raise PackageNotFoundError(name)
        return "1.0.0" if name == "numpy" else version(name)

    monkeypatch.setattr(environment, "version", installed)
    environment.installed.cache_clear()
    try:
        links = walk(version="1")
    finally:
        environment.installed.cache_clear()
    locked = environment.locked(PROJECT_ROOT / "requirements.txt")
    assert links["environment"].startswith(
        f"DIFFERS: flask {locked['flask']} is not installed; numpy is 1.0.0, locked is {locked['numpy']}. "
    )
    assert links["lock"].endswith("requirements.txt here is the same")
    assert "made with other: environment. Compared and equal: " in links["end"]


def test_packages_of_other_platforms_are_not_missed(tmp_path: Path) -> None:
    lock = tmp_path / "requirements.txt"
    lock.write_text("nowhere==1.0 ; sys_platform == 'win32'\npsycopg2-binary==0.1\nuvicorn[standard]==0.2\n")
    names = [line.split()[0] for line in environment.differences(lock)]
    assert names == ["psycopg2-binary", "uvicorn"]


def test_a_version_registered_with_the_button_is_walked_by_its_training(
    empty_registry: None, training: str, capsys: pytest.CaptureFixture[str]
) -> None:
    mlflow.register_model(f"models:/{model_id(training)}", MODEL_NAME)
    lineage.main(arguments("lineage", {"version": "1"}))
    out = capsys.readouterr().out
    assert re.search("gate +no verdict: version 1 was never judged", out)
    assert re.search(f"training +run {training} ", out)
    assert re.search("model +can be loaded; no answer was recorded to compare with", out)
    end = out.splitlines()[-1]
    assert end.startswith("[OK] Every link holds: compared and equal are seal, training, dataset, sha256, ")
    assert end.endswith(" The gate never judged version 1.")


def test_a_tag_that_names_another_training_is_broken(walk: Walk, training: str) -> None:
    walk()
    MlflowClient().set_model_version_tag(MODEL_NAME, "1", "run_id", "a" * 32)
    registered = MlflowClient().get_model_version(MODEL_NAME, "1")
    links = {link.name: link for link in provenance.chain(registered)}
    assert links["training"].state == "broken"
    assert links["training"].text == f"run {training} logged the model, but the version's tag run_id is {'a' * 32}"


def test_a_model_whose_answer_has_changed_is_broken(walk: Walk) -> None:
    walk()
    registered = MlflowClient().get_model_version(MODEL_NAME, "1")
    sealed = seals.of_version(registered)
    assert sealed is not None
    assert sealed.verdict is not None
    seals.seal_verdict(registered, sealed.verdict, 0.987654321)
    links = {link.name: link for link in provenance.chain(registered)}
    assert links["model"].state == "broken"
    assert links["model"].text.endswith("when registered with 0.987654321")


def test_a_full_disk_is_no_fact_about_a_version(walk: Walk, training: str, monkeypatch: pytest.MonkeyPatch) -> None:
    walk()
    with open_folder() as folder, small_disk(folder / "temporary", "16k") as disk:
        monkeypatch.setattr(tempfile, "tempdir", str(disk))
        with pytest.raises(DiskFull, match=f"The disk of {disk} is full"):
            loaded_version.load("1")
        with pytest.raises(DiskFull, match=f"The disk of {disk} is full"):
            dataset_runs.read(mlflow.get_run(training).data.tags["dataset_run_id"])


def test_a_damaged_model_is_named(walk: Walk, training: str) -> None:
    copy = lookalike(training)
    walk(copy)
    (path,) = Path(mlflow.get_logged_model(model_id(copy)).artifact_location.removeprefix("file://")).rglob("*.skops")
    path.write_bytes(path.read_bytes()[:100])
    links = walk(copy, version="1")
    assert links["model"].startswith("BROKEN: version 1 cannot be loaded: ")
    assert re.fullmatch(
        "BROKEN: version 1 cannot be loaded: artifacts/pipeline.skops has sha256 [0-9a-f]{64}; it was sealed with "
        "sha256 [0-9a-f]{64}",
        links["seal"],
    )
    assert "Broken links: seal, model" in links["end"]


def test_a_verdict_that_only_the_tags_have_is_a_broken_seal(walk: Walk) -> None:
    walk()
    MlflowClient().set_model_version_tag(MODEL_NAME, "1", "gate", "forced")
    links = walk_again()
    assert re.fullmatch(
        "BROKEN: [0-9]+ files, all as sealed on [0-9T:+-]+; but the sealed verdict is passed, the tag gate says forced",
        links["seal"],
    )


def test_a_dataset_that_was_deleted_is_named(walk: Walk, training: str) -> None:
    client = MlflowClient()
    walk()
    dataset = mlflow.get_run(training).data.tags["dataset_run_id"]
    client.delete_run(dataset)
    try:
        links = walk(version="1")
    finally:
        client.restore_run(dataset)
    assert links["dataset"] == f"BROKEN: run {dataset} was deleted"


def test_a_tracking_store_that_does_not_answer_is_no_broken_chain(walk: Walk, monkeypatch: pytest.MonkeyPatch) -> None:
    walk()
    registered = MlflowClient().get_model_version(MODEL_NAME, "1")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    unreachable = f"http://127.0.0.1:{free_port()}"
    with tracking_store_at(unreachable), pytest.raises(TrackingUnavailable, match="does not answer"):
        provenance.chain(registered)


def test_a_load_in_another_experiment_is_found(walk: Walk, sample_months: Path) -> None:
    elsewhere = mlflow.create_experiment(f"elsewhere-{sample_months.name}")
    walk()
    registered = MlflowClient().get_model_version(MODEL_NAME, "1")
    with mlflow.start_run(experiment_id=elsewhere):
        links = {link.name: link for link in provenance.chain(registered)}
    assert links["ingest"].state == "same"


def test_a_training_that_was_deleted_is_named(walk: Walk, training: str) -> None:
    copy = lookalike(training)
    walk(copy)
    MlflowClient().delete_run(copy)
    links = walk(version="1")
    assert links["training"] == f"BROKEN: run {copy} was deleted"


def test_a_version_that_was_never_made_by_register_has_a_broken_chain(
    empty_registry: None, tracking: str, capsys: pytest.CaptureFixture[str]
) -> None:
    client = MlflowClient()
    client.create_registered_model(MODEL_NAME)
    client.create_model_version(MODEL_NAME, "file:///nowhere")
    lineage.main(arguments("lineage", {"version": "1"}))
    out = capsys.readouterr().out
    assert f"{MODEL_NAME} version 1, in no stage" in out
    assert re.search("gate +no verdict: version 1 was never judged", out)
    assert "BROKEN: no run" in out
    assert re.search("model +BROKEN: version 1 cannot be loaded", out)
    assert out.splitlines()[-1] == "[BROKEN] Broken links: training, seal, model. The gate never judged version 1."


def test_nothing_in_production_and_an_unknown_version_are_named(empty_registry: None, tracking: str) -> None:
    with pytest.raises(NoSuchVersion, match=r"Nothing is in Production\. Give a version"):
        lineage.main(arguments("lineage", {}))
    with pytest.raises(NoSuchVersion, match=r"has no version 5\. Existing versions: none"):
        lineage.main(arguments("lineage", {"version": "5"}))
