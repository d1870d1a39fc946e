"""Probabilities are calibrated, and the threshold is part of the version."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import mlflow
import numpy as np
import pandas as pd
import pytest
from mlflow.tracking import MlflowClient
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import RandomForestClassifier
from sklearn.metrics import accuracy_score, f1_score
from sklearn.preprocessing import OneHotEncoder

from steps import build_dataset, ingest, register, train
from steps.cli.settings import MODEL_NAME
from steps.registry.loaded_version import LoadedVersion
from steps.runs.entry_points import arguments
from steps.training import evaluation, pipelines
from steps.training.split import folds, split
from tests.conftest import JANUARY
from tests.steps.states.database import empty, last_run
from tests.steps.states.trainings import MODELS, model_id, quick, rows, train_quickly

FIGURES = ("AUC", "F1", "ACC", "Brier", "calibration_error", "mean_probability")


def features(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.drop(columns=["user_id", "churn_label"])


def served(run_id: str, frame: pd.DataFrame) -> pd.DataFrame:
    answers: pd.DataFrame = mlflow.pyfunc.load_model(f"models:/{model_id(run_id)}").predict(features(frame))
    return answers


def matrix(frame: pd.DataFrame, everybody: pd.DataFrame) -> Any:
    """The text column one-hot in front, the others unchanged: an independent version of the baseline's encoding."""
    encoder = OneHotEncoder(sparse_output=False).fit(everybody[["net_service"]])
    numbers = features(frame).drop(columns="net_service").astype(float)
    return np.hstack([encoder.transform(frame[["net_service"]]), numbers.to_numpy()])


def forest() -> RandomForestClassifier:
    return RandomForestClassifier(8, class_weight="balanced", max_features="sqrt", random_state=42)


@pytest.fixture(scope="module", autouse=True)
def january(trainings: dict[str, str], sample_months: Path) -> None:
    """January is loaded as the trainings read it."""
    empty()
    ingest.main(arguments("ingest", {"month_dir": str(sample_months / "month_000"), "as_of": str(JANUARY)}))
    build_dataset.main(arguments("build_dataset", {"as_of": str(JANUARY)}))


@pytest.fixture(scope="module")
def uncalibrated_run(trainings: dict[str, str], tracking: str) -> str:
    """The baseline without calibration."""
    return train_quickly("random_forest", tracking, calibration="none")


@pytest.mark.parametrize("method", ["sigmoid", "isotonic"])
def test_the_probability_equals_scikit_learns_on_folds_of_the_training_part(
    method: str, trainings: dict[str, str], tracking: str
) -> None:
    run_id = train_quickly("random_forest", tracking, calibration=method)
    everybody = rows(run_id)
    parts = split(everybody, "user")
    expected = CalibratedClassifierCV(forest(), method=method, ensemble=False, cv=folds(parts.train, "user"))
    expected.fit(matrix(parts.train, everybody), parts.train["churn_label"].astype(int))
    probability = expected.predict_proba(matrix(everybody, everybody))[:, 1]
    assert served(run_id, everybody)["probability"].to_numpy().tobytes() == probability.tobytes()


def test_without_calibration_the_class_is_the_forests_own(uncalibrated_run: str) -> None:
    everybody = rows(uncalibrated_run)
    part = split(everybody, "user").train
    expected = forest().fit(matrix(part, everybody), part["churn_label"].astype(int))
    answers = served(uncalibrated_run, everybody)
    encoded = matrix(everybody, everybody)
    assert answers["prediction"].tolist() == expected.predict(encoded).tolist()
    assert answers["probability"].to_numpy().tobytes() == expected.predict_proba(encoded)[:, 1].tobytes()
    assert set(answers["calibration"]) == {"none"}


def test_uncalibrated_figures_are_logged_beside_the_calibrated_ones(
    trainings: dict[str, str], uncalibrated_run: str
) -> None:
    calibrated = mlflow.get_run(trainings["random_forest"]).data.metrics
    plain = mlflow.get_run(uncalibrated_run).data.metrics
    assert {name: calibrated[f"{name}_uncalibrated"] for name in FIGURES} == {name: plain[name] for name in FIGURES}
    assert [name for name in plain if name.endswith("_uncalibrated")] == []


@pytest.mark.parametrize("kind", MODELS)
def test_a_sigmoid_changes_no_order(kind: str, trainings: dict[str, str]) -> None:
    metrics = mlflow.get_run(trainings[kind]).data.metrics
    assert metrics["AUC"] == pytest.approx(metrics["AUC_uncalibrated"], abs=1e-6)


@pytest.mark.parametrize("kind", MODELS)
def test_the_mean_probability_is_near_the_share_who_left(kind: str, trainings: dict[str, str]) -> None:
    metrics = mlflow.get_run(trainings[kind]).data.metrics
    gaps = {name: abs(metrics[name] - metrics["share_who_left"]) for name in metrics if name.startswith("mean_prob")}
    assert gaps["mean_probability"] < 0.05
    if kind != "random_forest":  # the class weights hardly change its deep trees
        assert gaps["mean_probability"] < gaps["mean_probability_uncalibrated"]


