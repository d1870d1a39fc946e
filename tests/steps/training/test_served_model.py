"""Answers of /invocations: the pipeline's own numbers, and the model's identity."""

import json
from typing import Any

import mlflow
import numpy as np
import pandas as pd
import pytest
from mlflow.exceptions import MlflowException

from steps import register
from steps.cli.settings import MODEL_NAME
from steps.runs.entry_points import arguments
from steps.training.model.fast_path import row_by_row
from tests.steps.states.database import last_run
from tests.steps.states.trainings import MODELS, model_id, pipeline, rows

IDENTITY = ["model_name", "model_version", "run_id", "feature_service", "calibration", "threshold"]
ANSWER = ["prediction", "probability", *IDENTITY]
PIGEON = "Carrier pigeon"


def loaded(run_id: str) -> Any:
    return mlflow.pyfunc.load_model(f"models:/{model_id(run_id)}")


@pytest.mark.parametrize("model", MODELS)
def test_answers_equal_the_pipelines_bit_for_bit(model: str, trainings: dict[str, str]) -> None:
    fitted, everybody = pipeline(trainings[model]), rows(trainings[model])
    features = everybody.drop(columns=["user_id", "churn_label"])
    answers = loaded(trainings[model]).predict(features)
    assert len(answers) == len(features) == 300
    assert answers["probability"].to_numpy().tobytes() == row_by_row(fitted).predict_proba(features)[:, 1].tobytes()
    assert answers["prediction"].tolist() == fitted.predict(features).tolist()


def test_the_answers_records_are_those_that_pandas_would_make(trainings: dict[str, str]) -> None:
    model = loaded(trainings["random_forest"])
    answers = model.predict(rows(trainings["random_forest"]).drop(columns=["user_id", "churn_label"]))
    assert answers.to_dict(orient="records") == pd.DataFrame(answers).to_dict(orient="records")
    assert answers.to_dict() == pd.DataFrame(answers).to_dict()


def test_the_order_of_the_columns_does_not_matter(trainings: dict[str, str]) -> None:
    model = loaded(trainings["random_forest"])
    features = rows(trainings["random_forest"]).drop(columns=["user_id", "churn_label"])
    reordered = features[sorted(features.columns, reverse=True)]
    assert model.predict(reordered).equals(model.predict(features))


def test_a_runs_own_model_has_no_version(trainings: dict[str, str]) -> None:
    run_id = trainings["random_forest"]
    answers = mlflow.pyfunc.load_model(f"runs:/{run_id}/model").predict(one_row(run_id))
    assert list(answers.columns) == ANSWER
    assert answers[ANSWER[2:]].to_numpy().tolist() == [[None, None, run_id, "churn_v1", "sigmoid", 0.5]]


def test_a_registered_model_names_its_version(trainings: dict[str, str], tracking: str) -> None:
    for model in ("logistic_regression", "random_forest"):
        run_id = trainings[model]
        register.main(arguments("register", {"run_id": run_id, "force": "true"}))
        version = last_run("register", tracking).data.tags["model_version"]
        answers = mlflow.pyfunc.load_model(f"models:/{MODEL_NAME}/Production").predict(one_row(run_id))
        assert answers[ANSWER[2:]].to_numpy().tolist() == [[MODEL_NAME, version, run_id, "churn_v1", "sigmoid", 0.5]]


def one_row(run_id: str) -> pd.DataFrame:
    return rows(run_id).drop(columns=["user_id", "churn_label"]).head(1)


def some_rows(run_id: str, **changed: dict[int, object]) -> pd.DataFrame:
    """Six rows; changed: per column, position -> value."""
    frame = rows(run_id).drop(columns=["user_id", "churn_label"]).head(6).reset_index(drop=True)
    for column, values in changed.items():
        frame[column] = pd.Series([values.get(row, value) for row, value in enumerate(frame[column])])
    return frame


@pytest.mark.parametrize("model", MODELS)
def test_a_missing_value_is_refused_with_its_row_and_feature(model: str, trainings: dict[str, str]) -> None:
    frame = some_rows(trainings[model], monthly_fee={1: None}, watch_hours_30d={1: np.nan}, net_service={4: None})
    with pytest.raises(
        MlflowException, match=r"row 2: monthly_fee, watch_hours_30d; row 5: net_service\. Every feature"
    ):
        loaded(trainings[model]).predict(frame)


