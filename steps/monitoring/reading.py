"""Reads what the monitor compares: a month's features, scores and labels, and the version's training set."""

from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
from mlflow.entities.model_registry import ModelVersion
from numpy.typing import NDArray

from steps import warehouse
from steps.cli.errors import DatasetMismatch, TooFewToLearn
from steps.cli.settings import LABEL
from steps.monitoring import performance
from steps.monitoring.assessment import Month, Subject, Training
from steps.monitoring.performance import LabelledMonth
from steps.monitoring.samples import Sample
from steps.month.files import FILES
from steps.month.rules import AcrossMonths, across_months
from steps.registry import versions
from steps.registry.training_sets import TrainedOn, TrainingSet, training_set
from steps.scoring import scores
from steps.scoring.scores import ScoringModel

CHUNK_ROWS = 50_000
TRAINING, BEFORE = "training set of", "month before,"


class Trained(NamedTuple):
    """A version's training set, and its training users; without the set, the reason why it is unknown."""

    set: TrainingSet | None
    on: TrainedOn


def trained(version: ModelVersion) -> Trained:
    """Raises TrackingUnavailable."""
    training = versions.training_of(version)
    if training is None:
        return Trained(None, TrainedOn(None, "its training run no longer exists"))
    try:
        rows = training_set(training)
    except DatasetMismatch as error:
        return Trained(None, TrainedOn(None, str(error)))
    return Trained(rows, TrainedOn(rows.trained_users))


def read(model: ScoringModel, rows: TrainingSet | None, as_of: date, scratch: Path) -> Subject:
    """rows: the version's training set. Raises TooFewToLearn when no user can be scored."""
    labelled: dict[date, LabelledMonth] = {}
    before = None
    now, labelled[as_of] = _month(model, as_of, "", scratch)
    if not now.scored.users:
        raise TooFewToLearn(f"No user of {as_of} can be scored with version {model.loaded.number}")
    earlier = [day for day in warehouse.loaded_months() if day < as_of]
    if earlier:
        before, labelled[earlier[-1]] = _month(model, earlier[-1], BEFORE, scratch)
    labelled |= {day: _labelled(model, day, scratch) for day in earlier[:-1] if warehouse.any_label(day)}
    labelled = {day: month for day, month in labelled.items() if len(month.everyone.left)}
    attributes = warehouse.slice_attributes(max(labelled)) if labelled else None
    training = _training(model, rows) if rows else None
    return Subject(now, before, training, rules_of(model.types), labelled, attributes, model.trained_on.reason)


def rules_of(features: Mapping[str, str]) -> dict[str, AcrossMonths]:
    """Of the version's features, in their order, as declared beside the rules of the files."""
    declared = {name: rule for schema in FILES.values() for name, rule in across_months(schema).items()}
    return {name: declared.get(name, AcrossMonths()) for name in features}


def _month(model: ScoringModel, as_of: date, name: str, scratch: Path) -> tuple[Month, LabelledMonth]:
    chunks: list[pa.Table] = []
    predict = scores.local(model)
    scored = scores.score_month(model, as_of, predict, lambda _scores: None, scratch, see=chunks.append)
    table = pa.concat_tables(chunks) if chunks else pa.table({"user_id": pa.array([], pa.string())})
    columns = {feature: table[feature] for feature in model.types} if chunks else {}
    labels = warehouse.newest_labels_of(as_of)
    month = Month(Sample(name, as_of, table["user_id"], columns), scored, labels[LABEL].to_numpy(np.bool_))
    return month, performance.labelled(scored, labels)


def _labelled(model: ScoringModel, as_of: date, scratch: Path) -> LabelledMonth:
    """Without the features, by which only the monitored month and the one before are compared."""
    scored = scores.score_month(model, as_of, scores.local(model), lambda _scores: None, scratch)
    return performance.labelled(scored, warehouse.newest_labels_of(as_of))


def _training(model: ScoringModel, rows: TrainingSet) -> Training:
    parts = rows.parts
    everyone = pd.concat([parts.train, parts.validation]).sort_values("user_id", kind="stable")
    columns = {name: pa.array(everyone[name].to_numpy()) for name in model.types}
    as_of = date.fromisoformat(rows.facts["as_of"])
    sample = Sample(TRAINING, as_of, pa.array(everyone["user_id"], pa.string()), columns)
    return Training(
        sample=sample,
        left=everyone[LABEL].to_numpy(np.bool_),
        probability=_probabilities(model, rows.validation_features),
        validated_left=parts.validation[LABEL].to_numpy(np.bool_),
        calibrated=model.loaded.config.get("calibration") not in (None, "none"),
    )


def _probabilities(model: ScoringModel, features: pd.DataFrame) -> NDArray[np.float64]:
    parts = [features.iloc[start : start + CHUNK_ROWS] for start in range(0, len(features), CHUNK_ROWS)]
    return np.concatenate([model.loaded.answers(part)["probability"].to_numpy(np.float64) for part in parts])
