"""The fast path computes the pipeline's own bits, or leaves the rows to the pipeline."""

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.ensemble import ExtraTreesClassifier
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer, MinMaxScaler, OneHotEncoder
from threadpoolctl import threadpool_limits

from steps.training import pipelines
from steps.training.model import fast_path as fast_path_module
from steps.training.model.fast_path import FastPath, Unsupported, row_by_row
from steps.training.model.packed_forest import PackedForest
from steps.training.split import folds
from tests.steps.states.trainings import MODELS, pipeline, rows

FEW = pipelines.Hyperparameters(n_estimators=5, max_iter=5, max_leaf_nodes=8, learning_rate=0.1, C=1.0)
CATEGORIES: Mapping[str, list[str]] = {
    "net_service": ["DSL", "Fiber optic", "No"],
    "contract_type": ["Month-to-month", "One year", "Two year"],
    "colour": ["", "red"],
}
LISTS: Mapping[str, list[str]] = {
    "no text column": ["months", "fee", "tv"],
    "as churn_v1": ["months", "fee", "tv", "net_service", "hours"],
    "as churn_v2": ["months", "fee", "tv", "net_service", "contract_type", "hours"],
    "text first and last": ["contract_type", "months", "net_service", "fee", "tv", "colour"],
}
VALUES: Mapping[str, st.SearchStrategy[Any]] = {
    "months": st.integers(-(2**63), 2**63 - 1),
    "fee": st.floats(-1e38, 1e38),
    "hours": st.floats(-1e6, 1e6, width=32),
    "tv": st.booleans(),
    **{name: st.sampled_from(values) for name, values in CATEGORIES.items()},
}
ROWS = st.lists(st.fixed_dictionaries(dict(VALUES)), min_size=1, max_size=40)


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """As in the model server; several boosting threads would compete for the cores."""
    with threadpool_limits(limits=1):
        yield


def customers(number: int = 200) -> pd.DataFrame:
    random = np.random.default_rng(3)
    frame = pd.DataFrame(
        {
            "months": random.integers(0, 72, number),
            "fee": random.uniform(18, 119, number).round(2),
            "hours": random.gamma(3, 10, number),
            "tv": random.random(number) < 0.4,
            **{name: random.choice(values, number) for name, values in CATEGORIES.items()},
        }
    )
    leaving = frame["months"] / 72 + (frame["contract_type"] == "Two year") + random.normal(0, 0.4, number)
    return frame.assign(churn_label=leaving < 0.6)


def unfitted(kind: str, names: list[str]) -> Pipeline:
    return pipelines.pipeline(kind, FEW, {name: CATEGORIES[name] for name in names if name in CATEGORIES})


@cache
def fitted(kind: str, features: str, calibration: pipelines.Calibration = "sigmoid") -> Pipeline:
    names, everybody = LISTS[features], customers()
    calibrated = pipelines.calibrated(unfitted(kind, names), calibration, folds(everybody, "random"))
    return pipelines.fit(calibrated, everybody, names)


def fast_path(pipeline: Pipeline) -> FastPath:
    path = FastPath.of(pipeline, PackedForest)
    assert path is not None
    return path


def bits(probabilities: Any) -> bytes:
    return np.ascontiguousarray(probabilities).tobytes()


@pytest.mark.parametrize("calibration", pipelines.CALIBRATIONS)
@pytest.mark.parametrize("features", LISTS)
@pytest.mark.parametrize("kind", MODELS)
@given(given_rows=ROWS)
@settings(max_examples=25, deadline=None)
def test_any_row_gets_the_pipelines_own_bits(
    kind: str, features: str, calibration: pipelines.Calibration, given_rows: list[dict[str, Any]]
) -> None:
    pipeline = fitted(kind, features, calibration)
    frame = pd.DataFrame(given_rows)[LISTS[features]]
    assert bits(fast_path(pipeline).predict_proba(frame)) == bits(row_by_row(pipeline).predict_proba(frame))


@pytest.mark.parametrize("kind", MODELS)
def test_every_user_gets_them_alone_or_in_a_batch(kind: str, trainings: dict[str, str]) -> None:
    trained, everybody = pipeline(trainings[kind]), rows(trainings[kind])
    path = fast_path(trained)
    for size in (1, 7, 64, len(everybody)):
        for start in range(0, len(everybody), size):
            part = everybody.iloc[start : start + size]
            features = part[list(trained.feature_names_in_)]
            assert bits(path.predict_proba(part)) == bits(row_by_row(trained).predict_proba(features))


def with_value(column: str, value: object) -> pd.DataFrame:
    frame = customers(3)
    return frame.assign(**{column: [*frame[column][:2], value]})


@pytest.mark.parametrize(
    "frame",
    [
        with_value("net_service", "Carrier pigeon"),
        with_value("net_service", None),
        with_value("fee", np.nan),
        with_value("fee", np.inf),
        with_value("months", None).astype({"months": object}),
        with_value("tv", "yes"),
    ],
    ids=["unknown category", "no category", "NaN", "infinity", "no number", "text for a truth value"],
)
@pytest.mark.parametrize("calibration", pipelines.CALIBRATIONS)
@pytest.mark.parametrize("kind", MODELS)
@pytest.mark.parametrize("few_rows", [0, fast_path_module.FEW_ROWS], ids=["of many rows", "of few"])
def test_invalid_values_are_left_to_the_pipeline(
    kind: str,
    calibration: pipelines.Calibration,
    few_rows: int,
    frame: pd.DataFrame,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(fast_path_module, "FEW_ROWS", few_rows)
    with pytest.raises(Unsupported):
        fast_path(fitted(kind, "as churn_v1", calibration)).predict_proba(frame)


def test_a_number_too_large_for_the_trees_is_left_to_the_pipeline() -> None:
    frame = with_value("fee", 1e39)
    with pytest.raises(OverflowError):
        fast_path(fitted("random_forest", "as churn_v1")).predict_proba(frame)


LENIENT = OneHotEncoder(handle_unknown="ignore", sparse_output=False)


@pytest.mark.parametrize(
    "changed",
    [{"ensemble": True}, {"method": "temperature"}, {"estimator": ExtraTreesClassifier(n_estimators=2)}],
    ids=["several classifiers", "method", "classifier"],
)
def test_another_calibration_has_no_fast_path(changed: dict[str, Any]) -> None:
    names, everybody = LISTS["as churn_v1"], customers()
    calibrated = pipelines.calibrated(unfitted("logistic_regression", names), "sigmoid", folds(everybody, "random"))
    other = pipelines.fit(
        Pipeline([*calibrated.steps[:-1], ("classify", calibrated[-1].set_params(**changed))]), everybody, names
    )
    assert FastPath.of(other, PackedForest) is None


@pytest.mark.parametrize(
    "changed",
    [
        {"classify": ExtraTreesClassifier(n_estimators=2)},
        {"encode__remainder": MinMaxScaler()},
        {"encode__transformers": [("one_hot", LENIENT, ["net_service"])]},
        {"encode": FunctionTransformer(lambda rows: rows[["months", "fee"]])},
    ],
    ids=["classifier", "scaler", "lenient encoder", "no encoder"],
)
def test_another_pipeline_has_no_fast_path(changed: dict[str, Any]) -> None:
    names = LISTS["as churn_v1"]
    other = pipelines.fit(unfitted("random_forest", names).set_params(**changed), customers(), names)
    assert FastPath.of(other, PackedForest) is None
