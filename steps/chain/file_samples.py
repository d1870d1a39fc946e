"""The columns of a month's files, and those of a loaded month, as the rules across months compare them."""

from collections.abc import Mapping
from datetime import date

import pyarrow as pa
import pyarrow.compute as pc

from steps import warehouse
from steps.monitoring.samples import Compact, Sample
from steps.month.files import FILES, CheckedMonth
from steps.month.rules import AcrossMonths, across_months

USER = "user_id"
SNAPSHOTS = tuple(name for name, table in warehouse.MONTH_TABLES.items() if table.is_snapshot)

Types = Mapping[str, pa.DataType]


def rules() -> dict[str, AcrossMonths]:
    """Of every column that has a value each month."""
    declared = {name: rule for file in SNAPSHOTS for name, rule in across_months(FILES[file]).items()}
    return {name: rule for name, rule in declared.items() if name != USER}


def file_of(column: str) -> str:
    """The file with this column; that of all users for any other name."""
    return next((f"{name}.csv" for name in SNAPSHOTS if column in FILES[name].columns), "users.csv")


def loaded(as_of: date, name: str) -> Sample:
    """Of a month in the warehouse."""
    tables = {
        warehouse.MONTH_TABLES[file].name: [column for column in FILES[file].columns if column != USER]
        for file in SNAPSHOTS
    }
    ids: list[pa.Array] = []
    columns = Compact()

    def see(rows: pa.Table) -> None:
        ids.extend(rows[USER].chunks)
        columns.add(rows.drop_columns([USER]))

    warehouse.read_features(tables, as_of, see)
    return Sample(name, as_of, pa.chunked_array(ids, pa.string()), columns)


def in_files(month: CheckedMonth, as_of: date, types: Types) -> Sample:
    """Of a checked month that may not be loaded, with the types of the loaded one. A user without a row in a file has
    no values of its columns."""
    users = pa.concat_arrays([chunk[USER] for chunk in month.chunks("users")])
    columns: dict[str, pa.ChunkedArray] = {}
    for file in SNAPSHOTS:
        rows = pa.Table.from_batches(list(month.chunks(file)))
        places = pc.index_in(users, value_set=rows[USER].combine_chunks())
        for name in rows.column_names:
            if name != USER:
                columns[name] = _typed(rows[name], types[name]).take(places)
    return Sample("", as_of, pa.chunked_array([users]), columns)


def _typed(texts: pa.ChunkedArray, kind: pa.DataType) -> pa.ChunkedArray:
    """In any notation that the check accepts, such as +1.5e3."""
    if pa.types.is_string(kind):
        return texts
    if pa.types.is_boolean(kind):
        return pc.equal(pc.utf8_lower(texts), "true")
    return pc.utf8_ltrim(texts, "+").cast(pa.float64()).cast(kind)


def types_of(sample: Sample) -> Types:
    return {name: column.type for name, column in sample.columns.items()}
