"""One model on one month: reproducible to the bit, fully recorded, without pickles."""

import io
import json
import subprocess
import zipfile
from collections.abc import Iterator
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
import pytest
from mlflow.entities import Run
from mlflow.tracking import MlflowClient
from sklearn.metrics import accuracy_score, f1_score, roc_auc_score

from local_stack.settings import ROOT, Settings
from steps import build_dataset, train
from steps import ingest as ingest_step
from steps.cli.errors import DatasetMismatch, DatasetNotBuilt, NoSnapshot, TooFewToLearn
from steps.month.files import FILES
from steps.runs import tracking as step_tracking
from steps.runs.entry_points import arguments
from steps.training import dataset_runs
from steps.training.split import split
from tests.conftest import JANUARY
from tests.steps.states.database import empty, execute, last_run, rewrite_in_another_order
from tests.steps.states.months import month_of, write_month
from tests.steps.states.trainings import MODELS, model_folder, model_id, pipeline, quick, rows, train_quickly

BUILD = arguments("build_dataset", {"as_of": str(JANUARY), "feature_service": "churn_v1"})
INPUTS = [
    ("months_active", "long"),
    ("monthly_fee", "double"),
    ("paperless_billing", "boolean"),
    ("plan_stream_tv", "boolean"),
    ("plan_stream_movies", "boolean"),
    ("net_service", "string"),
    ("watch_hours_30d", "double"),
    ("avg_session_mins_7d", "double"),
    ("unique_devices_30d", "long"),
    ("skips_7d", "long"),
    ("rebuffer_events_7d", "long"),
    ("failed_payments_90d", "long"),
    ("support_tickets_90d", "long"),
    ("ticket_avg_resolution_hrs_90d", "double"),
]
FEATURES = [name for name, _ in INPUTS]
PLOTS = {"roc.png", "precision_recall.png", "confusion_matrix.png", "calibration.png", "feature_importances.png"}


@pytest.fixture(scope="module")
def january_again(trainings: dict[str, str], server: Settings, sample_months: Path) -> str:
    """Loads January again, reorders its rows and builds its dataset again. The dataset's run id."""
    empty()
    ingest_step.main(arguments("ingest", {"month_dir": str(sample_months / "month_000"), "as_of": str(JANUARY)}))
    rewrite_in_another_order()
    build_dataset.main(BUILD)
    return str(last_run("build_dataset", mlflow.get_run(trainings["random_forest"]).info.experiment_id).info.run_id)


@pytest.fixture
def baseline(trainings: dict[str, str]) -> Run:
    run: Run = mlflow.get_run(trainings["random_forest"])
    return run


@pytest.fixture
def project_python(monkeypatch: pytest.MonkeyPatch) -> None:
    """A shell without an activated environment: the steps must still find this Python."""
    monkeypatch.setenv("PATH", "/usr/bin:/bin")


@pytest.mark.parametrize("model", MODELS)
def test_the_same_month_gives_the_same_bits_in_any_row_order(
    model: str, trainings: dict[str, str], january_again: str, tracking: str
) -> None:
    first = trainings[model]
    second = train_quickly(model, tracking)
    assert mlflow.get_run(second).data.tags["dataset_run_id"] == january_again
    assert mlflow.get_run(first).data.tags["dataset_run_id"] != january_again
    assert metrics(second) == metrics(first)
    everybody = rows(first)[FEATURES]
    probabilities = [pipeline(run_id).predict_proba(everybody) for run_id in (first, second)]
    assert probabilities[0].tobytes() == probabilities[1].tobytes()


def metrics(run_id: str) -> dict[str, float]:
    metrics = dict(mlflow.get_run(run_id).data.metrics)
    del metrics["training_time_s"]
    return metrics


def test_the_logged_figures_equal_the_logged_pipelines(baseline: Run) -> None:
    held_out = split(rows(baseline.info.run_id), "user").validation
    fitted = pipeline(baseline.info.run_id)
    truth, predicted = held_out["churn_label"], fitted.predict(held_out[FEATURES])
    assert baseline.data.metrics["AUC"] == roc_auc_score(truth, fitted.predict_proba(held_out[FEATURES])[:, 1])
    assert baseline.data.metrics["F1"] == f1_score(truth, predicted)
    assert baseline.data.metrics["ACC"] == accuracy_score(truth, predicted)


