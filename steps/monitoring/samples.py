"""A month's users with the columns that a version reads, and what two months have in common. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from functools import cached_property

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from steps.monitoring.effects import Column, is_number, numbers

DIGITS = 6  # of sums of fees: beyond them, doubles differ by the order of adding


@dataclass(frozen=True)
class Sample:
    """Users of a month and their columns, in the order of user_ids. name: for people, such as "month before"."""

    name: str
    as_of: date
    user_ids: Column
    columns: Mapping[str, Column]

    @property
    def users(self) -> int:
        return len(self.user_ids)


class Compact(Mapping[str, Column]):
    """Columns in half the memory: texts by number, whole numbers in 32 bits where they fit. Reading one gives it as it
    was added."""

    def __init__(self) -> None:
        self._chunks: dict[str, list[pa.ChunkedArray]] = {}
        self._types: dict[str, pa.DataType] = {}

    def add(self, rows: pa.Table) -> None:
        """The next rows of these columns."""
        for name in rows.column_names:
            self._types[name] = rows.schema.field(name).type
            self._chunks.setdefault(name, []).append(_compact(rows[name]))

    def __getitem__(self, name: str) -> Column:
        kind = self._types[name]
        return pa.chunked_array([part for chunk in self._chunks[name] for part in chunk.cast(kind).chunks], kind)

    def __iter__(self) -> Iterator[str]:
        return iter(self._chunks)

    def __len__(self) -> int:
        return len(self._chunks)


def _compact(column: pa.ChunkedArray) -> pa.ChunkedArray:
    if pa.types.is_string(column.type):
        return column.dictionary_encode()
    if not pa.types.is_int64(column.type):
        return column
    ends = pc.min_max(column).as_py()
    fits = ends["min"] is None or (ends["min"] >= -(2**31) and ends["max"] < 2**31)
    return column.cast(pa.int32()) if fits else column


@dataclass(frozen=True)
class Pair:
    """Two samples, and the users that are in both."""

    before: Sample
    now: Sample

    @cached_property
    def _places(self) -> pa.Array:
        """Of each present user among the earlier ones; null for new users."""
        places = pc.index_in(self.now.user_ids, value_set=_flat(self.before.user_ids))
        return _flat(places)

    @cached_property
    def users(self) -> int:
        """In both samples."""
        return int(len(self._places) - self._places.null_count)

    @property
    def months(self) -> int:
        """Elapsed between the samples."""
        return 12 * (self.now.as_of.year - self.before.as_of.year) + self.now.as_of.month - self.before.as_of.month

    def values(self, name: str) -> tuple[Column, Column]:
        """The column's values of the users in both samples: then, and now."""
        then = _flat(self.before.columns[name]).take(self._places.drop_null())
        return then, _flat(self.now.columns[name]).filter(self._places.is_valid())

    def expected(self, name: str, advances_by: int | str) -> tuple[Column, Column]:
        """Of a column that advances: the values to be expected now of the users in both samples, and their values.

        A value that the column does not exceed in either sample is its end: users stay there.
        """
        then, now = (numbers(column) for column in self.values(name))
        amount = (
            numbers(self.values(advances_by)[0]) if isinstance(advances_by, str) else np.full(len(then), advances_by)
        )
        advanced = then + amount * self.months
        if len(then) and np.nanmax(then, initial=-np.inf) == np.nanmax(now, initial=-np.inf):
            advanced = np.minimum(advanced, np.nanmax(now, initial=-np.inf))
        return pa.array(advanced.round(DIGITS), from_pandas=True), pa.array(now.round(DIGITS), from_pandas=True)


def equal(left: Column, right: Column) -> "np.ndarray[tuple[int, ...], np.dtype[np.bool_]]":
    """True where two columns have the same value, or both none."""
    if is_number(left):
        first, second = numbers(left), numbers(right)
        return np.asarray((first == second) | (np.isnan(first) & np.isnan(second)))
    same = pc.equal(left, right).fill_null(False)
    both_missing = pc.and_(left.is_null(), right.is_null())
    return np.asarray(pc.or_(same, both_missing).to_numpy(zero_copy_only=False), dtype=np.bool_)


def _flat(column: Column) -> pa.Array:
    return column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
