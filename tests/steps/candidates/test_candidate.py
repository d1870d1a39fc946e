"""The list of candidates as a parameter."""

import argparse

import pytest

from steps.candidates.candidate import Candidate, candidates


def test_a_list_keeps_its_order() -> None:
    assert candidates("random_forest:churn_v1, hist_gradient_boosting:churn_v2") == (
        Candidate("random_forest", "churn_v1"),
        Candidate("hist_gradient_boosting", "churn_v2"),
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "'' is not a model and a FeatureService with a colon between them"),
        ("random_forest", "'random_forest' is not a model and a FeatureService"),
        ("random_forest:churn_v1,", "'' is not a model and a FeatureService"),
        (":churn_v1", "':churn_v1' is not a model and a FeatureService"),
        (
            "random_forest:churn_v1,xgboost:churn_v1",
            "'xgboost' is not a model. Allowed are: hist_gradient_boosting, logistic_regression, random_forest",
        ),
        ("random_forest:churn v1", "'churn v1' is not the name of a FeatureService"),
        ("random_forest:churn_v1,random_forest:churn_v1", "random_forest:churn_v1 is listed twice"),
    ],
)
def test_a_broken_list_is_refused(text: str, message: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError) as refused:
        candidates(text)
    assert str(refused.value).startswith(f"{text!r} is not a list of candidates such as random_forest:churn_v1,")
    assert f": {message}" in str(refused.value)
