"""One file against its schema, a chunk at a time: what is kept is its faults and eight bytes a user, never its rows."""

import gc
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from pandera.config import ValidationDepth, config_context
from pandera.errors import SchemaError, SchemaErrorReason, SchemaErrors
from pandera.pandas import DataFrameSchema

from steps.cli.progress import Advance
from steps.month.csv_bytes import Fault
from steps.month.csv_text import Chunk, TextFile

Prints = np.typing.NDArray[np.uint64]

KEPT_FAULTS = 10_000  # of a file; more are counted and not kept
NOBODY: Prints = np.empty(0, np.uint64)


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
    """The fingerprints of the users who may be in a file, and what is wrong with another one."""

    prints: Prints
    problem: str


def check_file(
    file: TextFile, schema: DataFrameSchema, known: Known | None, advance: Advance
) -> tuple[Checked, Prints]:
    """What was found, and the fingerprints of the file's user ids, in its order. known: who is allowed; None for
    anybody.

    That nobody is there twice and nobody is unknown goes beyond a chunk, which is all that a schema sees.
    """
    checked, parts = Checked(file.path.name), [NOBODY]
    for chunk in file.chunks():
        for broken in _broken_checks(schema, chunk):
            checked.add(_faults(file.path.name, chunk, broken))
        checked.rows += chunk.rows.num_rows
        parts.append(prints(chunk.rows["user_id"]))
        advance(chunk.rows.num_rows)
        gc.collect(1)  # pandera ties each frame to itself: 40 MB would wait for the collector's own time
    checked.add(file.faults)
    of_file = np.concatenate(parts)
    parts.clear()
    checked.add(_user_faults(file, of_file, known))
    return checked, of_file


def prints(ids: pa.Array) -> Prints:
    """Eight bytes an id. That two ids share them happens once in 10^19 pairs: who looks wrong by them is asked again,
    and who looks right by chance is for the database to refuse."""
    return np.asarray(pd.util.hash_array(ids.to_numpy(zero_copy_only=False), categorize=False))


def _user_faults(file: TextFile, prints_of_file: Prints, known: Known | None) -> Iterator[Fault]:
    """Who is there twice or unknown: read once more, for the ids, where fingerprints say that there are any."""
    ordered = np.sort(prints_of_file)
    repeated = np.unique(ordered[1:][ordered[1:] == ordered[:-1]])
    # the usual month has the same users in the same order in every file
    all_known = (
        known is None or np.array_equal(prints_of_file, known.prints) or np.isin(prints_of_file, known.prints).all()
    )
    if not len(repeated) and all_known:
        return
    seen: set[str] = set()
    for chunk in TextFile(file.path, file.columns).chunks():
        ids, of_chunk = chunk.rows["user_id"], prints(chunk.rows["user_id"])
        for row in np.flatnonzero(np.isin(of_chunk, repeated)):
            user = ids[int(row)].as_py()
            if user in seen:
                yield Fault(file.path.name, int(chunk.lines[row]), "user_id", user, "is there twice")
            seen.add(user)
        if known is not None:
            strange = ~np.isin(of_chunk, known.prints) & np.asarray(
                pc.not_equal(ids, "")
            )  # empty is another rule's finding
            for row in np.flatnonzero(strange):
                yield Fault(file.path.name, int(chunk.lines[row]), "user_id", ids[int(row)].as_py(), known.problem)


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
