"""A packed forest gives scikit-learn's own bits, for any forest and also on its thresholds."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.ensemble import RandomForestClassifier

from steps.training.model.packed_forest import ROWS_AT_ONCE, PackedForest

NUMBERS = st.sampled_from([-1e30, -2.5, -1.0, -0.0, 0.0, 1e-40, 0.1, 1.0, 16777217.0, 1e30]) | st.floats(-1e38, 1e38)


def grown(matrix: Any, labels: Any, **settings_: Any) -> RandomForestClassifier:
    return RandomForestClassifier(n_estimators=7, random_state=1, n_jobs=1, **settings_).fit(matrix, labels)


def packed(forest: RandomForestClassifier) -> PackedForest:
    return PackedForest([tree.tree_ for tree in forest.estimators_], forest.n_features_in_)


@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")  # from scikit-learn's own sums
@given(data=st.data(), features=st.integers(1, 9), depth=st.integers(1, 20) | st.none())
@settings(max_examples=60, deadline=None)
def test_any_forest_gives_any_row_the_same_bits(data: st.DataObject, features: int, depth: int | None) -> None:
    rows = st.lists(st.lists(NUMBERS, min_size=features, max_size=features), min_size=4, max_size=60)
    learnt = np.array(data.draw(rows))
    labels = np.arange(len(learnt)) % 2
    forest = grown(learnt, labels, max_depth=depth)
    thresholds = np.concatenate([tree.tree_.threshold for tree in forest.estimators_])
    matrix = np.concatenate([learnt, np.array(data.draw(rows)), np.resize(thresholds, (len(thresholds), features))])
    assert packed(forest).mean(matrix).tobytes() == forest.predict_proba(matrix).tobytes()


@pytest.mark.parametrize("rows", [0, 1, ROWS_AT_ONCE, ROWS_AT_ONCE + 1])
def test_any_number_of_rows_is_answered(rows: int) -> None:
    random = np.random.default_rng(2)
    learnt = random.normal(size=(500, 16))
    forest = grown(learnt, learnt[:, 0] + random.normal(size=500) > 0)
    matrix = random.normal(size=(rows, 16))
    alone = [forest.predict_proba(row[None])[0] for row in matrix]
    assert packed(forest).mean(matrix).tolist() == [row.tolist() for row in alone]


def test_a_tree_of_one_leaf_answers_with_it() -> None:
    forest = grown(np.zeros((6, 2)), [0, 0, 0, 1, 1, 1])
    assert {tree.tree_.node_count for tree in forest.estimators_} == {1}
    assert packed(forest).mean(np.ones((3, 2))).tobytes() == forest.predict_proba(np.ones((3, 2))).tobytes()


def test_more_features_than_fit_are_refused() -> None:
    forest = grown(np.eye(40), np.arange(40) % 2)
    with pytest.raises(OverflowError, match="do not fit"):
        PackedForest([tree.tree_ for tree in forest.estimators_], 1 << 31)
