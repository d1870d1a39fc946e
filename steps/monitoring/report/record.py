"""The rows of a run as tags, metrics, a file and figures of the table. Pure, except that `write` writes the file."""

import re
from collections.abc import Iterator, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import pandas as pd

from steps.cli import spreadsheet
from steps.monitoring.rows import ALL, UNSEEN, Row
from steps.monitoring.verdict import Judgement

FILE = "monitoring.csv"
LONGEST_TAG = 5000  # MLflow refuses a tag of more than 8000 characters
VERDICT, RETRAIN = "verdict", "retrain"


def tags(as_of: date, version: str, judgement: Judgement) -> dict[str, str]:
    reasons = "; ".join(judgement.reasons)
    return {
        "as_of": str(as_of),
        "model_version": version,
        VERDICT: judgement.verdict,
        RETRAIN: str(judgement.retrain).lower(),
        "reasons": (reasons or "none")[:LONGEST_TAG],
        "unchanged_columns": (", ".join(judgement.frozen) or "none")[:LONGEST_TAG],
    }


def metrics(rows: Sequence[Row]) -> dict[str, float]:
    """By names that MLflow allows: AUC, AUC_low and AUC_high of users never trained on in the newest labelled month,
    others with what they are of."""
    newest = max((row.month for row in rows if row.month), default=None)
    named: dict[str, float] = {}
    for row in rows:
        if row.estimate is None or row.month not in (None, newest):
            continue
        name = _name(row)
        if name in named:  # of the second reference; the first is the training set
            name = f"{name}_month_before"
        named[name] = row.estimate
        if row.low is not None and row.high is not None:
            named |= {f"{name}_low": row.low, f"{name}_high": row.high}
    return named


def _name(row: Row) -> str:
    part = "" if row.slice in (UNSEEN, "features", "validation users") else f"_{row.slice}"
    part = "" if row.slice == ALL and row.month is None else part
    return re.sub(r"[^\w.\- /]", "_", f"{row.metric}{part}").replace(" ", "_")[:250]


def figures(as_of: date, rows: Sequence[Row], judgement: Judgement) -> Iterator[dict[str, Any]]:
    """For the table; the last is the verdict itself, with all reasons."""
    whole = Row(VERDICT, ALL, 0, None, verdict=judgement.verdict, reason="; ".join(judgement.reasons))
    yield from (_values(as_of, row) for row in [*rows, whole])


def write(folder: Path, as_of: date, rows: Sequence[Row]) -> None:
    frame = pd.DataFrame([_values(as_of, row) for row in rows])
    (folder / FILE).write_text(spreadsheet.to_csv(frame), encoding="utf-8", newline="")


def _values(as_of: date, row: Row) -> dict[str, Any]:
    return {**vars(row), "month": row.month or as_of}
