"""A model's input example: a row that is typical of the training set and belongs to no customer. Pure."""

from collections.abc import Hashable, Iterator
from itertools import product
from typing import Any

import numpy as np
import pandas as pd
from pandas.api.types import is_bool_dtype, is_float_dtype, is_integer_dtype


def input_example(rows: pd.DataFrame) -> pd.DataFrame:
    """One row with the columns and types of `rows`: medians of numbers, otherwise the most frequent values.

    Where a customer has exactly these values, a number becomes smaller, but not below 0, until no customer has them.
    A training set without numbers in which every combination of values is a customer's has no such row: it gets the
    typical one.
    """
    typical = {str(name): _typical(rows[name]) for name in rows}
    taken = _combinations(rows)
    chosen = next((row for row in _candidates(rows, typical) if row not in taken), tuple(typical.values()))
    return pd.DataFrame([dict(zip(rows.columns, chosen, strict=True))]).astype(rows.dtypes)


def _combinations(rows: pd.DataFrame) -> set[tuple[Hashable, ...]]:
    return set(zip(*(rows[name].tolist() for name in rows), strict=True))


def _typical(column: "pd.Series[Any]") -> Any:
    if is_bool_dtype(column) or not (is_integer_dtype(column) or is_float_dtype(column)):
        return column.mode().sort_values(kind="stable").tolist()[0]
    median = float(np.median(column.to_numpy()))
    return int(np.floor(median)) if is_integer_dtype(column) else median


def _candidates(rows: pd.DataFrame, typical: dict[str, Any]) -> Iterator[tuple[Any, ...]]:
    """The typical row, then rows that differ from it in one number, then all combinations of values that occur."""
    yield tuple(typical.values())
    floats = [str(name) for name in rows if is_float_dtype(rows[name])]
    integers = [str(name) for name in rows if is_integer_dtype(rows[name])]
    for name in (*floats[:1], *integers):
        for value in _other_values(typical[name], len(rows), whole=name in integers):
            yield tuple({**typical, name: value}.values())
    yield from product(*(sorted(rows[name].unique().tolist()) for name in rows))


def _other_values(value: float, count: int, *, whole: bool) -> Iterator[float]:
    """Numbers between 0 and the value, the nearest first, then those above; more than `count` in all, so that not
    every one of them can be a customer's."""
    if whole:
        yield from range(int(value) - 1, -1, -1)
        yield from range(int(value) + 1, int(value) + count + 2)
    elif value:
        yield from (value * (1 - step / (count + 2)) for step in range(1, count + 2))
    else:
        yield from (step / (count + 2) for step in range(1, count + 2))
