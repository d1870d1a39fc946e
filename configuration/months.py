"""Which day a month's folder is of: month_NNN counts month ends from the first month, YYYY-MM-DD says it."""

import calendar
import re
from datetime import date

FIRST_MONTH = date(2024, 1, 31)  # month_000
NUMBERED = re.compile(r"month_(\d{3,4})", re.ASCII)
DATED = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)


def day_of(number: int) -> date:
    """The day of the folder month_NNN."""
    months = FIRST_MONTH.month - 1 + number
    year, month = FIRST_MONTH.year + months // 12, months % 12 + 1
    return date(year, month, calendar.monthrange(year, month)[1])


def number_of(day: date) -> int:
    """The NNN of the month that ends on the day."""
    return (day.year - FIRST_MONTH.year) * 12 + day.month - FIRST_MONTH.month


def day_of_folder(name: str) -> date | None:
    """None for a name that is of no month."""
    if numbered := NUMBERED.fullmatch(name):
        return day_of(int(numbered[1]))
    try:
        return date.fromisoformat(name) if DATED.fullmatch(name) else None
    except ValueError:  # no such day
        return None
