"""Checks one file against its schema, a chunk at a time. Keeps its faults and eight bytes per user, not its rows."""

import gc
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from pandera.config import ValidationDepth, config_context
from pandera.errors import SchemaError, SchemaErrorReason, SchemaErrors
from pandera.pandas import DataFrameSchema

from steps.cli.errors import FaultyMonth
from steps.cli.progress import Advance
from steps.month.csv_bytes import FileFault
from steps.month.csv_text import Chunk, TextFile

Fingerprints = np.typing.NDArray[np.uint64]

SHOWN_FAULTS = 50
KEPT_FAULTS = 10_000  # of a file; more are counted and not kept
NO_USERS: Fingerprints = np.empty(0, np.uint64)


@dataclass
class Checked:
    """The rows and faults of a file."""

    file: str
    rows: int = 0
    count: int = 0  # of faults, kept or not
    faults: list[FileFault] = field(default_factory=list)

    def add(self, faults: Iterable[FileFault]) -> None:
        for fault in faults:
            self.count += 1
            if len(self.faults) < KEPT_FAULTS:
                self.faults.append(fault)


@dataclass(frozen=True)
class AllowedUsers:
    """The fingerprints of the users who may be in a file, and the problem of any other user."""

    fingerprints: Fingerprints
    problem: str


def check_file(
    file: TextFile, schema: DataFrameSchema, allowed: AllowedUsers | None, advance: Advance
) -> tuple[Checked, Fingerprints]:
    """The check's result, and the fingerprints of the file's user ids in its order. allowed: None for any user.

    Repeated and unknown users are found here: a schema sees only one chunk.
    """
    checked, parts = Checked(file.path.name), [NO_USERS]
    for chunk in file.chunks():
        for broken in _broken_checks(schema, chunk):
            checked.add(_faults(file.path.name, chunk, broken))
        checked.rows += chunk.rows.num_rows
        parts.append(fingerprints(chunk.rows["user_id"]))
        advance(chunk.rows.num_rows)
        gc.collect(1)  # pandera's frames are in reference cycles: 40 MB would stay until the next collection
    checked.add(file.faults)
    of_file = np.concatenate(parts)
    parts.clear()
    checked.add(_user_faults(file, of_file, allowed))
    return checked, of_file


def require_no_faults(path: Path, as_of: date, checked: Mapping[str, Checked]) -> None:
    """Raises FaultyMonth with the faults of all files, by file and line. path: for the message."""
    faults = [fault for file in checked.values() for fault in sorted(file.faults, key=lambda fault: fault.line or 0)]
    if faults:
        raise FaultyMonth(_summary(path, as_of, faults, sum(file.count for file in checked.values())), faults)


def _summary(path: Path, as_of: date, faults: list[FileFault], count: int) -> str:
    shown = "\n".join(f"  {fault}" for fault in faults[:SHOWN_FAULTS])
    hidden = count - min(SHOWN_FAULTS, len(faults))
    kept = "all of them are" if count == len(faults) else f"the first {len(faults)} are"
    more = f"\n  … and {hidden} more: {kept} in the run's artifact faults.csv" if hidden > 0 else ""
    total = f"{count} faults in {path} for {as_of}; nothing was loaded."
    return f"{total} Correct the files and load again:\n{shown}{more}"


def fingerprints(ids: pa.Array) -> Fingerprints:
    """A hash of eight bytes per id. One pair of ids in 10^19 shares it: apparent faults are checked again with the ids,
    and the database refuses what a collision hides."""
    return np.asarray(pd.util.hash_array(ids.to_numpy(zero_copy_only=False), categorize=False))


def _user_faults(file: TextFile, of_file: Fingerprints, allowed: AllowedUsers | None) -> Iterator[FileFault]:
    """Repeated and unknown users. Reads the file again, for their ids, where the fingerprints show any."""
    ordered = np.sort(of_file)
    repeated = np.unique(ordered[1:][ordered[1:] == ordered[:-1]])
    # the usual month has the same users in the same order in every file
    all_allowed = (
        allowed is None or np.array_equal(of_file, allowed.fingerprints) or np.isin(of_file, allowed.fingerprints).all()
    )
    if not len(repeated) and all_allowed:
        return
    seen: set[str] = set()
    for chunk in TextFile(file.path, file.columns).chunks():
        ids, of_chunk = chunk.rows["user_id"], fingerprints(chunk.rows["user_id"])
        for row in np.flatnonzero(np.isin(of_chunk, repeated)):
            user = ids[int(row)].as_py()
            if user in seen:
                yield FileFault(file.path.name, int(chunk.lines[row]), "user_id", user, "is repeated")
            seen.add(user)
        if allowed is not None:
            is_empty = np.asarray(pc.equal(ids, ""))  # another rule finds these
            for row in np.flatnonzero(~np.isin(of_chunk, allowed.fingerprints) & ~is_empty):
                user = ids[int(row)].as_py()
                yield FileFault(file.path.name, int(chunk.lines[row]), "user_id", user, allowed.problem)


def _broken_checks(schema: DataFrameSchema, chunk: Chunk) -> list[SchemaError]:
    rows = chunk.rows.to_pandas(types_mapper=pd.ArrowDtype)  # no copy of the texts
    try:
        # pandera's environment variables can turn all checks off
        with config_context(validation_enabled=True, validation_depth=ValidationDepth.SCHEMA_AND_DATA):
            schema.validate(rows, lazy=True, inplace=True)
    except SchemaErrors as failure:
        errors: list[SchemaError] = failure.schema_errors
        return errors
    return []


def _faults(file: str, chunk: Chunk, broken: SchemaError) -> Iterator[FileFault]:
    """A fault for each row that failed a check. Raises the error itself when the check could not run."""
    if broken.reason_code is not SchemaErrorReason.DATAFRAME_CHECK:
        raise broken
    check = broken.check
    column = check.statistics.get("column", broken.schema.name)  # a check over several columns names one
    for row in np.flatnonzero(~broken.check_output):
        yield FileFault(file, int(chunk.lines[row]), column, chunk.rows[column][int(row)].as_py(), check.name)
