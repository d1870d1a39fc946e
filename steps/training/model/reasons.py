"""Why a fitted churn pipeline gives a row its score: what each feature adds to the mean score of the training rows.

The score is the classifier's own number, before calibration, on the scale on which it adds up: the trees' mean
probability for a forest, log-odds for boosting and the logistic regression. A calibrated probability grows with it.
Must not import other files of the project: this file is copied into the model."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder

PROBABILITY, LOG_ODDS = "probability", "log_odds"
# Contributions do not depend on the other rows, whose number changes the order of adding and thereby the last bits
DIGITS = 12

Matrix = NDArray[np.float64]


class Reasons:
    """scale: of base_value and contributions. base_value: the mean score of the training rows, by the trees' counts of
    them or by the means of their columns."""

    def __init__(self, pipeline: Pipeline, paths: Any, tree_shap: Any, column_means: Sequence[float] | None) -> None:
        """paths: the module leaf_paths, as names. column_means: of the training rows' encoded columns, which only a
        linear model needs. Raises ValueError for an estimator that has no reasons, OverflowError for one too large."""
        classify = uncalibrated(pipeline["classify"])
        columns = classify.n_features_in_
        self.features, self._feature_of = _features(pipeline["encode"], columns)
        self._rounded_to: Any = np.float64
        if type(classify) is LogisticRegression:
            self.scale = LOG_ODDS
            self.base_value, self._by_column = _linear(classify, column_means)
            return
        forest = type(classify) is RandomForestClassifier
        if not forest and type(classify) is not HistGradientBoostingClassifier:
            raise ValueError(f"No reasons for a {type(classify).__name__}")
        trees = _forest(classify, paths["Tree"]) if forest else _boosting(classify, paths["Tree"])
        shap = tree_shap["TreeShap"](paths["Paths"](trees, columns))
        self.scale = PROBABILITY if forest else LOG_ODDS
        self.base_value = shap.paths.mean + (0.0 if forest else float(np.ravel(classify._baseline_prediction)[0]))
        self._by_column = shap.values
        self._rounded_to = np.float32 if forest else np.float64  # as scikit-learn compares values with thresholds

    def contributions(self, matrix: Matrix) -> Matrix:
        """(rows, encoded columns) -> (rows, features): base_value and a row's contributions add up to its score."""
        by_column = self._by_column(matrix.astype(self._rounded_to).astype(np.float64))
        summed = np.zeros((len(matrix), len(self.features)))
        np.add.at(summed.T, self._feature_of, by_column.T)
        return summed.round(DIGITS)

    def strongest(
        self, contributions: Matrix, values: Mapping[str, Sequence[Any]], number: int
    ) -> list[dict[str, Any]]:
        """For each row, the features with the largest contributions, the largest first, as JSON."""
        order = np.argsort(-np.abs(contributions), axis=1, kind="stable")[:, :number].tolist()
        parts, sums = contributions.tolist(), (self.base_value + contributions.sum(axis=1)).tolist()
        return [
            {
                "scale": self.scale,
                "base_value": self.base_value,
                "score": score,
                "features": [_reason(self.features[nth], values[self.features[nth]][row], part[nth]) for nth in chosen],
                "other_features": sum(part) - sum(part[nth] for nth in chosen),
            }
            for row, (chosen, part, score) in enumerate(zip(order, parts, sums, strict=True))
        ]


def _reason(feature: str, value: Any, contribution: float) -> dict[str, Any]:
    direction = "raises" if contribution > 0 else "lowers" if contribution < 0 else "none"
    return {"feature": feature, "value": value, "contribution": contribution, "direction": direction}


def own_scores(pipeline: Pipeline) -> Callable[[Matrix], Matrix]:
    """Encoded columns -> the scores that the contributions must add up to, from the classifier itself."""
    classify = uncalibrated(pipeline["classify"])
    if hasattr(classify, "decision_function"):
        return lambda matrix: np.asarray(classify.decision_function(matrix))
    return lambda matrix: np.asarray(classify.predict_proba(matrix)[:, 1])


def uncalibrated(classify: Any) -> Any:
    if type(classify) is not CalibratedClassifierCV:
        return classify
    if len(classify.calibrated_classifiers_) != 1:
        raise ValueError("No reasons for several classifiers")
    return classify.calibrated_classifiers_[0].estimator


def _features(encode: Any, columns: int) -> tuple[list[str], list[int]]:
    """The features, and the position of each encoded column's feature among them."""
    names = [str(name) for name in encode.feature_names_in_]
    feature_of = [0] * columns
    for name, transformer, chosen in encode.transformers_:
        start = encode.output_indices_[name].start
        positions = [column if isinstance(column, int) else names.index(column) for column in chosen]
        one_hot = type(transformer) is OneHotEncoder
        widths = [len(values) for values in transformer.categories_] if one_hot and positions else [1] * len(positions)
        if start + sum(widths) != encode.output_indices_[name].stop:
            raise ValueError(f"No reasons for columns encoded by a {type(transformer).__name__}")
        for position, width in zip(positions, widths, strict=True):
            feature_of[start : start + width] = [position] * width
            start += width
    return names, feature_of


def _linear(classify: LogisticRegression, means: Sequence[float] | None) -> tuple[float, Callable[[Matrix], Matrix]]:
    if means is None:
        raise ValueError("The model was logged without the means of its columns")
    mean, slopes = np.array(means), classify.coef_[0]
    return float(mean @ slopes + classify.intercept_[0]), lambda matrix: (matrix - mean) * slopes


def _forest(classify: RandomForestClassifier, tree: Any) -> list[Any]:
    grown = [estimator.tree_ for estimator in classify.estimators_]
    return [
        tree(
            nodes.children_left,
            nodes.children_right,
            nodes.feature,
            nodes.threshold,
            nodes.weighted_n_node_samples,
            nodes.value[:, 0, 1] / len(grown),
        )
        for nodes in grown
    ]


def _boosting(classify: HistGradientBoostingClassifier, tree: Any) -> list[Any]:
    parts = [predictor.nodes for [predictor] in classify._predictors]
    if any(nodes["is_categorical"].any() for nodes in parts):
        raise ValueError("No reasons for splits by category; encode them as columns")
    return [
        tree(
            np.where(nodes["is_leaf"], -1, nodes["left"].astype(np.int64)),
            np.where(nodes["is_leaf"], -1, nodes["right"].astype(np.int64)),
            nodes["feature_idx"].astype(np.int64),
            nodes["num_threshold"],
            nodes["count"].astype(np.float64),
            nodes["value"],
        )
        for nodes in parts
    ]
