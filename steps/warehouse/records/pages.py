"""What the console's pages show beside the other tables' readers: loads, a user's scores, the monitor's runs."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from steps.warehouse.connection import statement, transaction


@dataclass(frozen=True)
class LoadedMonth:
    as_of: date
    loaded_at: datetime
    origin: str
    """files, or sample: made up"""


@dataclass(frozen=True)
class UserScore:
    as_of: date
    version: str
    probability: float
    prediction: int
    scored_at: datetime


@dataclass(frozen=True)
class MonitorRun:
    """The newest run of the monitor of a version and month."""

    version: str
    as_of: date
    run_id: str
    verdict: str
    reasons: str
    made_at: datetime


def loads() -> list[LoadedMonth]:
    """The newest month first. Raises DatabaseUnavailable."""
    with transaction() as cur:
        cur.execute(statement("loads"))
        return [LoadedMonth(*row) for row in cur.fetchall()]


def scores_of_user(user_id: str, versions: Sequence[str]) -> list[UserScore]:
    """Of these versions, the newest month first. A look-up in the primary key for each month and version."""
    with transaction() as cur:
        cur.execute(statement("scores_of_user"), {"user_id": user_id, "versions": list(versions)})
        return [UserScore(*row) for row in cur.fetchall()]


def monitor_runs() -> list[MonitorRun]:
    """The newest month first, and of a month the newest run. Raises DatabaseUnavailable."""
    with transaction() as cur:
        cur.execute(statement("monitor_runs"))
        return [MonitorRun(*row) for row in cur.fetchall()]
