"""What lists of any length would have been worth: the measured profit curve of a campaign's month."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import psycopg
from psycopg.types.json import Jsonb

from steps.warehouse.connection import event_time, statement, transaction
from steps.warehouse.records.campaigns import Campaign


@dataclass(frozen=True)
class RecordedProfit:
    """profit: None where too few users could be measured."""

    run_id: str
    version: str
    made_at: datetime
    profit: Mapping[str, Any] | None


def record_profit(campaign: Campaign, profit: Mapping[str, Any] | None) -> None:
    """Appends what this run measured. campaign: of this run, also where its list is one that was made before."""
    values = {"run_id": campaign.run_id, "campaign": campaign.name, "version": campaign.version}
    with transaction() as cur:
        stored = None if profit is None else Jsonb(dict(profit))
        cur.execute(statement("record_profit"), {**values, "as_of": event_time(campaign.as_of), "profit": stored})


def newest_profit(campaign: str) -> RecordedProfit | None:
    """The newest measured one; None where no run recorded any."""
    try:
        with transaction() as cur:
            cur.execute(statement("newest_profit"), {"campaign": campaign})
            return next((RecordedProfit(*row) for row in cur.fetchall()), None)
    except psycopg.errors.UndefinedTable:
        return None  # the schema is of an earlier release
