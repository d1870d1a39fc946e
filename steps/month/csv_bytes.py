"""Checks a file's bytes before they are parsed as CSV, and appends a row that marks their end."""

import codecs
import io
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

BLOCK_BYTES = 1 << 20
SHOWN_CHARACTERS = 200
SAVE_AS_CSV = 'Save it as "CSV UTF-8 (comma delimited)"'
UNPACK = "Unpack it first"
UTF_16 = f"is UTF-16 text, which Excel calls Unicode text. {SAVE_AS_CSV}"
BEGINNINGS: Mapping[bytes, str] = {
    b"PK\x03\x04": f"is a zip file, such as an Excel workbook (.xlsx). {SAVE_AS_CSV}",
    b"\xd0\xcf\x11\xe0": f"is an old Excel workbook (.xls). {SAVE_AS_CSV}",
    b"\x1f\x8b": f"is compressed with gzip. {UNPACK}",
    b"BZh": f"is compressed with bzip2. {UNPACK}",
    b"\xfd7zXZ\x00": f"is compressed with xz. {UNPACK}",
    b"\x28\xb5\x2f\xfd": f"is compressed with zstd. {UNPACK}",
    b"PAR1": "is a Parquet file. Save it as CSV with encoding UTF-8",
    codecs.BOM_UTF32_LE: "is UTF-32 text. Save it with encoding UTF-8",  # begins like UTF-16: must come first
    codecs.BOM_UTF32_BE: "is UTF-32 text. Save it with encoding UTF-8",
    codecs.BOM_UTF16_LE: UTF_16,
    codecs.BOM_UTF16_BE: UTF_16,
}
# every second byte of ASCII letters is zero
WIDE_TEXT = re.compile(rb"(?:[^\x00]\x00){4}|(?:\x00[^\x00]){4}")
LAST_FIELD = "\x00"  # in no file: byte_fault refuses zero bytes


@dataclass(frozen=True)
class FileFault:
    """A problem of a file, or of one of its lines, columns or values."""

    file: str
    line: int | None = None  # as an editor counts them: the header is line 1
    column: str | None = None
    value: str | None = None
    problem: str = ""

    def __str__(self) -> str:
        place = f"{self.file}, line {self.line}" if self.line else self.file
        place = f"{place}, {self.column}" if self.column else place
        return f"{place}: {self.problem}" if self.value is None else f"{place}: {_shown(self.value)} {self.problem}"


def _shown(value: str) -> str:
    more = len(value) - SHOWN_CHARACTERS
    return f"{value[:SHOWN_CHARACTERS]!r}… (and {more} more characters)" if more > 0 else repr(value)


def byte_fault(path: Path) -> FileFault | None:
    """The first fault that keeps the file from being UTF-8 text; None for a text file."""
    try:
        with path.open("rb") as file:
            beginning = file.read(BLOCK_BYTES)
            if not beginning:
                return FileFault(path.name, problem="is empty: there is not even a header")
            if problem := _other_format(beginning):
                return FileFault(path.name, problem=problem)
            file.seek(0)
            return _not_text(path.name, file)
    except FileNotFoundError:
        return FileFault(path.name, problem="is missing")
    except OSError as error:
        return FileFault(path.name, problem=f"cannot be read: {error.strerror}: {path.resolve()}")


def _other_format(beginning: bytes) -> str | None:
    problem = next((problem for magic, problem in BEGINNINGS.items() if beginning.startswith(magic)), None)
    return problem or (UTF_16 if WIDE_TEXT.match(beginning) else None)


def _not_text(name: str, file: io.BufferedReader) -> FileFault | None:
    decoder, lines, before = codecs.getincrementaldecoder("utf-8")(), 1, b""
    while True:
        block = file.read(BLOCK_BYTES)
        whole = decoder.getstate()[0] + block  # with the first bytes of a character that the previous block ended in
        zero = whole.find(b"\x00")
        try:
            if zero < 0:
                decoder.decode(block, final=not block)
            else:
                whole[:zero].decode("utf-8")
        except UnicodeDecodeError as error:
            line, byte = lines + _breaks(before, whole[: error.start]), whole[error.start]
            return FileFault(name, line, problem=f"byte 0x{byte:02x} is not UTF-8. Save the file with encoding UTF-8")
        if zero >= 0:
            line = lines + _breaks(before, whole[:zero])
            return FileFault(name, line, problem="byte 0x00 is not text: the file is damaged. Save or copy it again")
        if not block:
            return None
        lines += _breaks(before, block)
        before = block[-1:]


def _breaks(before: bytes, block: bytes) -> int:
    """The number of line ends in the block. before: the byte before it, because \\r\\n is one line end."""
    ends = block.count(b"\n")
    if b"\r" in block:
        ends += block.count(b"\r") - block.count(b"\r\n")
    return ends - (before == b"\r" and block.startswith(b"\n"))


def open_with_end(path: Path) -> io.BufferedReader:
    """The file's bytes, then a row of one field, LAST_FIELD. Inside another row, LAST_FIELD means that a quotation mark
    was never closed."""
    return io.BufferedReader(_WithEnd(path), BLOCK_BYTES)


class _WithEnd(io.RawIOBase):
    def __init__(self, path: Path) -> None:
        self._file = path.open("rb")
        self._last, self._ended = b"\n", False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "WriteableBuffer", /) -> int:
        into = memoryview(buffer)
        count = self._file.readinto(into)
        if count:
            self._last = bytes(into[count - 1 : count])
        elif not self._ended:
            self._ended = True
            row = LAST_FIELD.encode() + b"\n"
            row = row if self._last in b"\r\n" else b"\n" + row
            count = len(row)
            into[:count] = row
        return count

    def close(self) -> None:
        self._file.close()
        super().close()