def test_metrics_and_parameters_are_logged(baseline: Run) -> None:
    assert baseline.info.run_name == "rf_baseline_2024-01-31"
    assert baseline.info.status == "FINISHED"
    assert set(baseline.data.metrics) >= {"AUC", "F1", "ACC", "AUC_cv_mean", "AUC_cv_std", "training_time_s"}
    assert set(baseline.data.metrics) >= {"Brier", "calibration_error", "mean_probability", "share_who_left"}
    counts = {name: baseline.data.metrics[name] for name in ("rows", "rows_train", "rows_validation")}
    assert counts == {"rows": 300, "rows_train": 225, "rows_validation": 75}
    assert (
        baseline.data.params.items()
        >= {
            "as_of": "2024-01-31",
            "feature_service": "churn_v1",
            "model": "random_forest",
            "n_estimators": "8",
            "min_samples_leaf": "1",
            "class_weight": "balanced",
            "max_features": "sqrt",
            "random_state": "42",
        }.items()
    )


def test_a_forest_takes_the_least_number_of_users_in_a_leaf(january_again: str, tracking: str) -> None:
    forest = pipeline(train_quickly("random_forest", tracking, min_samples_leaf="30", calibration="none"))["classify"]
    assert {tree.min_samples_leaf for tree in forest.estimators_} == {30}


def test_the_run_names_its_data_and_code(baseline: Run) -> None:
    tags = baseline.data.tags
    dataset_tags = mlflow.get_run(tags["dataset_run_id"]).data.tags
    locked = subprocess.run(["sha256sum", "requirements.txt"], cwd=ROOT, capture_output=True, text=True, check=True)
    assert tags["streamflow.lock_sha256"] == locked.stdout.split()[0]
    assert tags["dataset_sha256"] == dataset_tags["dataset_sha256"]
    assert tags["feature_service"] == "churn_v1"
    assert len(tags["streamflow.code_sha256"]) == 64
    assert tags["streamflow.git_commit"]


def test_the_dataset_is_an_input_of_the_run(baseline: Run) -> None:
    (source,) = baseline.inputs.dataset_inputs
    assert source.dataset.name == "churn_2024-01-31"
    assert baseline.data.tags["dataset_sha256"].startswith(source.dataset.digest)
    assert [tag.value for tag in source.tags] == ["training"]


def test_plots_and_the_feature_schema_are_artifacts(baseline: Run) -> None:
    folder = Path(mlflow.artifacts.download_artifacts(run_id=baseline.info.run_id, artifact_path=""))
    assert {path.name for path in folder.glob("*.png")} == PLOTS
    assert "report.html" in {path.name for path in folder.iterdir()}
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in folder.glob("*.png"))
    numeric = [name for name in FEATURES if name != "net_service"]
    assert json.loads((folder / "feature_schema.json").read_text()) == {
        "categorical_cols": ["net_service"],
        "numeric_cols": numeric,
    }


@pytest.mark.parametrize("model", MODELS)
def test_the_signature_has_the_14_inputs_in_order_with_their_types(model: str, trainings: dict[str, str]) -> None:
    signature = mlflow.models.get_model_info(f"models:/{model_id(trainings[model])}").signature
    assert [(column.name, column.type.name) for column in signature.inputs] == INPUTS
    assert all(column.required for column in signature.inputs)


@pytest.mark.parametrize("model", MODELS)
def test_no_file_of_the_model_is_a_pickle(model: str, trainings: dict[str, str]) -> None:
    folder = model_folder(trainings[model])
    contents = {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    assert "MLmodel" in contents
    for name, content in [*contents.items(), *inside_archives(contents)]:
        assert not name.endswith((".pkl", ".pickle", ".joblib", ".cloudpickle")), name
        assert not (content[:1] == b"\x80" and content[1:2] in b"\x02\x03\x04\x05"), name
        assert b"descr': '|O'" not in content[:200], f"{name} is an array of pickled objects"


def inside_archives(contents: dict[str, bytes]) -> Iterator[tuple[str, bytes]]:
    for name, content in contents.items():
        if zipfile.is_zipfile(io.BytesIO(content)):
            with zipfile.ZipFile(io.BytesIO(content)) as archive:
                yield from ((f"{name}/{inner}", archive.read(inner)) for inner in archive.namelist())


def test_the_closing_line_has_the_figures_and_the_run(
    january_again: str, tracking: str, capsys: pytest.CaptureFixture[str]
) -> None:
    run_id = train_quickly("random_forest", tracking)
    logged = mlflow.get_run(run_id).data.metrics
    figures = f"AUC={logged['AUC']:.4f} F1={logged['F1']:.4f} ACC={logged['ACC']:.4f}"
    assert f"[OK] Trained baseline RF. {figures} (run_id={run_id})" in capsys.readouterr().out


def find_or_build() -> str:
    with step_tracking.step_run("look for a dataset", "test", {}):
        return dataset_runs.find_or_build(JANUARY, "churn_v1", None)


def test_a_dataset_is_reused_while_data_and_code_are_the_same(january_again: str) -> None:
    assert find_or_build() == january_again


class BuildStarted(Exception):
    """Raised instead of running build_dataset."""


@pytest.fixture
def no_building(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_arguments: object, **_parameters: object) -> None:
        raise BuildStarted

    monkeypatch.setattr(mlflow.projects, "run", refuse)


def test_other_code_builds_the_dataset_again(
    january_again: str, no_building: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(step_tracking, "_code_sha256", lambda: "0" * 64)
    with pytest.raises(BuildStarted):
        find_or_build()


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE subscriptions_profile_snapshots SET monthly_fee = monthly_fee + 1 WHERE user_id = {user}",
        "DELETE FROM support_agg_90d_snapshots WHERE user_id = {user}",
        "UPDATE labels SET churn_label = NOT churn_label WHERE user_id = {user}",
    ],
)
def test_a_changed_row_builds_the_dataset_again(
    january_again: str, no_building: None, sample_months: Path, change: str
) -> None:
    execute(change.format(user="(SELECT min(user_id) FROM users)"))
    try:
        with pytest.raises(BuildStarted):
            find_or_build()
    finally:
        ingest_step.main(arguments("ingest", {"month_dir": str(sample_months / "month_000"), "as_of": str(JANUARY)}))
    assert find_or_build() == january_again


