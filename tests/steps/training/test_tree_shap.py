"""The Shapley values of trees: those of the definition and of the package shap, and they add up."""

from collections.abc import Sequence
from itertools import combinations
from math import factorial
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.ensemble import RandomForestClassifier

from steps.training.model import tree_shap
from steps.training.model.leaf_paths import Paths, Tree
from steps.training.model.tree_shap import TreeShap

NUMBERS = st.sampled_from([-1.0, 0.0, 0.5, 1.0, 2.0]) | st.floats(-10, 10, width=32)


def grown(rows: int, columns: int, seed: int, **changed: Any) -> tuple[RandomForestClassifier, Any]:
    random = np.random.default_rng(seed)
    matrix = random.normal(size=(rows, columns)).astype(np.float32).astype(np.float64)
    labels = matrix[:, 0] + random.normal(size=rows) > 0
    forest = RandomForestClassifier(n_estimators=5, random_state=seed, n_jobs=1, **changed).fit(matrix, labels)
    return forest, matrix


def trees_of(forest: RandomForestClassifier) -> list[Tree]:
    trees = [estimator.tree_ for estimator in forest.estimators_]
    return [
        Tree(
            tree.children_left,
            tree.children_right,
            tree.feature,
            tree.threshold,
            tree.weighted_n_node_samples,
            tree.value[:, 0, 1] / len(trees),
        )
        for tree in trees
    ]


def explained(forest: RandomForestClassifier) -> TreeShap:
    return TreeShap(Paths(trees_of(forest), forest.n_features_in_))


def worth(tree: Tree, row: Any, columns: Sequence[int], node: int = 0) -> float:
    """The tree's mean value when only these columns of the row are known."""
    if tree.left[node] < 0:
        return float(tree.value[node])
    sides = [tree.left[node], tree.right[node]]
    if tree.column[node] in columns:
        return worth(tree, row, columns, sides[int(row[tree.column[node]] > tree.threshold[node])])
    return float(sum(worth(tree, row, columns, side) * tree.rows[side] for side in sides) / tree.rows[node])


def by_definition(trees: Sequence[Tree], row: Any) -> list[float]:
    columns = range(len(row))
    values = []
    for column in columns:
        further = [other for other in columns if other != column]
        value = 0.0
        for size in range(len(row)):
            weight = factorial(size) * factorial(len(row) - size - 1) / factorial(len(row))
            for subset in combinations(further, size):
                gains = (worth(tree, row, (*subset, column)) - worth(tree, row, subset) for tree in trees)
                value += weight * sum(gains)
        values.append(value)
    return values


@given(st.integers(0, 1000), st.integers(1, 5), st.lists(NUMBERS, min_size=5, max_size=5))
@settings(max_examples=30, deadline=None)
def test_they_are_the_shapley_values_of_the_definition(seed: int, columns: int, numbers: list[float]) -> None:
    forest, _ = grown(40, columns, seed)
    row = np.array(numbers[:columns])
    expected = by_definition(trees_of(forest), row)
    np.testing.assert_allclose(explained(forest).values(row[None])[0], expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("columns", [3, 14, 20])
def test_tables_and_single_rows_give_equal_values_that_add_up(columns: int, monkeypatch: pytest.MonkeyPatch) -> None:
    forest, matrix = grown(900, columns, 7, class_weight="balanced")
    monkeypatch.setattr(tree_shap, "LARGEST_KEPT", 0)
    shap = explained(forest)
    many, few = shap.values(matrix), shap.values(matrix[:20])
    np.testing.assert_allclose(few, many[:20], rtol=0, atol=1e-13)
    added_up = shap.paths.mean + many.sum(axis=1)
    np.testing.assert_allclose(added_up, forest.predict_proba(matrix)[:, 1], rtol=0, atol=1e-12)
    monkeypatch.setattr(tree_shap, "LARGEST_KEPT", 1 << 30)
    np.testing.assert_allclose(explained(forest).values(matrix[:20]), many[:20], rtol=0, atol=1e-13)


def test_values_on_a_threshold_go_the_trees_way() -> None:
    forest, _ = grown(300, 4, 3)
    thresholds = np.concatenate([tree.threshold[tree.left >= 0] for tree in trees_of(forest)])
    matrix = np.resize(thresholds, (len(thresholds), 4)).astype(np.float32).astype(np.float64)
    shap = explained(forest)
    added_up = shap.paths.mean + shap.values(matrix).sum(axis=1)
    np.testing.assert_allclose(added_up, forest.predict_proba(matrix)[:, 1], rtol=0, atol=1e-12)


def test_a_column_without_splits_and_trees_without_splits_add_nothing() -> None:
    forest, matrix = grown(60, 3, 1, max_depth=1, max_features=None)
    constant = np.column_stack([matrix, np.ones(len(matrix))])
    with_constant = RandomForestClassifier(n_estimators=5, random_state=1).fit(constant, matrix[:, 0] > 0)
    assert not explained(with_constant).values(constant)[:, 3].any()
    stump = Tree(*(np.array([number]) for number in (-1, -1, -2, -2.0, 9.0, 0.25)))
    alone = TreeShap(Paths([stump], 3))
    assert alone.paths.mean == 0.25
    assert not alone.values(matrix).any()
    assert explained(forest).values(matrix[:0]).shape == (0, 3)


def test_a_forest_too_large_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    forest, _ = grown(60, 3, 1)
    monkeypatch.setattr("steps.training.model.leaf_paths.MOST_NODES", 10)
    with pytest.raises(OverflowError, match="More than 10 nodes"):
        explained(forest)
