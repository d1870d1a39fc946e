"""The append-only table of what was decided about the model: by which figures, by which rule or person, and when."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Literal

import psycopg
from psycopg.types.json import Jsonb

from steps.warehouse.connection import statement, transaction

Kind = Literal["accept", "stop", "retrain", "gate", "promotion", "approval", "refusal", "rollback"]
Figure = float | int | str | None


@dataclass(frozen=True)
class Decision:
    kind: Kind
    outcome: str
    """accept: accepted; stop: stopped; retrain: retrained, kept; gate: passed, refused, forced; promotion: promoted,
    waits; approval: promoted; refusal: refused; rollback: rolled_back, turned_back"""
    as_of: date | None
    """The month it is about; None where there is none, as for a rollback"""
    version: str | None
    reason: str
    """One sentence, the one that was shown"""
    figures: Mapping[str, Figure]
    """What it was decided by"""
    decided_by: str
    """"rule: NAME", "gate", "watcher", or a person's name"""
    inputs_sha256: str
    """Of what it follows from: the same decision for the same inputs is recorded once"""


@dataclass(frozen=True)
class RecordedDecision(Decision):
    id: int
    at: datetime


def record_decision(model: str, decision: Decision) -> bool:
    """Appends a row; the database refuses updates and deletions. Raises DatabaseUnavailable.

    False where the table has the decision: its kind, month, version and inputs. That row stays as it is.
    """
    figures = Jsonb({name: _storable(figure) for name, figure in decision.figures.items()})
    with transaction() as cur:
        cur.execute(statement("record_decision"), {**vars(decision), "model": model, "figures": figures})
        return cur.rowcount == 1


def decisions(model: str, as_of: date | None = None) -> list[RecordedDecision]:
    """The model's decisions, oldest first; with as_of, those about the month. Raises DatabaseUnavailable."""
    try:
        with transaction() as cur:
            cur.execute(statement("decisions"), {"model": model, "as_of": as_of})
            return [RecordedDecision(*row) for row in cur.fetchall()]
    except psycopg.errors.UndefinedTable:
        return []  # nothing was decided in this database


def _storable(figure: Figure) -> Figure:
    """JSON has no NaN and no infinity."""
    return None if isinstance(figure, float) and not math.isfinite(figure) else figure
