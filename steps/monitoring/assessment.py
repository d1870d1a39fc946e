"""All figures of a version in a month, as rows, from samples, scores and labels. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from steps.monitoring import across_months, contributions, drift, performance
from steps.monitoring.drift import Rules
from steps.monitoring.performance import LabelledMonth
from steps.monitoring.rows import ALL, Row, Verdict
from steps.monitoring.samples import Pair, Sample
from steps.registry.explained import Explained
from steps.scoring import quality
from steps.scoring.quality import Figure
from steps.scoring.scores import MonthScores

LEFT_OUT_WATCH, LEFT_OUT_ALARM = 0.01, 0.1
NO_SCORES = np.array([], dtype=np.float64)


@dataclass(frozen=True)
class Month:
    """A month's sample and scores by the version. left: labels as known now, also of users who were not scored; empty
    where there are none."""

    sample: Sample
    scored: MonthScores
    left: NDArray[np.bool_]
    explained: Explained | None = None  # a sample of the scored users; None for a version without reasons

    @property
    def unseen(self) -> NDArray[np.float64]:
        """The probabilities of the users that the version was never trained on."""
        trained_on = self.scored.trained_on
        return NO_SCORES if trained_on is None else self.scored.probability[~trained_on]


@dataclass(frozen=True)
class Training:
    """The version's training set, and its validation users' probabilities and labels."""

    sample: Sample
    left: NDArray[np.bool_]
    probability: NDArray[np.float64]
    validated_left: NDArray[np.bool_]
    calibrated: bool

    @property
    def name(self) -> str:
        return f"{self.sample.name} {self.sample.as_of}"

    def validated(self) -> Figure | None:
        measured = quality.measure(self.probability, self.validated_left)
        return measured.auc if measured else None


@dataclass(frozen=True)
class Subject:
    """now: the monitored month. labelled: it and all months before it, as far as they have labels. attributes: for
    slices of the newest labelled month. unknown: why there is no training set."""

    now: Month
    before: Month | None
    training: Training | None
    rules: Rules
    labelled: Mapping[date, LabelledMonth] = field(default_factory=dict)
    attributes: pa.Table | None = None
    unknown: str = ""

    @property
    def newest_labelled(self) -> date | None:
        return max(self.labelled, default=None)


def assess(subject: Subject) -> list[Row]:
    validated = subject.training.validated() if subject.training else None
    calibrated = subject.training.calibrated if subject.training else False
    estimated = performance.without_labels(subject.now.unseen, validated, calibrated=calibrated)
    return [*compare(subject), *estimated, *_realised(subject, validated)]


def compare(subject: Subject) -> list[Row]:
    """Drift against the training set and the month before, and the rules across months."""
    references = [side.sample for side in (subject.training, subject.before) if side]
    comparisons = max(1, len(references) * (len(subject.rules) + 1))
    rows = _left_out(subject.now)
    if subject.training is None:
        reason = f"not compared with its training set: {subject.unknown}"
        rows.append(Row("training_set", ALL, 0, None, verdict="watch", reason=reason))
    for reference in references:
        rows += drift.of_features(Pair(reference, subject.now.sample), subject.rules, comparisons)
    rows += _predictions_and_target(subject, comparisons)
    if subject.before:
        rows += across_months.check(Pair(subject.before.sample, subject.now.sample), subject.rules)
    before = subject.before.explained if subject.before else None
    name = f"{subject.before.sample.name} {subject.before.sample.as_of}" if subject.before else ""
    return rows + contributions.compare(before, subject.now.explained, name)


def _predictions_and_target(subject: Subject, comparisons: int) -> list[Row]:
    now, rows = subject.now, []
    if subject.training:
        training = subject.training
        rows += drift.of_predictions(training.probability, now.unseen, training.name, comparisons)
        rows += drift.of_target(training.left, now.left, training.name)
    if subject.before:
        before = subject.before
        name = f"{before.sample.name} {before.sample.as_of}"
        rows += drift.of_predictions(before.unseen, now.unseen, name, comparisons)
        rows += drift.of_target(before.left, now.left, name)
    return rows


def _realised(subject: Subject, validated: Figure | None) -> list[Row]:
    rows: list[Row] = []
    if subject.training and validated:
        users = len(subject.training.probability)
        rows.append(Row("validated_AUC", "validation users", users, validated.value, validated.low, validated.high))
    for as_of in sorted(subject.labelled):
        rows += performance.realised(as_of, subject.labelled[as_of], validated)
    newest = subject.newest_labelled
    if newest and subject.attributes is not None:
        rows += performance.slices(newest, subject.labelled[newest], subject.attributes)
    return rows


def _left_out(now: Month) -> list[Row]:
    """Users that the version cannot score."""
    users, scored = now.sample.users, now.scored.users
    share = 1 - scored / users if users else 0.0
    left_out = now.scored.left_out
    reason = (
        f"{users - scored:,} of {users:,} users cannot be scored: {left_out.missing_features:,} have missing features, "
        f"{left_out.unknown_category:,} a category that the version was not trained on"
    )
    verdict: Verdict = "alarm" if share > LEFT_OUT_ALARM else "watch" if share > LEFT_OUT_WATCH else "ok"
    return [
        Row("left_out_share", ALL, users, share, verdict=verdict, threshold=LEFT_OUT_WATCH,
            reason="" if verdict == "ok" else reason)
    ]  # fmt: skip
