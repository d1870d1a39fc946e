"""The one-standard-error rule over settings with the same folds."""

from hypothesis import given
from hypothesis import strategies as st

from steps.candidates.candidate import Candidate
from steps.candidates.choice import Setting, best_of, choose
from steps.training.pipelines import Hyperparameters

START = Hyperparameters(n_estimators=300, max_iter=150, max_leaf_nodes=8, learning_rate=0.05, C=1.0)


def setting(model: str, *aucs: float, trial: int = 0) -> Setting:
    return Setting(Candidate(model, "churn_v1"), START, trial, aucs)


def test_a_clearly_better_model_is_chosen() -> None:
    forest = setting("random_forest", 0.80, 0.83, 0.81, 0.84, 0.82)
    boosting = setting("hist_gradient_boosting", 0.82, 0.85, 0.83, 0.86, 0.84)
    choice = choose([forest, boosting])
    assert choice.chosen == boosting
    assert choice.reason.startswith("it has the highest mean AUC")


def test_the_first_of_those_within_one_standard_error_is_chosen() -> None:
    worse = setting("logistic_regression", 0.70, 0.71, 0.70, 0.71, 0.70)
    forest = setting("random_forest", 0.80, 0.83, 0.81, 0.84, 0.82)
    boosting = setting("hist_gradient_boosting", 0.83, 0.82, 0.83, 0.82, 0.81)
    choice = choose([worse, forest, boosting])
    assert choice.best == boosting
    assert choice.chosen == forest
    assert "0.0020 more, with a standard error of 0.0097" in choice.reason


def test_folds_that_are_hard_for_all_do_not_hide_a_difference() -> None:
    # the means are 0.02 apart, with a standard error of 0.03 each
    forest = setting("random_forest", 0.70, 0.90, 0.75, 0.85, 0.80)
    boosting = setting("hist_gradient_boosting", 0.72, 0.92, 0.77, 0.87, 0.82)
    assert choose([forest, boosting]).chosen == boosting


def test_the_first_of_equal_settings_is_chosen() -> None:
    first, second = (setting(model, 0.8, 0.8, 0.8) for model in ("random_forest", "hist_gradient_boosting"))
    assert choose([first, second]).chosen is first
    assert best_of([first, second]) is first


def test_a_searched_setting_has_to_be_clearly_better_than_the_initial_one() -> None:
    initial = setting("random_forest", 0.80, 0.83, 0.81, 0.84, 0.82)
    lucky = setting("random_forest", 0.83, 0.82, 0.83, 0.83, 0.80, trial=7)
    assert choose([initial, lucky]).chosen == initial


def test_a_single_candidate_is_chosen() -> None:
    only = setting("random_forest", 0.8, 0.7)
    assert choose([only]).reason == "it is the only candidate"


@given(st.lists(st.lists(st.floats(0, 1), min_size=5, max_size=5), min_size=1, max_size=6))
def test_the_choice_never_comes_after_the_best(aucs: list[list[float]]) -> None:
    settings = [setting("random_forest", *folds, trial=number) for number, folds in enumerate(aucs)]
    choice = choose(settings)
    assert settings.index(choice.chosen) <= settings.index(choice.best)
    assert choice.chosen.mean <= choice.best.mean
