"""Rules for the columns of monthly files, as pandera columns of unconverted text.

The checks compute in Arrow: three seconds for a million users, against a minute in pandas. A check's name is the
problem of a text that breaks it.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import TypeVar

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from pandera.pandas import Check, Column, DataFrameSchema

from steps.month.csv_lines import bytes_of

CATEGORIES = "categories"
IS_WHOLE = "is whole"
ACROSS_MONTHS = "across months"
TEXT = pd.ArrowDtype(pa.string())
INT32_MAX = 2**31 - 1
WHOLE = r"^[+-]?[0-9]{1,18}\z"
LONGEST_NUMBER = 40  # characters: enough for any double; arithmetic on longer ones is slow
DECIMAL_TEXT = r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,3})?"
DECIMAL = rf"^{DECIMAL_TEXT}\z"
DIGITS_THAT_COUNT = r"^[^eE]*[1-9]"
DAY = r"^(19|20)[0-9]{2}-[0-9]{2}-[0-9]{2}\z"
# the same control characters as the gateway refuses
INSIDE = r"[^\x00-\x1f\x{7f}-\x{9f}]"
AT_THE_ENDS = r"[^\x00-\x1f\x{7f}-\x{9f}\pZ]"  # RE2's \s is ASCII only
USER_ID = rf"^{AT_THE_ENDS}({INSIDE}{{0,126}}{AT_THE_ENDS})?\z"
CATEGORY = USER_ID.replace("126", "62")


Texts = TypeVar("Texts", pa.Array, pa.ChunkedArray)
Holds = Callable[[pa.ChunkedArray], pa.ChunkedArray]
"""True for each text that keeps a rule"""


def _check(problem: str, holds: Holds) -> Check:
    def passed(texts: "pd.Series[str]") -> "pd.Series[bool]":
        return pd.Series(np.asarray(holds(pa.array(texts))), index=texts.index)

    return Check(passed, name=problem, ignore_na=False)


def _column(*checks: Check) -> Column:
    return Column(TEXT, list(checks))


def _shape(pattern: str, problem: str) -> Check:
    return _check(problem, lambda texts: pc.match_substring_regex(texts, pattern))


def _doubles(texts: pa.ChunkedArray) -> pa.ChunkedArray:
    """Null for texts that are not numbers: another rule finds them."""
    return pc.if_else(pc.match_substring_regex(texts, DECIMAL), texts, None).cast(pa.float64())


def _in_range(low: float, high: float) -> Check:
    def holds(texts: pa.ChunkedArray) -> pa.ChunkedArray:
        numbers = _doubles(texts)
        between = pc.and_(pc.greater_equal(numbers, low), pc.less_equal(numbers, high))
        return between.fill_null(True)

    return _check(f"is not between {low:g} and {high:g}", holds)


@dataclass(frozen=True)
class AcrossMonths:
    """How the values of the same users move from month to month; the monitor checks it, a load does not."""

    must_change: bool = False  # for some users at least
    advances_by: int | str = ""  # a number a month, or the column that has it; '' where the value does not advance


def across_months(schema: DataFrameSchema) -> dict[str, AcrossMonths]:
    """Of each column; a column without a declaration may stay as it is."""
    return {name: (column.metadata or {}).get(ACROSS_MONTHS, AcrossMonths()) for name, column in schema.columns.items()}


def whole(low: int = 0, high: int = INT32_MAX, *, must_change: bool = False, advances_by: int | str = "") -> Column:
    """A whole number in any notation: pandas writes 34.0 for 34 in a column with missing values."""
    is_whole = _check("is not a whole number", lambda texts: pc.is_valid(_as_whole(texts)))
    metadata = {IS_WHOLE: True, ACROSS_MONTHS: AcrossMonths(must_change, advances_by)}
    return Column(TEXT, [is_whole, _in_range(low, high)], metadata=metadata)


def with_whole_numbers(rows: pa.RecordBatch, schema: DataFrameSchema) -> pa.RecordBatch:
    """The rows with whole numbers in PostgreSQL's notation: 34 for 34.0. Other values stay unchanged."""
    for place, name in enumerate(rows.schema.names):
        if (schema.columns[name].metadata or {}).get(IS_WHOLE) and _may_hold_fractions(rows[name]):
            rows = rows.set_column(place, name, _as_whole(rows[name]))
    return rows