def test_validation_labels_do_not_change_the_probabilities(trainings: dict[str, str]) -> None:
    everybody = rows(trainings["logistic_regression"])
    parts = split(everybody, "user")
    few = pipelines.Hyperparameters(n_estimators=8, max_iter=8, max_leaf_nodes=8, learning_rate=0.05, C=1.0)
    types = dict.fromkeys(features(everybody), "Float64")
    facts = {"types": types, "categorical_cols": ["net_service"], "feature_service": "churn_v1", "as_of": "2024-01-31"}
    changed = everybody.assign(churn_label=everybody["churn_label"] ^ everybody.index.isin(parts.validation.index))
    bits = [
        train.Training("logistic_regression", few, "user", "sigmoid", 0.5, dataset, facts)
        .fitted(dataset.loc[parts.train.index])
        .predict_proba(features(everybody))
        .tobytes()
        for dataset in (everybody, changed)
    ]
    assert bits[0] == bits[1]


def test_the_threshold_decides_the_class_and_the_figures(trainings: dict[str, str], tracking: str) -> None:
    run_id = train_quickly("random_forest", tracking, threshold="0.2")
    everybody, run = rows(run_id), mlflow.get_run(run_id)
    held_out = split(everybody, "user").validation
    answers, measured = served(run_id, everybody), served(run_id, held_out)
    assert (answers["prediction"] == (answers["probability"] > 0.2)).all()
    assert 0.2 < answers.loc[answers["prediction"] == 1, "probability"].min() < 0.5
    assert set(answers["threshold"]) == {0.2}
    assert run.data.metrics["F1"] == f1_score(held_out["churn_label"], measured["probability"] > 0.2)
    assert run.data.metrics["ACC"] == accuracy_score(held_out["churn_label"], measured["probability"] > 0.2)
    assert (run.data.params["threshold"], run.data.params["calibration"]) == ("0.2", "sigmoid")


def test_a_probability_equal_to_the_threshold_predicts_staying(trainings: dict[str, str], tracking: str) -> None:
    probability = served(trainings["random_forest"], rows(trainings["random_forest"]))["probability"]
    edge = float(probability.median())
    assert (probability == edge).any()
    run_id = train_quickly("random_forest", tracking, threshold=repr(edge))
    answers = served(run_id, rows(run_id))
    assert set(answers.loc[answers["probability"] == edge, "prediction"]) == {0}


def test_threshold_and_calibration_are_part_of_the_version(trainings: dict[str, str], tracking: str) -> None:
    run_id = train_quickly("random_forest", tracking, threshold="0.3", calibration="isotonic")
    register.main(arguments("register", {"run_id": run_id, "force": "true"}))
    version = last_run("register", tracking).data.tags["model_version"]
    registered = MlflowClient().get_model_version(MODEL_NAME, version)
    assert (registered.tags["threshold"], registered.tags["calibration"]) == ("0.3", "isotonic")
    assert registered.current_stage == "Production"
    answers = mlflow.pyfunc.load_model(f"models:/{MODEL_NAME}/Production").predict(features(rows(run_id)).head(3))
    assert (
        answers[["threshold", "calibration", "model_version"]].to_numpy().tolist() == [[0.3, "isotonic", version]] * 3
    )


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"threshold": "1.5"}, "'1.5' is not a number from 0 to 1"),
        ({"threshold": "half"}, "'half' is not a number from 0 to 1"),
        ({"calibration": "platt"}, "invalid choice: 'platt'"),
    ],
)
def test_an_invalid_parameter_is_named(
    values: dict[str, str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        train.main(quick("random_forest", **values))
    assert message in capsys.readouterr().err


def test_a_version_without_a_threshold_has_the_threshold_one_half() -> None:
    served = SimpleNamespace(model_config={"features": [], "run_id": "0" * 32})
    assert LoadedVersion("1", {}, served, None, None).threshold == 0.5
    assert LoadedVersion("1", {}, SimpleNamespace(model_config=None), None, None).threshold == 0.5


def test_the_figures_agree_with_their_definitions() -> None:
    random = np.random.default_rng(1)
    probability = random.random(95)
    truth = random.random(95) < probability**2
    figures = evaluation.scores(truth, probability, 0.4)
    by_probability = sorted(zip(probability, truth, strict=True))
    bins = [by_probability[10 * n : 10 * n + 10] for n in range(5)]  # 95 users: five bins of ten, five of nine
    bins += [by_probability[50 + 9 * n : 50 + 9 * n + 9] for n in range(5)]
    gaps = [abs(sum(p for p, _ in users) - sum(left for _, left in users)) for users in bins]
    assert figures["calibration_error"] == pytest.approx(sum(gaps) / 95)
    assert figures["Brier"] == pytest.approx(sum((p - left) ** 2 for p, left in by_probability) / 95)
    assert figures["mean_probability"] == pytest.approx(probability.mean())
    assert figures["ACC"] == np.mean((probability > 0.4) == truth)


def test_a_run_has_one_page_with_its_figures_and_plots(trainings: dict[str, str]) -> None:
    for kind in MODELS:
        run = mlflow.get_run(trainings[kind])
        page = Path(
            mlflow.artifacts.download_artifacts(run_id=run.info.run_id, artifact_path="report.html")
        ).read_text()
        for name in FIGURES:
            assert f"{run.data.metrics[name]:.4f} (uncalibrated " in page
        assert "75 validation users" in page
        assert "the rows of 225 other users" in page
        assert page.count("data:image/png;base64,") == 5
