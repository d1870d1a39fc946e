"""What the console shows of campaigns: their sizes, the listed users by expected gain, and the gain by size."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

import psycopg

from steps.warehouse.connection import statement, transaction

ALL_USERS = 10_000_000


@dataclass(frozen=True)
class CampaignSummary:
    name: str
    as_of: date
    version: str
    run_id: str
    made_at: datetime
    listed: int
    control: int
    expected_gain: float
    """Of all listed users"""


@dataclass(frozen=True)
class ListedUser:
    user_id: str
    probability: float
    expected_gain: float
    reasons: Sequence[str]
    """The strongest first; none where the version gave none"""


@dataclass(frozen=True)
class ListFilter:
    """least: of the probability. part: of the user_id, and reason: of one of the reasons; '' for all."""

    least: float = 0.0
    part: str = ""
    reason: str = ""


def campaign_summaries() -> list[CampaignSummary]:
    """The newest 24, the newest first. Raises DatabaseUnavailable."""
    try:
        with transaction() as cur:
            cur.execute(statement("campaign_summaries"))
            return [CampaignSummary(*row) for row in cur.fetchall()]
    except psycopg.errors.UndefinedTable:
        return []  # no campaign was made in this database


def listed_users(campaign: str, chosen: ListFilter, offset: int = 0, limit: int = ALL_USERS) -> list[ListedUser]:
    """The largest expected gain first. Nobody of the control group is among them."""
    values = {"campaign": campaign, **vars(chosen), "offset": offset, "limit": limit}
    with transaction() as cur:
        cur.execute(statement("listed_users"), values)
        return [ListedUser(*row) for row in cur.fetchall()]


def gain_curve(campaign: str) -> list[tuple[int, float]]:
    """Number of users from the list's top -> their expected gain."""
    with transaction() as cur:
        cur.execute(statement("gain_curve"), {"campaign": campaign})
        return [(int(place), float(gain)) for place, gain in cur.fetchall()]
