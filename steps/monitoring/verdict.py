"""The verdict on a version in a month, its reasons in words, and what to do. Pure.

Retraining helps where the model no longer fits sound data: its realised AUC fell, or its features drifted. It does not
help where the month's files are wrong: then they are to be corrected and loaded again, and nothing is to be trained on
them before.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from steps.cli.settings import MODEL_NAME
from steps.monitoring.rows import UNSEEN, Row, Verdict, worst

RETRAIN_ON = ("AUC", "drift_share")


@dataclass(frozen=True)
class Judgement:
    """reasons: of alarms first. retrain: whether a newer training may help. frozen: the columns with the same value for
    every user of both months, may they stay or not."""

    verdict: Verdict
    reasons: tuple[str, ...]
    retrain: bool
    frozen: tuple[str, ...]


def judge(rows: Sequence[Row]) -> Judgement:
    """Of realised figures only those of the newest labelled month count. The frozen columns are named together where
    one of them must change."""
    frozen = tuple(row.slice for row in rows if row.metric == "unchanged_share" and row.estimate == 1)
    newest = max((row.month for row in rows if row.month), default=None)
    counted = [row for row in rows if row.month in (None, newest)]
    alarms = [row for row in counted if row.verdict == "alarm"]
    watches = [row for row in counted if row.verdict == "watch"]
    reasons = [row.reason for row in alarms + watches]
    if any(row.metric == "unchanged_share" for row in alarms):
        features = sum(row.metric == "unchanged_share" for row in counted)
        reasons.append(
            f"{len(frozen)} of {features} features have the same value for each user as the month before: "
            f"{', '.join(frozen)}"
        )
    retrain = any(row.metric in RETRAIN_ON for row in alarms)
    return Judgement(worst(row.verdict for row in counted), tuple(dict.fromkeys(reasons)), retrain, frozen)


def figures(rows: Sequence[Row]) -> str:
    """The figures that decide, in one line."""
    texts = []
    for row in rows:
        if row.metric == "drift_share" and row.estimate is not None:
            texts.append(
                f"drift share {row.estimate:.2f} ({row.estimate * row.n:.0f} of {row.n} features, {row.reference})"
            )
    targets = [row for row in rows if row.metric == "target_drift" and row.estimate is not None]
    texts += [f"target drift {abs(row.estimate or 0):.4f}{_shares(rows, row)}" for row in targets[:1]]
    texts += [_auc(row) for row in _newest_auc(rows)]
    texts += [
        f"estimated without labels {row.estimate:.4f}"
        for row in rows
        if row.metric == "AUC_estimate" and row.estimate is not None
    ]
    return "; ".join(texts)


def _shares(rows: Sequence[Row], drift: Row) -> str:
    before = next(
        row.estimate for row in rows if row.metric == "target_share_before" and row.reference == drift.reference
    )
    return f" ({before:.4f} to {(before or 0) + (drift.estimate or 0):.4f}, {drift.reference})"


def _newest_auc(rows: Sequence[Row]) -> list[Row]:
    measured = [row for row in rows if row.metric == "AUC" and row.slice == UNSEEN and row.estimate is not None]
    newest = max((row.month for row in measured if row.month), default=None)
    return [row for row in measured if row.month == newest]


def _auc(row: Row) -> str:
    return f"AUC of {row.month} {row.estimate:.4f} ({row.low:.4f} to {row.high:.4f}, {row.n:,} users {row.slice})"


def last_line(as_of: date, version: str, judgement: Judgement, rows: Sequence[Row]) -> str:
    """NO_ACTION or RETRAINING_TRIGGERED, the verdict and the figures that decided."""
    subject = f"{MODEL_NAME} version {version}, {as_of}, verdict {judgement.verdict}"
    action = "RETRAINING_TRIGGERED" if judgement.retrain else "NO_ACTION"
    faults = judgement.verdict == "alarm" and any(
        row.verdict == "alarm" and row.metric not in RETRAIN_ON for row in rows
    )
    first = " Check the month's files first: do not train on them as they are." if faults else ""
    return f"{action} {subject}: {figures(rows) or 'no figures'}.{first}"
