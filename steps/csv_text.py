"""Reads a CSV file as text, column by column, and says what is wrong with the file itself rather than its values."""

import csv as standard_csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
from pyarrow import csv

HEADER_LINES = 1


@dataclass(frozen=True)
class Fault:
    file: str
    line: int | None = None  # as an editor counts them: the header is line 1
    column: str | None = None
    value: str | None = None
    problem: str = ""

    def __str__(self) -> str:
        place = f"{self.file}, line {self.line}" if self.line else self.file
        place = f"{place}, {self.column}" if self.column else place
        return f"{place}: {self.problem}" if self.value is None else f"{place}: {self.value!r} {self.problem}"


def read_text(path: Path, columns: Sequence[str]) -> tuple[pd.DataFrame | None, list[Fault]]:
    """The declared columns as text, indexed by line number, and the faults; no frame when nothing can be read."""
    fault = _unreadable(path) or _not_utf8(path)
    if fault:
        return None, [fault]
    broken: list[csv.InvalidRow] = []
    try:
        table = _parse(path, broken)
    except (pa.ArrowInvalid, standard_csv.Error) as error:
        return None, [Fault(path.name, problem=f"cannot be read as CSV: {error}")]
    faults = [_wrong_width(path.name, row) for row in broken] + _header_faults(path.name, table, columns)
    if table.num_rows == 0 and not broken:
        faults.append(Fault(path.name, problem="has a header but no rows"))
    missing = set(columns) - set(table.column_names)
    if missing or len(set(table.column_names)) < table.num_columns:
        return None, faults
    frame = table.select(list(columns)).to_pandas()
    return frame.set_axis(_line_numbers(len(frame), broken)), faults


def _unreadable(path: Path) -> Fault | None:
    if not path.is_file():
        return Fault(path.name, problem="is missing")
    return None if path.stat().st_size else Fault(path.name, problem="is empty: there is not even a header")


def _parse(path: Path, broken: list[csv.InvalidRow]) -> pa.Table:
    def remember(row: csv.InvalidRow) -> str:
        broken.append(row)
        return "skip"

    with path.open(encoding="utf-8-sig", newline="") as file:
        names = next(standard_csv.reader(file), [])
    return csv.read_csv(
        path,
        # one thread: only then does a broken row know its number
        read_options=csv.ReadOptions(use_threads=False, encoding="utf8"),
        parse_options=csv.ParseOptions(invalid_row_handler=remember, ignore_empty_lines=False),
        convert_options=csv.ConvertOptions(
            column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=False, check_utf8=True
        ),
    )


def _not_utf8(path: Path) -> Fault | None:
    content = path.read_bytes()
    try:
        content.decode("utf-8")
    except UnicodeDecodeError as error:
        line, byte = content.count(b"\n", 0, error.start) + 1, content[error.start]
        return Fault(path.name, line, problem=f"byte 0x{byte:02x} is not UTF-8. Save the file with encoding UTF-8")
    return None


def _wrong_width(file: str, row: csv.InvalidRow) -> Fault:
    problem = f"has {row.actual_columns} fields where the header has {row.expected_columns}"
    return Fault(file, row.number, value=row.text, problem=problem)


def _header_faults(file: str, table: pa.Table, columns: Sequence[str]) -> list[Fault]:
    found = table.column_names
    missing = [
        Fault(file, 1, column, problem=f"column is missing; the header has {', '.join(found)}")
        for column in columns
        if column not in found
    ]
    twice = sorted({column for column in found if found.count(column) > 1})
    return missing + [Fault(file, 1, column, problem="column is there twice") for column in twice]


def _line_numbers(rows: int, broken: Sequence[csv.InvalidRow]) -> "np.typing.NDArray[np.int64]":
    """Rows that could not be read are not in the frame, and yet count as lines of the file."""
    lines = np.arange(1 + HEADER_LINES, 1 + HEADER_LINES + rows + len(broken))
    return lines[~np.isin(lines, [row.number for row in broken])]