def _may_hold_fractions(texts: pa.StringArray) -> bool:
    """Looks at all bytes at once: matching a pattern per value would take longer than reading the file."""
    codes = bytes_of(texts)
    return bool((codes == ord(".")).any() or (codes > ord("9")).any())


def _as_whole(texts: Texts) -> Texts:
    """34 for 34.0 and 3.4e1, exactly; null for other texts. Plain digits, nearly all values, stay unchanged."""
    plain = pc.match_substring_regex(texts, WHOLE)
    if pc.all(plain).as_py():
        return texts
    distinct = pc.unique(texts.filter(pc.invert(plain)))
    written = pa.array([_whole_text(text) for text in distinct.to_pylist()], pa.string())
    return pc.if_else(plain, texts, written.take(pc.index_in(texts, value_set=distinct)))


def _whole_text(text: str) -> str | None:
    if len(text) > LONGEST_NUMBER or not re.fullmatch(DECIMAL.removesuffix(r"\z"), text):
        return None
    value = Decimal(text)
    return str(int(value)) if value.adjusted() < LONGEST_NUMBER and value == value.to_integral_value() else None


def number(low: float = 0.0, high: float = 1e9, *, must_change: bool = False, advances_by: int | str = "") -> Column:
    shape = _shape(DECIMAL, "is not a number")
    checks = [shape, _check("is beyond double precision", _is_double), _in_range(low, high)]
    return Column(TEXT, checks, metadata={ACROSS_MONTHS: AcrossMonths(must_change, advances_by)})


def _is_double(texts: pa.ChunkedArray) -> pa.ChunkedArray:
    """PostgreSQL refuses numbers that overflow to infinity or underflow to zero."""
    numbers = _doubles(texts)
    lost = pc.and_(pc.equal(numbers, 0.0), pc.match_substring_regex(texts, DIGITS_THAT_COUNT))
    return pc.invert(pc.or_(pc.is_inf(numbers), lost)).fill_null(True)


def category(*names: str) -> Column:
    """One of the names; others only with new_categories=true."""
    allow = "a new one is allowed by -P new_categories=true"
    return Column(TEXT, [_among(names, f"is not one of {', '.join(names)} ({allow})")], metadata={CATEGORIES: names})


def known_categories(schema: DataFrameSchema) -> dict[str, tuple[str, ...]]:
    """The allowed names of each column of categories."""
    return {
        name: column.metadata[CATEGORIES]
        for name, column in schema.columns.items()
        if CATEGORIES in (column.metadata or {})
    }


def with_new_categories(schema: DataFrameSchema) -> DataFrameSchema:
    """The schema with any short text without control characters allowed in its columns of categories."""
    any_text = [_shape(CATEGORY, "is empty, over 64 characters, or has blanks around it or control characters in it")]
    changed: DataFrameSchema = schema.update_columns({name: {"checks": any_text} for name in known_categories(schema)})
    return changed


def flag(*, may_be_empty: bool = False) -> Column:
    allowed = ("True", "False", "true", "false", "TRUE", "FALSE") + (("",) if may_be_empty else ())
    return _column(_among(allowed, "is not True or False"))


def _among(names: tuple[str, ...], problem: str) -> Check:
    return _check(problem, lambda texts: pc.is_in(texts, value_set=pa.array(names)))


def day() -> Column:
    def holds(texts: pa.ChunkedArray) -> pa.ChunkedArray:
        shaped = pc.match_substring_regex(texts, DAY)
        parsed = pc.strptime(pc.if_else(shaped, texts, ""), format="%Y-%m-%d", unit="s", error_is_null=True)
        # strptime reads the 30th of February as the 1st of March: only a real day survives the way back
        return pc.and_(shaped, pc.equal(pc.strftime(parsed, format="%Y-%m-%d"), texts).fill_null(False))

    return _column(_check("is not a date like 2024-01-31", holds))


def user_id() -> Column:
    problem = "is empty, over 128 characters, or has blanks around it or control characters in it"
    return _column(_shape(USER_ID, problem))
