"""The candidates of a choice: models with the FeatureService that each is trained on."""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass

from steps.cli import parameters
from steps.training import pipelines

EXAMPLE = "random_forest:churn_v1,hist_gradient_boosting:churn_v2"


@dataclass(frozen=True)
class Candidate:
    model: str  # random_forest, …
    feature_service: str

    def __str__(self) -> str:
        return f"{self.model}:{self.feature_service}"


def candidates(text: str) -> tuple[Candidate, ...]:
    """An argparse type: a list of different candidates, in order of preference.

    The FeatureServices are only checked for their form: the existing ones are in features.py, and importing Feast takes
    seconds.
    """
    try:
        return _different([_candidate(part.strip()) for part in text.split(",")])
    except argparse.ArgumentTypeError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is not a list of candidates such as {EXAMPLE}: {error}") from error


def _different(listed: Sequence[Candidate]) -> tuple[Candidate, ...]:
    twice = dict.fromkeys(str(candidate) for candidate in listed if listed.count(candidate) > 1)
    if twice:
        raise argparse.ArgumentTypeError(f"{', '.join(twice)} is listed twice")
    return tuple(listed)


def _candidate(text: str) -> Candidate:
    model, colon, feature_service = text.partition(":")
    if not (model and colon and feature_service):
        raise argparse.ArgumentTypeError(f"{text!r} is not a model and a FeatureService with a colon between them")
    if model not in pipelines.HYPERPARAMETERS:
        allowed = ", ".join(sorted(pipelines.HYPERPARAMETERS))
        raise argparse.ArgumentTypeError(f"{model!r} is not a model. Allowed are: {allowed}")
    return Candidate(model, parameters.feature_service(feature_service))
