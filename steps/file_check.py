"""One file against its rules, a chunk at a time: what is kept is its user ids and its faults, never its rows."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from steps.column_rules import Column
from steps.csv_text import Chunk, Fault, TextFile
from steps.progress import Advance

KEPT_FAULTS = 10_000  # of a file; more are counted and not kept

RowRule = Callable[[pa.RecordBatch], Iterable[tuple[str, str, pa.BooleanArray]]]
"""A rule over several columns: the column it finds fault with, the problem, and which rows keep to it."""


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
    file: TextFile,
    columns: Mapping[str, Column],
    row_rule: RowRule | None,
    known: Known | None,
    advance: Advance,
) -> tuple[Checked, Known | None]:
    """What was found, and the file's user ids. known: the ids that are allowed; None for any."""
    checked, ids = Checked(file.path.name), _Ids()
    for chunk in file.chunks():
        for name, column in columns.items():
            for rule in column.rules:
                checked.add(_faults(file, chunk, name, rule.problem, rule.holds(chunk.rows[name])))
        for name, problem, holds in row_rule(chunk.rows) if row_rule else ():
            checked.add(_faults(file, chunk, name, problem, holds))
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


def _faults(file: TextFile, chunk: Chunk, column: str, problem: str, holds: pa.BooleanArray) -> Iterator[Fault]:
    if holds.true_count == len(holds):
        return
    for row in np.flatnonzero(~holds.to_numpy(zero_copy_only=False)):
        yield Fault(file.path.name, int(chunk.lines[row]), column, chunk.rows[column][int(row)].as_py(), problem)


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
