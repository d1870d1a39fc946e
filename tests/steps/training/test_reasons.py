"""Reasons: contributions that equal the package shap's, add up to the score, and are summed by feature."""

import sys
from functools import cache
from typing import Any

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline

from steps.training import pipelines
from steps.training.model import leaf_paths, tree_shap
from steps.training.model.reasons import LOG_ODDS, PROBABILITY, Reasons, own_scores
from steps.training.split import folds
from tests.steps.states.trainings import MODELS
from tests.steps.training.test_fast_path import CATEGORIES, customers

FEW = pipelines.Hyperparameters(n_estimators=20, max_iter=150, max_leaf_nodes=8, learning_rate=0.05, C=1.0)
FEATURES = ["months", "net_service", "fee", "tv", "contract_type", "hours"]
ONE_HOT = {"net_service": slice(0, 3), "contract_type": slice(3, 6)}


@cache
def fitted(model: str, calibration: pipelines.Calibration = "none") -> Pipeline:
    everybody = customers(1000)
    unfitted = pipelines.pipeline(model, FEW, {name: CATEGORIES[name] for name in ONE_HOT})
    calibrated = pipelines.calibrated(unfitted, calibration, folds(everybody, "random"))
    return pipelines.fit(calibrated, everybody, FEATURES)


def reasons_of(pipeline: Pipeline) -> Reasons:
    means = pipelines.column_means(pipeline, customers(1000), FEATURES)
    return Reasons(pipeline, vars(leaf_paths), vars(tree_shap), means)


def encoded(pipeline: Pipeline) -> Any:
    return pipeline["encode"].transform(customers(1000)[FEATURES])


def by_shap(pipeline: Pipeline) -> Any:
    """(rows, encoded columns)"""
    if sys.platform != "linux":
        pytest.skip("requirements-dev.txt has shap for Linux only")
    import shap  # noqa: PLC0415

    matrix = encoded(pipeline)
    classify = pipelines.uncalibrated(pipeline)["classify"]
    if isinstance(classify, LogisticRegression):
        # all rows, of which shap would sample a hundred
        background = shap.maskers.Independent(matrix, max_samples=len(matrix))
        return shap.LinearExplainer(classify, background).shap_values(matrix)
    values = shap.TreeExplainer(classify).shap_values(matrix)
    return values[:, :, 1] if values.ndim == 3 else values


@pytest.mark.filterwarnings("ignore::PendingDeprecationWarning", "ignore::DeprecationWarning", "ignore::FutureWarning")
@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("model", MODELS)
def test_contributions_equal_those_of_shap_on_a_thousand_rows(model: str) -> None:
    pipeline = fitted(model)
    by_column, reasons = by_shap(pipeline), reasons_of(pipeline)
    contributions = reasons.contributions(encoded(pipeline))
    rest = iter(range(6, by_column.shape[1]))
    for nth, feature in enumerate(FEATURES):
        expected = by_column[:, ONE_HOT[feature]].sum(axis=1) if feature in ONE_HOT else by_column[:, next(rest)]
        np.testing.assert_allclose(contributions[:, nth], expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("calibration", pipelines.CALIBRATIONS)
@pytest.mark.parametrize("model", MODELS)
def test_contributions_add_up_to_the_classifiers_own_score(model: str, calibration: pipelines.Calibration) -> None:
    pipeline = fitted(model, calibration)
    reasons, matrix = reasons_of(pipeline), encoded(pipeline)
    added_up = reasons.base_value + reasons.contributions(matrix).sum(axis=1)
    np.testing.assert_allclose(added_up, own_scores(pipeline)(matrix), rtol=0, atol=1e-9)
    assert reasons.scale == (PROBABILITY if model == "random_forest" else LOG_ODDS)


@pytest.mark.parametrize("model", MODELS)
def test_a_rows_contributions_do_not_depend_on_the_other_rows(model: str) -> None:
    pipeline = fitted(model)
    reasons, matrix = reasons_of(pipeline), encoded(pipeline)
    alone = np.concatenate([reasons.contributions(matrix[row : row + 1]) for row in range(30)])
    np.testing.assert_allclose(reasons.contributions(matrix)[:30], alone, rtol=0, atol=1.5e-12)


def test_the_strongest_reasons_come_first_and_the_others_make_up_the_rest() -> None:
    pipeline = fitted("random_forest")
    reasons = reasons_of(pipeline)
    rows = customers(1000).head(2)
    values = {name: rows[name].tolist() for name in FEATURES}
    contributions = reasons.contributions(encoded(pipeline)[:2])
    for row, reason in enumerate(reasons.strongest(contributions, values, 3)):
        strongest = reason["features"]
        sizes = [abs(part["contribution"]) for part in strongest]
        assert len(sizes) == 3
        assert sizes == sorted(map(abs, contributions[row].tolist()), reverse=True)[:3]
        assert [part["value"] for part in strongest] == [values[part["feature"]][row] for part in strongest]
        assert all((part["direction"] == "raises") == (part["contribution"] > 0) for part in strongest)
        added = sum(part["contribution"] for part in strongest) + reason["other_features"]
        assert reason["base_value"] + added == pytest.approx(reason["score"], abs=1e-12)


def test_a_model_without_reasons_says_so() -> None:
    pipeline = fitted("logistic_regression")
    with pytest.raises(ValueError, match="without the means"):
        Reasons(pipeline, vars(leaf_paths), vars(tree_shap), None)
    other = Pipeline([("encode", pipeline["encode"]), ("classify", _Other())])
    with pytest.raises(ValueError, match="No reasons for a _Other"):
        Reasons(other, vars(leaf_paths), vars(tree_shap), None)


class _Other:
    n_features_in_ = 10
