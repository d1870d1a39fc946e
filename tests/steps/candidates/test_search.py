"""The search for hyperparameters: which settings it proposes, in which order."""

from dataclasses import replace
from typing import get_type_hints

import pytest

from steps.candidates.candidate import Candidate
from steps.candidates.choice import Setting
from steps.candidates.search import RANGES, search
from steps.training.pipelines import HYPERPARAMETERS, Hyperparameters

START = Hyperparameters(n_estimators=300, max_iter=150, max_leaf_nodes=8, learning_rate=0.05, C=1.0)
BOOSTING = Candidate("hist_gradient_boosting", "churn_v1")


def best_at_six_leaves(candidate: Candidate, hyperparameters: Hyperparameters, trial: int) -> Setting:
    auc = 0.8 - 0.01 * abs(hyperparameters.max_leaf_nodes - 6)
    return Setting(candidate, hyperparameters, trial, (auc, auc))


def test_the_same_seed_proposes_the_same_settings() -> None:
    first, second = (search(BOOSTING, START, 15, 42, best_at_six_leaves) for _ in range(2))
    assert first == second
    assert search(BOOSTING, START, 15, 43, best_at_six_leaves) != first


def test_a_longer_search_begins_like_a_shorter_one() -> None:
    assert search(BOOSTING, START, 20, 42, best_at_six_leaves)[:12] == search(
        BOOSTING, START, 12, 42, best_at_six_leaves
    )


def test_later_proposals_depend_on_the_figures() -> None:
    def best_with_many_leaves(candidate: Candidate, hyperparameters: Hyperparameters, trial: int) -> Setting:
        auc = 0.5 + 0.01 * hyperparameters.max_leaf_nodes
        return Setting(candidate, hyperparameters, trial, (auc, auc))

    few, many = (search(BOOSTING, START, 30, 42, auc) for auc in (best_at_six_leaves, best_with_many_leaves))
    assert few[0].hyperparameters == many[0].hyperparameters
    mean_leaves = [sum(setting.hyperparameters.max_leaf_nodes for setting in late[15:]) for late in (few, many)]
    assert mean_leaves[0] < mean_leaves[1]


@pytest.mark.parametrize("model", HYPERPARAMETERS)
def test_proposals_are_in_the_ranges_and_leave_the_rest_as_it_was(model: str) -> None:
    ranges = RANGES[model]
    for setting in search(Candidate(model, "churn_v1"), START, 12, 1, best_at_six_leaves):
        values = vars(setting.hyperparameters)
        assert all(low <= values[name] <= high for name, (low, high) in ranges.items())
        assert replace(setting.hyperparameters, **{name: getattr(START, name) for name in ranges}) == START


@pytest.mark.parametrize("model", HYPERPARAMETERS)
def test_each_range_is_of_a_hyperparameter_of_the_model_and_of_its_type(model: str) -> None:
    types = get_type_hints(Hyperparameters)
    assert set(RANGES[model]) <= set(HYPERPARAMETERS[model])
    assert all(type(low) is type(high) is types[name] for name, (low, high) in RANGES[model].items())
