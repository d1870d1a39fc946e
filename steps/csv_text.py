"""Reads a CSV file as text, a chunk at a time, and says what is wrong with the file itself rather than its values."""

import codecs
import csv as standard_csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa
from pyarrow import csv

HEADER_LINES = 1
BLOCK_BYTES = 1 << 20  # a chunk of some 15,000 rows: memory stays the same however long the file


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


@dataclass(frozen=True)
class Chunk:
    """Some rows of the declared columns, as text, and the lines of the file they are on."""

    rows: pa.RecordBatch
    lines: "np.typing.NDArray[np.int64]"


@dataclass
class TextFile:
    """A file to go through; once that is done, `faults` holds all that is wrong with it as a file."""

    path: Path
    columns: Sequence[str]
    faults: list[Fault] = field(default_factory=list)
    _broken: list[int] = field(default_factory=list)

    def chunks(self) -> Iterator[Chunk]:
        """Nothing when a declared column is missing or the file cannot be read at all."""
        fault = _unreadable(self.path) or _not_utf8(self.path)
        if fault:
            self.faults.append(fault)
            return
        try:
            yield from self._parsed()
        except (pa.ArrowInvalid, standard_csv.Error) as error:
            self.faults.append(Fault(self.path.name, problem=f"cannot be read as CSV: {error}"))

    def _parsed(self) -> Iterator[Chunk]:
        reader = self._open()
        names, rows = reader.schema.names, 0
        wrong = _header_faults(self.path.name, names, self.columns)
        self.faults += wrong
        line = 1 + HEADER_LINES
        for batch in reader:
            rows += batch.num_rows
            if not wrong and batch.num_rows:
                lines = self._lines(line, batch.num_rows)
                line = int(lines[-1]) + 1
                yield Chunk(batch.select(list(self.columns)), lines)
        if not rows and not self._broken:
            self.faults.append(Fault(self.path.name, problem="has a header but no rows"))

    def _open(self) -> csv.CSVStreamingReader:
        with self.path.open(encoding="utf-8-sig", newline="") as file:
            names = next(standard_csv.reader(file), [])
        return csv.open_csv(
            self.path,
            # one thread: only then does a broken row know its number
            read_options=csv.ReadOptions(use_threads=False, encoding="utf8", block_size=BLOCK_BYTES),
            parse_options=csv.ParseOptions(invalid_row_handler=self._remember, ignore_empty_lines=False),
            convert_options=csv.ConvertOptions(
                column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=False, check_utf8=True
            ),
        )

    def _remember(self, row: csv.InvalidRow) -> str:
        problem = f"has {row.actual_columns} fields where the header has {row.expected_columns}"
        self.faults.append(Fault(self.path.name, row.number, value=row.text, problem=problem))
        self._broken.append(row.number)
        return "skip"

    def _lines(self, first: int, rows: int) -> "np.typing.NDArray[np.int64]":
        """Rows that could not be read are in no chunk, and yet count as lines of the file."""
        broken = [line for line in self._broken if line >= first]
        lines = np.arange(first, first + rows + len(broken))
        return lines[~np.isin(lines, broken)][:rows]


def _unreadable(path: Path) -> Fault | None:
    try:
        with path.open("rb") as file:
            return None if file.read(1) else Fault(path.name, problem="is empty: there is not even a header")
    except FileNotFoundError:
        return Fault(path.name, problem="is missing")
    except OSError as error:
        return Fault(path.name, problem=f"cannot be read: {error.strerror}: {path.resolve()}")


def _not_utf8(path: Path) -> Fault | None:
    decoder, lines = codecs.getincrementaldecoder("utf-8")(), 1
    with path.open("rb") as file:
        while True:
            block = file.read(BLOCK_BYTES)
            kept = decoder.getstate()[0]  # the beginning of a character that the block before broke off
            try:
                decoder.decode(block, final=not block)
            except UnicodeDecodeError as error:
                whole = kept + block
                line, byte = lines + whole.count(b"\n", 0, error.start), whole[error.start]
                problem = f"byte 0x{byte:02x} is not UTF-8. Save the file with encoding UTF-8"
                return Fault(path.name, line, problem=problem)
            if not block:
                return None
            lines += block.count(b"\n")


def _header_faults(file: str, found: Sequence[str], columns: Sequence[str]) -> list[Fault]:
    missing = [
        Fault(file, 1, column, problem=f"column is missing; the header has {', '.join(found)}")
        for column in columns
        if column not in found
    ]
    twice = sorted({column for column in found if found.count(column) > 1})
    return missing + [Fault(file, 1, column, problem="column is there twice") for column in twice]