@pytest.mark.parametrize("model", MODELS)
def test_a_missing_truth_value_is_refused(model: str, trainings: dict[str, str]) -> None:
    with pytest.raises(MlflowException, match="row 3: paperless_billing"):
        loaded(trainings[model]).predict(some_rows(trainings[model], paperless_billing={2: None}))


@pytest.mark.parametrize("model", MODELS)
def test_an_unknown_category_is_refused_with_its_row_and_the_allowed_ones(
    model: str, trainings: dict[str, str]
) -> None:
    frame = some_rows(trainings[model], net_service={1: PIGEON, 5: ""})
    allowed = "Allowed are net_service: 'DSL', 'Fiber optic', 'No'"
    with pytest.raises(MlflowException, match=f"row 2: net_service '{PIGEON}'; row 6: net_service ''. {allowed}"):
        loaded(trainings[model]).predict(frame)


def test_of_many_wrong_rows_ten_are_named(trainings: dict[str, str]) -> None:
    frame = rows(trainings["random_forest"]).drop(columns=["user_id", "churn_label"]).assign(net_service=PIGEON)
    with pytest.raises(MlflowException, match=r"row 10: net_service 'Carrier pigeon'; and 290 more rows\. Allowed"):
        loaded(trainings["random_forest"]).predict(frame)


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("wrong", [[1, 4], [0, 1, 2, 3, 4, 5]], ids=["two", "all"])
def test_marked_rows_do_not_touch_the_others(model: str, wrong: list[int], trainings: dict[str, str]) -> None:
    served, right = loaded(trainings[model]), some_rows(trainings[model])
    frame = some_rows(trainings[model], net_service=dict.fromkeys(wrong, PIGEON))
    records = served.predict(frame, params={"unknown_categories": "mark"}).to_dict(orient="records")
    valid = [row for row in range(6) if row not in wrong]
    expected = served.predict(right.iloc[valid]).to_dict(orient="records") if valid else []
    assert [records[row] for row in valid] == [record | {"unknown_categories": None} for record in expected]
    identity = served.predict(right.head(1)).to_dict(orient="records")[0]
    empty = {"prediction": None, "probability": None, "unknown_categories": {"net_service": PIGEON}}
    assert [records[row] for row in wrong] == [identity | empty] * len(wrong)


def test_the_mark_option_changes_no_valid_rows(trainings: dict[str, str]) -> None:
    served, frame = loaded(trainings["random_forest"]), some_rows(trainings["random_forest"])
    assert list(served.predict(frame, params={"unknown_categories": "mark"})) == ANSWER


def test_an_invalid_option_is_refused(trainings: dict[str, str]) -> None:
    with pytest.raises(MlflowException, match="unknown_categories must be refuse or mark, not 'guess'"):
        loaded(trainings["random_forest"]).predict(one_row(trainings["random_forest"]), {"unknown_categories": "guess"})


@pytest.mark.parametrize("model", MODELS)
def test_an_explained_answer_is_the_plain_one_with_reasons(model: str, trainings: dict[str, str]) -> None:
    run_id = trainings[model]
    served, features = loaded(run_id), some_rows(run_id)
    plain, explained = served.predict(features), served.predict(features, params={"explain": 5})
    assert explained.drop(columns="reasons").equals(plain)
    records = json.loads(json.dumps(explained.to_dict("records")))
    for record, row in zip(records, features.to_dict("records"), strict=True):
        reasons = record["reasons"]
        assert len(reasons["features"]) == 5
        assert all(part["value"] == row[part["feature"]] for part in reasons["features"])
        added = sum(part["contribution"] for part in reasons["features"]) + reasons["other_features"]
        assert reasons["base_value"] + added == pytest.approx(reasons["score"], abs=1e-9)


def test_a_marked_row_has_no_reasons(trainings: dict[str, str]) -> None:
    run_id = trainings["hist_gradient_boosting"]
    features = some_rows(run_id, net_service={2: PIGEON})
    answers = loaded(run_id).predict(features, params={"explain": 2, "unknown_categories": "mark"})
    assert [len(reasons["features"]) if reasons else None for reasons in answers["reasons"]] == [2, 2, None, 2, 2, 2]


@pytest.mark.parametrize("number", [-1, 15])
def test_more_reasons_than_features_are_refused(number: int, trainings: dict[str, str]) -> None:
    run_id = trainings["hist_gradient_boosting"]
    with pytest.raises(MlflowException, match=f"explain must be from 0 to 14, not {number}"):
        loaded(run_id).predict(one_row(run_id), params={"explain": number})
