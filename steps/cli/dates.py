"""Is a day the one that is meant? What is typed wrong is questioned, before anything is loaded. Pure, but for today."""

from collections.abc import Sequence
from datetime import UTC, date, datetime

from steps.cli.errors import BadParameter

FAR_DAYS = 92  # a quarter: months may be left out, years are typed wrong


def require_likely(as_of: date, loaded: Sequence[date]) -> None:
    """loaded: the months there are, the oldest first. Raises BadParameter for a day after today, or far from all."""
    if as_of in loaded:
        return
    there = f"The newest loaded month is {loaded[-1]}" if loaded else "No month is loaded"
    confirm = f"Is {as_of} right? Then say -P confirm_date=true"
    if as_of > today():
        raise BadParameter(f"as_of {as_of} is after today, {today()}. {there}. {confirm}")
    if loaded and min(abs((as_of - month).days) for month in loaded) > FAR_DAYS:
        raise BadParameter(f"as_of {as_of} is more than {FAR_DAYS} days from every loaded month. {there}. {confirm}")


def require_knowable(as_of: date, known_at: date) -> None:
    """Raises BadParameter for a day on which nobody knew a month, or knows it yet."""
    if known_at < as_of:
        raise BadParameter(f"known_at {known_at} is before as_of {as_of}: nobody knows a month before its end")
    if known_at > max(today(), as_of):
        raise BadParameter(f"known_at {known_at} is after today, {today()}: it is not known yet")


def today() -> date:
    """Here or in UTC, whichever is later."""
    now = datetime.now(UTC)
    return max(now.date(), now.astimezone().date())
