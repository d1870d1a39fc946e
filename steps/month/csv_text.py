"""Reads a CSV file as text, a chunk at a time, and collects the faults of its form (not of its values)."""

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa
from pyarrow import csv

from steps.month.csv_bytes import BLOCK_BYTES, LAST_FIELD, FileFault, byte_fault, open_with_end
from steps.month.csv_lines import BrokenRow, LineCounter, Lines, blank_rows, text_breaks

NEVER_CLOSED = "a quotation mark that begins in this row is never closed"
TOO_LONG = f"this row is longer than {BLOCK_BYTES >> 20} MB: is a quotation mark in it never closed?"
NO_HEADER = "is empty: the first line must name the columns"
OTHER_SEPARATORS = {";": "semicolons", "\t": "tabs", "|": "bars"}


@dataclass(frozen=True)
class Chunk:
    """Rows of the declared columns as text, and the lines they begin on."""

    rows: pa.RecordBatch
    lines: Lines


@dataclass
class TextFile:
    """A file to read with chunks(); afterwards `faults` holds every fault of its form."""

    path: Path
    columns: Sequence[str]
    faults: list[FileFault] = field(default_factory=list)
    _counter: LineCounter = field(default_factory=LineCounter)
    _blank: list[int] = field(default_factory=list)  # lines; they are faults if a row with values follows

    def chunks(self) -> Iterator[Chunk]:
        """The file's rows; none when a declared column is missing or the file cannot be read."""
        if fault := byte_fault(self.path):
            self.faults.append(fault)
            return
        try:
            with open_with_end(self.path) as file:
                yield from self._parsed(file)
        except pa.ArrowInvalid as error:
            self._report(self._counter.rest(), [])
            self._add(self._counter.line, _explained(str(error)))

    def _parsed(self, file: io.BufferedReader) -> Iterator[Chunk]:
        reader = self._open(file)
        names, rows = reader.schema.names, 0
        if faults := _header_faults(self.path.name, names, self.columns):
            self.faults += faults
            return
        indexes = [names.index(column) for column in self.columns]
        self._counter.line += 1 + sum(map(text_breaks, names))
        for batch in reader:
            if batch.num_rows:
                chunk = self._chunk(batch, indexes)
                rows += len(chunk.lines)
                yield chunk
        self._report(self._counter.rest(), [])
        if not rows and not self.faults:
            self._add(None, "has a header but no rows")

    def _open(self, file: io.BufferedReader) -> csv.CSVStreamingReader:
        return csv.open_csv(
            pa.PythonFile(file, mode="r"),
            # broken rows have a number with one thread only
            read_options=csv.ReadOptions(use_threads=False, encoding="utf8", block_size=BLOCK_BYTES),
            parse_options=csv.ParseOptions(
                invalid_row_handler=self._remember, ignore_empty_lines=False, newlines_in_values=True
            ),
            convert_options=csv.ConvertOptions(
                default_column_type=pa.string(), strings_can_be_null=False, check_utf8=True
            ),
        )

    def _remember(self, row: csv.InvalidRow) -> str:
        if row.text != LAST_FIELD:
            problem = f"has {row.actual_columns} fields where the header has {row.expected_columns}"
            self._counter.broken.append(BrokenRow(row.number, row.text, problem))
        return "skip"

    def _chunk(self, batch: pa.RecordBatch, indexes: list[int]) -> Chunk:
        """The declared columns of the rows that are not blank."""
        lines, broken = self._counter.lines_of(batch)
        kept = ~blank_rows(batch)
        if any(LAST_FIELD in column[-1].as_py() for column in batch.columns):
            self._add(int(lines[-1]), NEVER_CLOSED)
            kept[-1] = False
        self._blank += lines[~kept].tolist()
        self._report(broken, lines[kept])
        rows = pa.RecordBatch.from_arrays([batch.column(index) for index in indexes], names=list(self.columns))
        return Chunk(rows if kept.all() else rows.filter(pa.array(kept)), lines[kept])

    def _report(self, broken: Sequence[BrokenRow], lines_with_values: Sequence[int] | Lines) -> None:
        """Adds the faults of broken rows, and of blank rows that rows with values follow."""
        until = int(lines_with_values[-1]) if len(lines_with_values) else 0
        for row in broken:
            if row.is_blank:
                self._blank.append(row.line)
                continue
            until = max(until, row.line)
            if LAST_FIELD in row.text:
                self._add(row.line, NEVER_CLOSED)
            else:
                self._add(row.line, row.problem, row.text)
        for line in sorted(self._blank):
            if line < until:
                self._add(line, "is empty, and rows follow it. Delete the line or fill it in")
        self._blank = [line for line in self._blank if line > until]

    def _add(self, line: int | None, problem: str, value: str | None = None) -> None:
        self.faults.append(FileFault(self.path.name, line, value=value, problem=problem))


def _explained(error: str) -> str:
    problems = {"straddling object": TOO_LONG, "Empty CSV file": NEVER_CLOSED}  # empty files were refused before
    return next((problem for words, problem in problems.items() if words in error), f"cannot be read as CSV: {error}")


def _header_faults(file: str, header: Sequence[str], columns: Sequence[str]) -> list[FileFault]:
    """Faults of the declared columns. Other columns may be in the file, also repeated or without a name."""
    if LAST_FIELD in header[-1]:
        return [FileFault(file, 1, problem=NEVER_CLOSED)]
    if not any(header):
        return [FileFault(file, 1, problem=NO_HEADER)]
    if len(header) == 1 and (separator := next((sign for sign in OTHER_SEPARATORS if sign in header[0]), "")):
        problem = f"columns are separated by {OTHER_SEPARATORS[separator]}. Save the file with commas between them"
        return [FileFault(file, 1, problem=problem)]
    missing = [
        FileFault(file, 1, column, problem=f"column is missing; the header has {', '.join(header)}")
        for column in columns
        if column not in header
    ]
    repeated = [column for column in columns if header.count(column) > 1]
    return missing + [FileFault(file, 1, column, problem="column is repeated") for column in repeated]
