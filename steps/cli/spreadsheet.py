"""CSV files that people open in a spreadsheet: no cell of text is read as a formula.

An apostrophe precedes text that begins like a formula, also after a character that another locale's spreadsheet would
split the text at. unescape() returns the exact text.
"""

import csv
import io
import re
from collections.abc import Callable, Sequence

import pandas as pd

NOTE = (
    "in the CSV, an apostrophe precedes a user_id that a spreadsheet would read as a formula; scores.parquet is exact"
)
# after a separator of any locale: a formula behind blanks and quotation marks, a control character, an apostrophe
_PLACE = r"(?:\A|(?<=[;,\t\r\n]))"
_BEFORE_FORMULA = re.compile(_PLACE + r"""(?=['\t\r\n]|[\s"\x00-\x1f\u200b\ufeff]*[=+\-@\uff1d\uff0b\uff0d\uff20])""")
_ESCAPE = re.compile(_PLACE + "'")


def escape(text: str) -> str:
    return _BEFORE_FORMULA.sub("'", text)


def unescape(text: str) -> str:
    return _ESCAPE.sub("", text)


def to_csv(rows: pd.DataFrame) -> str:
    """RFC 4180: lines end in CRLF, so that a line break in a cell is quoted."""
    texts = rows.select_dtypes("object").map(lambda cell: escape(cell) if isinstance(cell, str) else cell)
    return rows.assign(**{str(name): texts[name] for name in texts}).to_csv(index=False, lineterminator="\r\n")


def without_rows(text: str, is_removed: Callable[[Sequence[str], Sequence[str]], bool]) -> tuple[int, str]:
    """The number of rows removed from a CSV, and the CSV without them; the others keep their escaped cells.

    is_removed: from the header and a row's exact cells. It is asked for the header too.
    """
    rows = list(csv.reader(io.StringIO(text, newline="")))
    header = rows[0] if rows else []
    kept = [row for row in rows if not is_removed(header, [unescape(cell) for cell in row])]
    out = io.StringIO(newline="")
    csv.writer(out, lineterminator="\r\n" if "\r\n" in text else "\n").writerows(kept)
    return len(rows) - len(kept), out.getvalue()
