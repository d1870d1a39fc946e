"""Columns are kept in less memory, and read as they were."""

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from steps.monitoring.samples import Compact

NUMBERS = st.one_of(st.none(), st.integers(-(2**63), 2**63 - 1), st.integers(-5, 5))
TEXTS = st.one_of(st.none(), st.text(max_size=3))
ROWS = st.lists(st.tuples(NUMBERS, TEXTS, st.one_of(st.none(), st.floats()), st.one_of(st.none(), st.booleans())))
KINDS = {"number": pa.int64(), "text": pa.string(), "double": pa.float64(), "flag": pa.bool_()}


@given(chunks=st.lists(ROWS, min_size=1, max_size=3))
def test_columns_are_read_as_they_were_added(chunks: list[list[tuple[object, ...]]]) -> None:
    columns, tables = Compact(), []
    for rows in chunks:
        values = zip(*rows, strict=True) if rows else [()] * len(KINDS)
        tables.append(
            pa.table({name: pa.array(list(column), KINDS[name]) for name, column in zip(KINDS, values, strict=True)})
        )
        columns.add(tables[-1])
    whole = pa.concat_tables(tables)
    for name, kind in KINDS.items():
        assert columns[name].type == kind
        assert repr(columns[name].to_pylist()) == repr(whole[name].to_pylist()), "with repr, NaN equals NaN"


def test_texts_and_small_numbers_take_less_memory() -> None:
    columns = Compact()
    table = pa.table({"number": pa.array([7] * 1000), "text": ["Two year"] * 1000})
    columns.add(table)
    kept = sum(chunk.nbytes for chunks in columns._chunks.values() for chunk in chunks)
    assert kept < 0.5 * table.nbytes
