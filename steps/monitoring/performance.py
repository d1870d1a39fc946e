"""What came true: a version's quality on labelled months, overall and by slice, and the estimate without labels. Pure.

The verdict is from users that the version was never trained on, against its own validation: an alarm where even the
upper end of the interval is SMALLEST_FALL below the lower end of the validated one, or below MIN_AUC.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from steps.monitoring.estimate import BLIND, estimate
from steps.monitoring.rows import ALL, UNSEEN, Row, Verdict
from steps.scoring import known_labels, quality
from steps.scoring.quality import Figure, Labels, Probabilities
from steps.scoring.scores import MonthScores
from steps.training.evaluation import calibration_error

MIN_AUC = 0.7  # the gate's default
SMALLEST_FALL = 0.02  # of the AUC, worth an alarm: one lucky validation would else alarm in every calm month after it
MIN_SLICE = 100
FEW_DRAWS = 500  # of the bootstrap, for figures that are not judged
NORMAL_95 = 1.959963984540054
TENURE = {"0 to 12 months": 12, "13 to 24 months": 24, "25 to 48 months": 48, "over 48 months": 10**9}


class Users(NamedTuple):
    """Labelled users: their probabilities and labels."""

    probability: Probabilities
    left: Labels

    def where(self, chosen: Labels) -> "Users":
        return Users(self.probability[chosen], self.left[chosen])


@dataclass(frozen=True)
class LabelledMonth:
    """A month's labelled users: all that were scored, and of them those that the version was never trained on, nobody
    where the training users are unknown."""

    everyone: Users
    unseen: Users
    unseen_ids: pa.Array


def labelled(scored: MonthScores, labels: pa.Table) -> LabelledMonth:
    """In the order of the scores, whatever that of the labels."""
    positions, left = known_labels.labelled(scored, labels)
    order = np.argsort(positions)
    positions = positions[order]
    everyone = Users(scored.probability[positions], left[order])
    unseen = np.zeros(len(positions), np.bool_) if scored.trained_on is None else ~scored.trained_on[positions]
    ids = scored.user_ids.take(pa.array(positions[unseen]))
    return LabelledMonth(everyone, everyone.where(unseen), ids.combine_chunks())


def realised(as_of: date, month: LabelledMonth, validated: Figure | None) -> list[Row]:
    """validated: the AUC of the version's validation."""
    if not len(month.everyone.left):
        return []
    unseen = _judged(_quality(month.unseen, UNSEEN, quality.DRAWS), validated)
    return [replace(row, month=as_of) for row in [*_quality(month.everyone, ALL, FEW_DRAWS), *unseen]]


def _quality(users: Users, name: str, draws: int) -> list[Row]:
    measured = quality.measure(users.probability, users.left, draws)
    if measured is None:
        leaving = int(users.left.sum())
        few = (
            f"no figures for {name}: {len(users.left):,} labelled users, {leaving:,} of them left; at least "
            f"{quality.MIN_USERS} are needed, {quality.MIN_PER_CLASS} of each class"
        )
        return [Row("AUC", name, len(users.left), None, reason=few)]
    rows = [
        Row(metric, name, measured.users, figure.value, figure.low, figure.high)
        for metric, figure in measured.by_name.items()
    ]
    gaps = users.probability - users.left
    error = NORMAL_95 * float(gaps.std()) / np.sqrt(len(gaps))
    gap = float(gaps.mean())
    rows.append(Row("calibration_gap", name, measured.users, gap, gap - error, gap + error))
    rows.append(Row("calibration_error", name, measured.users, calibration_error(users.left, users.probability)))
    return rows


def _judged(rows: list[Row], validated: Figure | None) -> list[Row]:
    return [_judge_auc(row, validated) if row.metric == "AUC" and row.estimate is not None else row for row in rows]


def _judge_auc(row: Row, validated: Figure | None) -> Row:
    if row.estimate is None or row.high is None:
        return row
    floor = _floor(validated)
    fell = row.high < _floor(validated, SMALLEST_FALL)
    verdict: Verdict = "alarm" if fell else "watch" if row.estimate < floor else "ok"
    was = f"validation had {validated.value:.4f} ({validated.low:.4f} to {validated.high:.4f})" if validated else ""
    reason = (
        f"AUC {row.estimate:.4f} ({row.low:.4f} to {row.high:.4f}) on {row.n:,} users {row.slice}; "
        f"{was or f'at least {MIN_AUC} is asked'}"
    )
    return replace(row, verdict=verdict, threshold=floor, reason="" if verdict == "ok" else reason)


def _floor(validated: Figure | None, fall: float = 0.0) -> float:
    """fall: below the version's own validation. A version that was registered below MIN_AUC is judged by its own
    validation alone."""
    if validated is None:
        return MIN_AUC
    lowest = validated.low - fall
    return lowest if validated.value < MIN_AUC else max(MIN_AUC, lowest)


def slices(as_of: date, month: LabelledMonth, attributes: pa.Table) -> list[Row]:
    """AUC by gender and so on. attributes: user_id and the columns of groups_of, a row per user of the month."""
    places = pc.index_in(month.unseen_ids, value_set=attributes["user_id"].combine_chunks())
    rows: list[Row] = []
    for name, groups in groups_of(attributes.take(places)).items():
        for value in sorted(set(groups.tolist())):
            rows += _slice(f"{name}={value}", month.unseen.where(np.asarray(groups == value)))
    return [replace(row, month=as_of) for row in rows]


def _slice(name: str, users: Users) -> list[Row]:
    number = len(users.left)
    if number < MIN_SLICE:
        few = f"{name}: {number} labelled users never trained on, fewer than {MIN_SLICE}: no figure"
        return [Row("AUC", name, number, None, reason=few)]
    return [row for row in _quality(users, name, FEW_DRAWS) if row.metric in ("AUC", "calibration_gap")]


def groups_of(attributes: pa.Table) -> Mapping[str, "np.ndarray[tuple[int, ...], np.dtype[np.str_]]"]:
    """For each user the slice by gender, senior, contract type, internet service and tenure."""
    tenure = attributes["months_active"].to_numpy()
    band = np.array(list(TENURE))[np.searchsorted(list(TENURE.values()), tenure, side="left")]
    senior = np.where(attributes["user_is_senior"].to_numpy().astype(bool), "yes", "no")
    texts = {"gender": "user_gender", "contract": "contract_type", "internet": "net_service"}
    named = {name: np.asarray(attributes[column].to_pylist(), dtype=np.str_) for name, column in texts.items()}
    return {**named, "senior": senior, "tenure": band}


def without_labels(probability: Probabilities, validated: Figure | None, *, calibrated: bool) -> list[Row]:
    """The estimate of the AUC over users never trained on; it never alarms."""
    if not calibrated:
        return [Row("AUC_estimate", UNSEEN, len(probability), None, reason="no estimate: scores are not calibrated")]
    estimated = estimate(probability)
    if estimated is None:
        return [Row("AUC_estimate", UNSEEN, len(probability), None, reason="no estimate: too few users")]
    floor = _floor(validated)
    value, low, high = estimated.auc.value, estimated.auc.low, estimated.auc.high
    verdict: Verdict = "watch" if high < floor else "ok"
    reason = f"the estimated AUC is {value:.4f} ({low:.4f} to {high:.4f}); {BLIND}" if verdict == "watch" else ""
    users = estimated.users
    return [
        Row("AUC_estimate", UNSEEN, users, value, low, high, verdict, threshold=floor, reason=reason),
        Row("Brier_estimate", UNSEEN, users, estimated.brier),
        Row("target_share_estimate", UNSEEN, users, estimated.share_who_leave),
    ]
