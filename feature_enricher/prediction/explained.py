"""Calls of the model with and without reasons."""

from collections.abc import Sequence
from dataclasses import replace

from feature_enricher.errors.requests import NoReasons
from feature_enricher.prediction.values import EXPLAIN
from feature_enricher.upstream.model_server import ModelAnswer, ModelClient, Prediction
from feature_enricher.upstream.reasons import strongest
from feature_store.deadline import Deadline
from feature_store.reading import FeatureRow


def answers_of(
    model: ModelClient, rows: Sequence[FeatureRow], features: int, deadline: Deadline
) -> Sequence[ModelAnswer]:
    """features: in the reasons; 0 for no reasons."""
    if not rows:
        return []
    return model.explain(rows, features, deadline) if features else model.predict(rows, deadline)


def explained(answer: Prediction, features: int) -> Prediction | NoReasons:
    """The answer with the reasons of so many features, without any for 0."""
    if not features:
        return answer if answer.reasons is None else replace(answer, reasons=None)
    if answer.reasons is None:
        return NoReasons("The live version cannot explain its predictions", [EXPLAIN])
    return replace(answer, reasons=strongest(answer.reasons, features))