def test_a_missing_dataset_is_built_by_a_child_run(
    january_again: str, project_python: None, sample_months: Path, tracking: str
) -> None:
    execute(
        "UPDATE usage_agg_30d_snapshots SET skips_7d = skips_7d + 1 WHERE user_id = (SELECT min(user_id) FROM users)"
    )
    try:
        built = find_or_build()
    finally:
        ingest_step.main(arguments("ingest", {"month_dir": str(sample_months / "month_000"), "as_of": str(JANUARY)}))
    child = mlflow.get_run(built)
    old = mlflow.get_run(january_again)
    assert child.info.status == "FINISHED"
    assert child.data.tags["mlflow.parentRunId"] == last_run("look for a dataset", tracking).info.run_id
    assert child.data.tags["dataset_sha256"] != old.data.tags["dataset_sha256"]
    assert find_or_build() == january_again


def test_a_damaged_dataset_is_not_trained_on(january_again: str, tracking: str) -> None:
    build_dataset.main(BUILD)
    damaged = last_run("build_dataset", tracking).info
    path = Path(damaged.artifact_uri.removeprefix("file://")) / "dataset.parquet"
    frame = pd.read_parquet(path)
    frame.assign(monthly_fee=np.nextafter(frame["monthly_fee"], np.inf)).to_parquet(path, index=False)
    try:
        with pytest.raises(DatasetMismatch, match=rf"{damaged.run_id}.*-e build_dataset -P as_of=2024-01-31"):
            train.main(quick("random_forest"))
    finally:
        MlflowClient().delete_run(damaged.run_id)
    assert last_run("train", tracking).info.status == "FAILED"


def test_an_unknown_month_is_an_error_with_the_command(january_again: str) -> None:
    with pytest.raises(NoSnapshot, match=r"-e ingest -P month_dir=DIR -P as_of=2030-01-31"):
        train.main(quick("random_forest", as_of="2030-01-31"))


def test_a_dataset_that_cannot_be_built_is_an_error_with_the_reason_of_its_run(
    january_again: str, project_python: None, tmp_path: Path, tracking: str
) -> None:
    as_of = "2024-05-31"
    month = str(write_month(tmp_path / "month", month_of(["anna", "ben"]), labels=None))
    ingest_step.main(arguments("ingest", {"month_dir": month, "as_of": as_of, "mix": "true", "confirm_date": "true"}))
    with pytest.raises(DatasetNotBuilt, match=rf"^build_dataset failed: No label of the 2 users of {as_of} is loaded"):
        train.main(quick("random_forest", as_of=as_of))
    assert (
        last_run("train", tracking)
        .data.tags["mlflow.note.content"]
        .startswith("[ERROR] build_dataset failed: No label")
    )


@pytest.mark.parametrize("leaving", [0, 9])
def test_a_month_with_too_few_leaving_users_is_an_error(january_again: str, tmp_path: Path, leaving: int) -> None:
    as_of = {0: "2024-03-31", 9: "2024-04-30"}[leaving]
    month = month_of([f"user-{number:03d}" for number in range(100)])
    month["labels"] = month["labels"].replace("False", "True", leaving)
    values = {"month_dir": str(write_month(tmp_path / "month", month)), "as_of": as_of, "mix": "true"}
    ingest_step.main(arguments("ingest", values))
    build_dataset.main(arguments("build_dataset", {"as_of": as_of, "feature_service": "churn_v1"}))
    with pytest.raises(TooFewToLearn, match=f"{as_of} has {leaving} users who leave"):
        train.main(quick("random_forest", as_of=as_of))


def test_the_files_of_a_month_hold_every_feature() -> None:
    assert set(FEATURES) <= {column for schema in FILES.values() for column in schema.columns}
