"""Finds the line on which each row of a file begins: values may hold line breaks, and batches omit broken rows."""

from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

Lines = np.typing.NDArray[np.int64]
Flags = np.typing.NDArray[np.bool_]


@dataclass
class BrokenRow:
    """A row with too many or too few fields. number: of the row in the file; the header is 1."""

    number: int
    text: str
    problem: str
    line: int = 0  # known with the next batch

    @property
    def is_blank(self) -> bool:
        return not self.text.strip(' \t\r\n,"')


@dataclass
class LineCounter:
    """Counts lines over a file's batches in order. broken: rows that the parser skipped since the last batch."""

    broken: list[BrokenRow] = field(default_factory=list)
    line: int = 1  # of the next row
    _number: int = 2  # of the next row

    def lines_of(self, batch: pa.RecordBatch) -> tuple[Lines, list[BrokenRow]]:
        """The lines of the batch's rows, and the broken rows before the last of them."""
        skipped = np.array([row.number for row in self.broken], np.int64)
        numbers = np.arange(self._number, self._number + batch.num_rows + len(skipped))
        if len(skipped):
            numbers = numbers[~np.isin(numbers, skipped)][: batch.num_rows]
        last = int(numbers[-1])
        between = [row for row in self.broken if row.number < last]
        del self.broken[: len(between)]
        heights = np.ones(last - self._number + 1, np.int64)
        heights[numbers - self._number] += line_breaks(batch)
        for row in between:
            heights[row.number - self._number] += text_breaks(row.text)
        starts = self.line + np.cumsum(heights) - heights
        for row in between:
            row.line = int(starts[row.number - self._number])
        lines: Lines = starts[numbers - self._number]
        self.line, self._number = int(starts[-1] + heights[-1]), last + 1
        return lines, between

    def rest(self) -> list[BrokenRow]:
        """The broken rows after the last batch."""
        for row in self.broken:
            row.line, self.line = self.line, self.line + 1 + text_breaks(row.text)
        return self.broken


def text_breaks(text: str) -> int:
    """The number of line breaks; a carriage return with a line feed is one."""
    return text.count("\n") + text.count("\r") - text.count("\r\n")


def line_breaks(batch: pa.RecordBatch) -> Lines:
    """The number of line breaks in the values of each row."""
    counts: Lines = np.zeros(batch.num_rows, np.int64)
    for column in batch.columns:
        if _holds_a_break(column):
            feeds, returns, pairs = (pc.count_substring(column, end) for end in ("\n", "\r", "\r\n"))
            counts += np.asarray(pc.subtract(pc.add(feeds, returns), pairs))
    return counts


def _holds_a_break(column: pa.StringArray) -> bool:
    """Looks at all bytes at once: few columns hold a break, and counting by value would be slow."""
    codes = bytes_of(column)
    return bool((codes == ord("\n")).any() or (codes == ord("\r")).any())


def bytes_of(texts: pa.StringArray) -> "np.typing.NDArray[np.uint8]":
    """The bytes of all values, concatenated, without a copy."""
    _validity, _offsets, data = texts.buffers()
    return np.frombuffer(data, np.uint8) if data else np.empty(0, np.uint8)


def blank_rows(batch: pa.RecordBatch) -> Flags:
    """True for rows with no value in any column, as spreadsheets write them below their tables."""
    blank: Flags = np.ones(batch.num_rows, np.bool_)
    for column in batch.columns:
        if blank.any():
            blank &= np.asarray(pc.equal(pc.utf8_trim_whitespace(column), ""))
    return blank
