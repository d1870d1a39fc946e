"""One file against its schema, a chunk at a time: what is kept is its user ids and its faults, never its rows."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from pandera.config import ValidationDepth, config_context
from pandera.errors import SchemaError, SchemaErrorReason, SchemaErrors
from pandera.pandas import DataFrameSchema

from steps.csv_text import Chunk, Fault, TextFile
from steps.progress import Advance

KEPT_FAULTS = 10_000  # of a file; more are counted and not kept


@dataclass
class Checked:
    file: str
    rows: int = 0
    count: int = 0  # of all faults, also those that are not kept
    faults: list[Fault] = field(default_factory=list)

    def add(self, faults: Iterable[Fault]) -> None:
        for fault in faults:
            self.count += 1
            if len(self.faults) < KEPT_FAULTS:
                self.faults.append(fault)


@dataclass(frozen=True)
class Known:
    """The users of a file."""

    ids: pa.ChunkedArray
    unique: bool


@dataclass
class _Ids:
    """The user ids of a file, in their order, and the lines they are on: all that is kept of its rows."""

    parts: list[pa.Array] = field(default_factory=list)
    lines: "list[np.typing.NDArray[np.int64]]" = field(default_factory=list)

    def add(self, chunk: Chunk) -> None:
        self.parts.append(pa.concat_arrays([chunk.rows["user_id"]]))  # a copy: a slice would keep all of the chunk
        self.lines.append(chunk.lines)

    @property
    def column(self) -> pa.ChunkedArray:
        return pa.chunked_array(self.parts, pa.string())

    def faults(self, file: str, wrong: "np.typing.NDArray[np.bool_]", problem: str) -> Iterator[Fault]:
        if wrong.any():
            lines, ids = np.concatenate(self.lines), self.column
            for row in np.flatnonzero(wrong):
                yield Fault(file, int(lines[row]), "user_id", ids[int(row)].as_py(), problem)


def check_file(
    file: TextFile, schema: DataFrameSchema, known: Known | None, advance: Advance
) -> tuple[Checked, Known | None]:
    """What was found, and the file's user ids. known: the ids that are allowed; None for any.

    That nobody is there twice and nobody is unknown goes beyond a chunk, which is all that a schema sees.
    """
    checked, ids = Checked(file.path.name), _Ids()
    for chunk in file.chunks():
        for broken in _broken_checks(schema, chunk):
            checked.add(_faults(file.path.name, chunk, broken))
        checked.rows += chunk.rows.num_rows
        ids.add(chunk)
        advance(chunk.rows.num_rows)
    checked.add(file.faults)
    if not ids.parts:
        return checked, None
    # the usual month has the same users in the same order in every file: nothing to look up then
    if known and known.unique and ids.column.equals(known.ids):
        return checked, known
    repeated = _repeated(ids.column)
    checked.add(ids.faults(checked.file, repeated, "is there twice"))
    if known:
        checked.add(ids.faults(checked.file, _strange(ids.column, known.ids), "is not in users.csv"))
    return checked, Known(ids.column, unique=not repeated.any())


def _broken_checks(schema: DataFrameSchema, chunk: Chunk) -> list[SchemaError]:
    rows = chunk.rows.to_pandas(types_mapper=pd.ArrowDtype)  # no copy of the texts
    try:
        # whatever pandera's variables in the environment say: they can turn all checks off
        with config_context(validation_enabled=True, validation_depth=ValidationDepth.SCHEMA_AND_DATA):
            schema.validate(rows, lazy=True, inplace=True)
    except SchemaErrors as found:
        errors: list[SchemaError] = found.schema_errors
        return errors
    return []


def _faults(file: str, chunk: Chunk, broken: SchemaError) -> Iterator[Fault]:
    """A fault for each row that a check found. Raises the error itself when the check could not be carried out."""
    if broken.reason_code is not SchemaErrorReason.DATAFRAME_CHECK:
        raise broken
    check = broken.check
    column = check.statistics.get("column", broken.schema.name)  # a check over several columns says whose fault it is
    for row in np.flatnonzero(~broken.check_output):
        yield Fault(file, int(chunk.lines[row]), column, chunk.rows[column][int(row)].as_py(), check.name)


def _repeated(ids: pa.ChunkedArray) -> "np.typing.NDArray[np.bool_]":
    """The second row of a user and all further ones."""
    repeated = np.zeros(len(ids), dtype=bool)
    if pc.count_distinct(ids).as_py() < len(ids):
        codes = ids.combine_chunks().dictionary_encode().indices.to_numpy()
        repeated[:] = True
        repeated[np.unique(codes, return_index=True)[1]] = False
    return repeated


def _strange(ids: pa.ChunkedArray, known: pa.ChunkedArray) -> "np.typing.NDArray[np.bool_]":
    """Users whom users.csv does not have; an empty id is another rule's finding."""
    strange = pc.and_(pc.invert(pc.is_in(ids, value_set=known)), pc.not_equal(ids, ""))
    return np.asarray(strange)
