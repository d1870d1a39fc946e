"""A row's answer is the one that scikit-learn gives that row alone, whatever other rows are in its batch."""

from collections.abc import Iterator
from functools import cache
from typing import Any, Literal

import mlflow
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits

from steps.training import pipelines
from steps.training.model.fast_path import row_by_row
from tests.steps.states.trainings import MODELS, model_id, pipeline, rows
from tests.steps.training.test_fast_path import LISTS, bits, customers, fast_path, fitted

USERS = 40
BATCHES = st.lists(st.integers(0, USERS - 1), min_size=1, max_size=2 * USERS)
SIZES = (1, 2, 3, 1_000, 100_000)


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    with threadpool_limits(limits=1):
        yield


def alone(trained: Any, frame: pd.DataFrame) -> Any:
    """scikit-learn's own probabilities, from one call per row."""
    return np.concatenate([trained.predict_proba(frame.iloc[[row]]) for row in range(len(frame))])


@cache
def expected(kind: str, features: str, calibration: pipelines.Calibration) -> Any:
    return alone(fitted(kind, features, calibration), customers(USERS)[LISTS[features]])


@pytest.mark.parametrize("calibration", pipelines.CALIBRATIONS)
@pytest.mark.parametrize("features", ["no text column", "as churn_v2"])
@pytest.mark.parametrize("kind", MODELS)
@given(batch=BATCHES)
@settings(max_examples=20, deadline=None)
def test_any_batch_in_any_order_gives_each_row_its_bits(
    kind: str, features: str, calibration: pipelines.Calibration, batch: list[int]
) -> None:
    trained, frame = fitted(kind, features, calibration), customers(USERS)[LISTS[features]].iloc[batch]
    right = bits(expected(kind, features, calibration)[batch])
    assert bits(fast_path(trained).predict_proba(frame)) == right
    assert bits(row_by_row(trained).predict_proba(frame)) == right


def linear(width: int) -> LogisticRegression:
    random = np.random.default_rng(width)
    return LogisticRegression().fit(random.normal(size=(100, width)), random.random(100) < 0.5)


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("width", [1, 2, 5, 13, 64])
def test_a_linear_score_is_that_of_the_row_alone(width: int, order: Literal["C", "F"]) -> None:
    trained = linear(width)
    for size in SIZES:
        matrix = np.asarray(np.random.default_rng(size).normal(size=(size, width)), order=order)
        scores, some = row_by_row(trained).decision_function(matrix), range(0, size, max(1, size // 500))
        single = [trained.decision_function(np.ascontiguousarray(matrix[row : row + 1]))[0] for row in some]
        assert bits(scores[some]) == bits(single)


def test_scikit_learns_own_score_of_a_batch_differs() -> None:
    """Otherwise row_by_row is no longer needed."""
    trained, matrix = linear(13), np.random.default_rng(0).normal(size=(1_000, 13))
    assert bits(trained.decision_function(matrix)) != bits(row_by_row(trained).decision_function(matrix))


def test_a_missing_number_is_refused_as_by_scikit_learn() -> None:
    with pytest.raises(ValueError, match="Input X contains NaN"):
        row_by_row(linear(2)).predict_proba([[1.0, np.nan]])


def test_the_trained_pipeline_itself_is_not_changed() -> None:
    trained = fitted("logistic_regression", "as churn_v2", "sigmoid")
    inner = trained[-1].calibrated_classifiers_[0].estimator
    row_by_row(trained)
    assert trained[-1].calibrated_classifiers_[0].estimator is inner
    assert "decision_function" not in vars(inner)


@pytest.mark.parametrize("size", [1, 3, 32, 300])
@pytest.mark.parametrize("by", ["predict", "by_pipeline"])
@pytest.mark.parametrize("model", MODELS)
def test_the_served_model_answers_each_row_alike_in_any_batch(
    model: str, by: str, size: int, trainings: dict[str, str]
) -> None:
    served = mlflow.pyfunc.load_model(f"models:/{model_id(trainings[model])}").unwrap_python_model()
    features = rows(trainings[model]).drop(columns=["user_id", "churn_label"])
    answers: list[float] = []
    for start in range(0, len(features), size):
        part = features.iloc[start : start + size].reset_index(drop=True)
        answers += (
            served.predict(None, part)["probability"].tolist()
            if by == "predict"
            else served.by_pipeline(part)[:, 1].tolist()
        )
    assert answers == alone(pipeline(trainings[model]), features)[:, 1].tolist()
