"""Reads what the monitor compares: a month's features, scores and labels, and the version's training set."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from mlflow.entities.model_registry import ModelVersion
from numpy.typing import NDArray

from steps import warehouse
from steps.cli.errors import DatasetMismatch, TooFewToLearn
from steps.cli.settings import LABEL
from steps.monitoring import performance
from steps.monitoring.assessment import Month, Subject, Training
from steps.monitoring.performance import LabelledMonth
from steps.monitoring.samples import Compact, Sample
from steps.month.files import FILES
from steps.month.rules import AcrossMonths, across_months
from steps.registry import versions
from steps.registry.training_sets import TrainedOn, TrainingSet, training_set
from steps.scoring import reasons, scores
from steps.scoring.scores import ScoringModel
from steps.training import dataset

CHUNK_ROWS = 50_000
TRAINING, BEFORE = "training set of", "month before,"


@dataclass(frozen=True)
class TrainingRows:
    """A version's training set, in Arrow: its rows in pandas need not stay in memory. validation: the features of the
    users who validated."""

    sample: Sample
    left: NDArray[np.bool_]
    validation: pa.Table
    validated_left: NDArray[np.bool_]


class Trained(NamedTuple):
    """A version's training set, and its training users; without the set, the reason why it is unknown."""

    rows: TrainingRows | None
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
    return Trained(in_arrow(rows), TrainedOn(rows.trained_users))


def in_arrow(rows: TrainingSet) -> TrainingRows:
    train, validation = rows.parts.train, rows.parts.validation

    def column(name: str) -> pa.Array:
        return pa.concat_arrays([pa.array(part[name].to_numpy()) for part in (train, validation)])

    columns = Compact()
    for name in rows.facts["types"]:
        columns.add(pa.table({name: column(name)}))
    return TrainingRows(
        Sample(TRAINING, date.fromisoformat(rows.facts["as_of"]), column("user_id"), columns),
        column(LABEL).to_numpy(zero_copy_only=False),
        pa.table({name: pa.array(validation[name].to_numpy()) for name in columns}),
        validation[LABEL].to_numpy(np.bool_),
    )


def read(model: ScoringModel, rows: TrainingRows | None, as_of: date, scratch: Path) -> Subject:
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
    user_ids: list[pa.Array] = []
    columns = Compact()

    def see(rows: pa.Table) -> None:
        user_ids.extend(rows["user_id"].chunks)
        columns.add(rows.select(list(model.types)))

    scored = scores.score_month(model, as_of, scores.local(model), lambda _scores: None, scratch, see=see)
    labels = warehouse.newest_labels_of(as_of)
    sample = Sample(name, as_of, pa.chunked_array(user_ids, pa.string()), columns)
    explained = reasons.of_a_sample(model, as_of, scored) if scored.users else None
    month = Month(sample, scored, labels[LABEL].to_numpy(), explained)
    return month, performance.labelled(scored, labels)


def _labelled(model: ScoringModel, as_of: date, scratch: Path) -> LabelledMonth:
    """Without the features, by which only the monitored month and the one before are compared."""
    scored = scores.score_month(model, as_of, scores.local(model), lambda _scores: None, scratch)
    return performance.labelled(scored, warehouse.newest_labels_of(as_of))


def _training(model: ScoringModel, rows: TrainingRows) -> Training:
    return Training(
        sample=rows.sample,
        left=rows.left,
        probability=_probabilities(model, rows.validation),
        validated_left=rows.validated_left,
        calibrated=model.loaded.config.get("calibration") not in (None, "none"),
    )


def _probabilities(model: ScoringModel, rows: pa.Table) -> NDArray[np.float64]:
    types = {name: dataset.DTYPES[kind] for name, kind in model.types.items()}
    chunks = [rows.slice(start, CHUNK_ROWS) for start in range(0, len(rows), CHUNK_ROWS)]
    answers = [model.loaded.answers(chunk.to_pandas().astype(types)) for chunk in chunks]
    return np.concatenate([answer["probability"].to_numpy(np.float64) for answer in answers])
