"""What a column of a monthly file may hold, as pandera columns of text: checked as written, before any conversion."""

import numpy as np
import pandas as pd
import pandera.pandas as pa

INT32_MAX = 2**31 - 1
DECIMAL = r"^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,3})?\Z"


def _column(*checks: pa.Check) -> pa.Column:
    return pa.Column(str, list(checks))


def _in_range(low: float, high: float) -> pa.Check:
    def holds(values: "pd.Series[str]") -> "pd.Series[bool]":
        numbers = pd.to_numeric(values, errors="coerce")
        return numbers.isna() | numbers.between(low, high)  # what is no number at all is another check's finding

    return pa.Check(holds, error=f"is not between {low:g} and {high:g}")


def whole(low: int = 0, high: int = INT32_MAX) -> pa.Column:
    shape = pa.Check.str_matches(r"^[+-]?[0-9]{1,18}\Z", error="is not a whole number")
    return _column(shape, _in_range(low, high))


def number(low: float = 0.0, high: float = 1e9) -> pa.Column:
    shape = pa.Check.str_matches(DECIMAL, error="is not a number")
    return _column(shape, pa.Check(_is_double, error="is beyond double precision"), _in_range(low, high))


def _is_double(values: "pd.Series[str]") -> "pd.Series[bool]":
    """PostgreSQL refuses what would become infinite, and what would become zero and is not."""
    texts = values[values.str.match(DECIMAL)]
    doubles = texts.map(float).astype(float)  # also where there are none
    not_zero = texts[doubles == 0].str.split("[eE]", regex=True).str[0].str.contains("[1-9]")
    lost = doubles.index[np.isinf(doubles)].union(not_zero.index[not_zero])
    return pd.Series(~values.index.isin(lost), index=values.index)


def one_of(*names: str) -> pa.Column:
    return _column(pa.Check.isin(names, error=f"is not one of {', '.join(names)}"))


def flag(*, may_be_empty: bool = False) -> pa.Column:
    allowed = ("True", "False", "true", "false", "TRUE", "FALSE") + (("",) if may_be_empty else ())
    return _column(pa.Check.isin(allowed, error="is not True or False"))


def day() -> pa.Column:
    def holds(values: "pd.Series[str]") -> "pd.Series[bool]":
        shaped = values.str.fullmatch(r"(19|20)[0-9]{2}-[0-9]{2}-[0-9]{2}")
        return shaped & pd.to_datetime(values, format="%Y-%m-%d", errors="coerce").notna()

    return _column(pa.Check(holds, error="is not a date like 2024-01-31"))


def user_id() -> pa.Column:
    readable = pa.Check.str_matches(
        r"^[^\s\x00-\x1f\x7f]([^\x00-\x1f\x7f]{0,126}[^\s\x00-\x1f\x7f])?\Z",
        error="is empty, over 128 characters, or has blanks around it or control characters in it",
    )
    return pa.Column(str, readable, unique=True, report_duplicates="exclude_first")
