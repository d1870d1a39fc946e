"""Checks for mistyped days, before anything is loaded."""

from collections.abc import Sequence
from datetime import UTC, date, datetime

from steps.cli.errors import BadParameter

FAR_DAYS = 92  # a quarter: months may be missing, years are mistyped


def require_likely(as_of: date, loaded: Sequence[date]) -> None:
    """Raises BadParameter for an as_of after today or far from every loaded month. loaded: as_of days, oldest first."""
    if as_of in loaded:
        return
    newest = f"The newest loaded month is {loaded[-1]}" if loaded else "No month is loaded"
    confirm = f"If {as_of} is right, add -P confirm_date=true"
    if as_of > today():
        raise BadParameter(f"as_of {as_of} is after today, {today()}. {newest}. {confirm}")
    if loaded and min(abs((as_of - month).days) for month in loaded) > FAR_DAYS:
        raise BadParameter(f"as_of {as_of} is more than {FAR_DAYS} days from every loaded month. {newest}. {confirm}")


def require_knowable(as_of: date, known_at: date) -> None:
    """Raises BadParameter for a known_at before as_of or after today."""
    if known_at < as_of:
        raise BadParameter(f"known_at {known_at} is before as_of {as_of}: a month is not known before its end")
    if known_at > max(today(), as_of):
        raise BadParameter(f"known_at {known_at} is after today, {today()}: it is not known yet")


def today() -> date:
    """The later of the local and the UTC day."""
    now = datetime.now(UTC)
    return max(now.date(), now.astimezone().date())
