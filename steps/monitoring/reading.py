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
from steps.monitoring.assessment import Month, Subject, Training
from steps.monitoring.samples import Sample
from steps.month.files import FILES
from steps.month.rules import AcrossMonths, across_months
from steps.registry import versions
from steps.registry.training_sets import TrainedOn, TrainingSet, training_set
from steps.scoring import scores
from steps.scoring.scores import MonthScores, ScoringModel

MOST_LABELLED_MONTHS = 12
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
    now = _month(model, as_of, "", scratch)
    if not now.scored.users:
        raise TooFewToLearn(f"No user of {as_of} can be scored with version {model.loaded.number}")
    loaded = warehouse.loaded_months()
    earlier = [day for day in loaded if day < as_of]
    before = _month(model, earlier[-1], BEFORE, scratch) if earlier else None
    training = _training(model, rows) if rows else None
    since = training.sample.as_of if training else date.min
    labelled = _labelled(model, [day for day in earlier if day >= since], before, scratch)
    months = [*labelled, *([as_of] if len(now.labels) else [])]
    attributes = warehouse.slice_attributes(max(months)) if months else None
    return Subject(now, before, training, rules_of(model.types), labelled, attributes, model.trained_on.reason)


def rules_of(features: Mapping[str, str]) -> dict[str, AcrossMonths]:
    """Of the version's features, in their order, as declared beside the rules of the files."""
    declared = {name: rule for schema in FILES.values() for name, rule in across_months(schema).items()}
    return {name: declared.get(name, AcrossMonths()) for name in features}


def _month(model: ScoringModel, as_of: date, name: str, scratch: Path) -> Month:
    chunks: list[pa.Table] = []
    predict = scores.local(model)
    scored = scores.score_month(model, as_of, predict, lambda _scores: None, scratch, see=chunks.append)
    table = pa.concat_tables(chunks) if chunks else pa.table({"user_id": pa.array([], pa.string())})
    columns = {feature: table[feature] for feature in model.types} if chunks else {}
    return Month(Sample(name, as_of, table["user_id"], columns), scored, warehouse.newest_labels_of(as_of))


def _labelled(
    model: ScoringModel, days: list[date], before: Month | None, scratch: Path
) -> dict[date, tuple[MonthScores, pd.DataFrame]]:
    """The scores and labels of the newest of these months that have labels."""
    months: dict[date, tuple[MonthScores, pd.DataFrame]] = {}
    for day in sorted(days, reverse=True)[:MOST_LABELLED_MONTHS]:
        if before and day == before.sample.as_of:
            month = before
        elif warehouse.any_label(day):
            month = _month(model, day, "", scratch)
        else:
            continue
        if len(month.labels):
            months[day] = (month.scored, month.labels)
    return months


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
