"""What a column of a monthly file may hold, as pandera columns of text as written: checked before any conversion.

The checks compute in Arrow (pandas took a minute for what takes Arrow three seconds, a million users). The name of each
is the problem of a text that does not keep to it.
"""

from collections.abc import Callable

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from pandera.pandas import Check, Column, DataFrameSchema

TEXT = pd.ArrowDtype(pa.string())
INT32_MAX = 2**31 - 1
WHOLE = r"^[+-]?[0-9]{1,18}\z"
DECIMAL = r"^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,3})?\z"
DIGITS_THAT_COUNT = r"^[^eE]*[1-9]"
DAY = r"^(19|20)[0-9]{2}-[0-9]{2}-[0-9]{2}\z"
# RE2 knows blanks of ASCII alone by \s; \pZ and the next-line character are the others
KNOWN = "known categories"
USER_ID = r"^[^\s\pZ\x{85}\x00-\x1f\x7f]([^\x00-\x1f\x7f]{0,126}[^\s\pZ\x{85}\x00-\x1f\x7f])?\z"
CATEGORY = USER_ID.replace("126", "62")


Holds = Callable[[pa.ChunkedArray], pa.ChunkedArray]
"""Which texts keep to a rule."""


def _check(problem: str, holds: Holds) -> Check:
    def passed(texts: "pd.Series[str]") -> "pd.Series[bool]":
        return pd.Series(np.asarray(holds(pa.array(texts))), index=texts.index)

    return Check(passed, name=problem, ignore_na=False)


def _column(*checks: Check) -> Column:
    return Column(TEXT, list(checks))


def _shape(pattern: str, problem: str) -> Check:
    return _check(problem, lambda texts: pc.match_substring_regex(texts, pattern))


def _doubles(texts: pa.ChunkedArray) -> pa.ChunkedArray:
    """Null for what is no number at all: that is another rule's finding."""
    return pc.if_else(pc.match_substring_regex(texts, DECIMAL), texts, None).cast(pa.float64())


def _in_range(low: float, high: float) -> Check:
    def holds(texts: pa.ChunkedArray) -> pa.ChunkedArray:
        numbers = _doubles(texts)
        between = pc.and_(pc.greater_equal(numbers, low), pc.less_equal(numbers, high))
        return between.fill_null(True)

    return _check(f"is not between {low:g} and {high:g}", holds)


def whole(low: int = 0, high: int = INT32_MAX) -> Column:
    return _column(_shape(WHOLE, "is not a whole number"), _in_range(low, high))


def number(low: float = 0.0, high: float = 1e9) -> Column:
    shape = _shape(DECIMAL, "is not a number")
    return _column(shape, _check("is beyond double precision", _is_double), _in_range(low, high))


def _is_double(texts: pa.ChunkedArray) -> pa.ChunkedArray:
    """PostgreSQL refuses what would become infinite, and what would become zero and is not."""
    numbers = _doubles(texts)
    lost = pc.and_(pc.equal(numbers, 0.0), pc.match_substring_regex(texts, DIGITS_THAT_COUNT))
    return pc.invert(pc.or_(pc.is_inf(numbers), lost)).fill_null(True)


def category(*known: str) -> Column:
    """One of the names that are known; others only where somebody says that there are new ones."""
    allow = "a new one is allowed by -P new_categories=true"
    return Column(TEXT, [_among(known, f"is not one of {', '.join(known)} ({allow})")], metadata={KNOWN: known})


def known_categories(schema: DataFrameSchema) -> dict[str, tuple[str, ...]]:
    """The names that are known of each column of categories."""
    return {name: column.metadata[KNOWN] for name, column in schema.columns.items() if column.metadata}


def with_new_categories(schema: DataFrameSchema) -> DataFrameSchema:
    """The schema with any sane text allowed in its columns of categories."""
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
        # strptime takes the 30th of February for the 1st of March: only a real day comes back as it was
        return pc.and_(shaped, pc.equal(pc.strftime(parsed, format="%Y-%m-%d"), texts).fill_null(False))

    return _column(_check("is not a date like 2024-01-31", holds))


def user_id() -> Column:
    problem = "is empty, over 128 characters, or has blanks around it or control characters in it"
    return _column(_shape(USER_ID, problem))
