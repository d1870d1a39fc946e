"""The faults of a CSV file's form."""

import bz2
import csv
import gzip
import io
import lzma
import re
import zipfile
from pathlib import Path
from typing import Literal

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from steps.month.csv_bytes import FileFault
from steps.month.csv_text import TextFile

COLUMNS = ["user_id", "churn_label"]
# zero bytes and lone surrogates are in no text file
CELLS = st.sampled_from(" ,\"'\r\n;ab") | st.characters(exclude_categories=["Cs"], exclude_characters="\x00")


def zipped() -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as file:
        file.writestr("xl/worksheets/sheet1.xml", "<worksheet/>")
    return content.getvalue()


def read_text(path: Path, columns: list[str]) -> tuple[pd.DataFrame | None, list[FileFault]]:
    """All rows, indexed by their line, and the faults; no frame when nothing could be read."""
    file = TextFile(path, columns)
    frames = [chunk.rows.to_pandas().set_axis(chunk.lines) for chunk in file.chunks()]
    return pd.concat(frames) if frames else None, file.faults


@pytest.fixture
def labels(tmp_path: Path) -> Path:
    return tmp_path / "labels.csv"


def faults(path: Path, content: bytes) -> list[str]:
    path.write_bytes(content)
    return [str(fault) for fault in read_text(path, COLUMNS)[1]]


def values(path: Path, content: bytes) -> list[list[str]]:
    path.write_bytes(content)
    frame, faults_found = read_text(path, COLUMNS)
    assert not faults_found
    assert frame is not None
    return [list(map(str, row)) for row in frame.to_numpy()]


def test_values_stay_the_text_they_are(labels: Path) -> None:
    assert values(labels, b"user_id,churn_label\n007,1.50\nNA,true\nnull,\n") == [
        ["007", "1.50"],
        ["NA", "true"],
        ["null", ""],
    ]


def test_rows_are_named_by_their_line_in_the_file(labels: Path) -> None:
    labels.write_text("user_id,churn_label\nanna,True\nben,False\n")
    frame, _ = read_text(labels, COLUMNS)
    assert frame is not None
    assert list(frame.index) == [2, 3]


def test_lines_that_cannot_be_read_still_count(labels: Path) -> None:
    labels.write_text("user_id,churn_label\nanna,True\nben,False,1\ncara,False\n")
    frame, faults_found = read_text(labels, COLUMNS)
    assert frame is not None
    assert list(frame.index) == [2, 4]
    assert [(fault.line, fault.value) for fault in faults_found] == [(3, "ben,False,1")]


def test_a_broken_line_far_down_in_a_file_of_many_blocks_is_named_by_its_number(labels: Path) -> None:
    lines = [f"user-{number:07d},True" for number in range(600_000)]  # 11 MB; pyarrow reads 4 MB at a time
    lines[540_000] += ",too much"
    labels.write_text("user_id,churn_label\n" + "\n".join(lines) + "\n")
    frame, faults_found = read_text(labels, COLUMNS)
    assert frame is not None
    assert [fault.line for fault in faults_found] == [540_002]
    assert frame.loc[600_001, "user_id"] == "user-0599999"


def test_a_missing_file_is_one_fault(labels: Path) -> None:
    assert read_text(labels, COLUMNS) == (None, [FileFault("labels.csv", problem="is missing")])


def test_a_folder_of_that_name_is_no_file(labels: Path) -> None:
    labels.mkdir()
    assert [str(fault) for fault in read_text(labels, COLUMNS)[1]] == [
        f"labels.csv: cannot be read: Is a directory: {labels}"
    ]


def test_an_empty_file_has_not_even_a_header(labels: Path) -> None:
    assert faults(labels, b"") == ["labels.csv: is empty: there is not even a header"]


@pytest.mark.parametrize("content", [b"user_id,churn_label\n", b"user_id,churn_label", b"user_id,churn_label\r\n"])
def test_a_header_alone_is_a_fault(labels: Path, content: bytes) -> None:
    assert len(faults(labels, content)) == 1


@pytest.mark.parametrize("content", [b"\n", b"\n\n", b"\xef\xbb\xbf", b",\n", b"\x00", b'"'])
def test_a_file_of_next_to_nothing_is_a_fault(labels: Path, content: bytes) -> None:
    assert faults(labels, content)


def test_a_quote_that_is_never_closed_is_a_fault_however_long_the_file(labels: Path) -> None:
    assert faults(labels, b'user_id,"churn_label\n' + b"anna,True\n" * 20_000)


def test_latin_1_is_named_with_its_line_and_byte(labels: Path) -> None:
    content = "user_id,churn_label\nanna,True\nzoé,False\n".encode("latin-1")
    assert faults(labels, content) == [
        "labels.csv, line 3: byte 0xe9 is not UTF-8. Save the file with encoding UTF-8",
    ]


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_wide_encodings_are_refused(labels: Path, encoding: str) -> None:
    assert faults(labels, "user_id,churn_label\nanna,True\n".encode(encoding))


def test_a_byte_order_mark_is_no_part_of_the_first_column(labels: Path) -> None:
    assert values(labels, b"\xef\xbb\xbfuser_id,churn_label\nanna,True\n") == [["anna", "True"]]


def test_windows_line_ends_are_no_part_of_the_last_column(labels: Path) -> None:
    assert values(labels, b"user_id,churn_label\r\nanna,True\r\nben,False\r\n") == [["anna", "True"], ["ben", "False"]]


def test_the_last_line_needs_no_line_end(labels: Path) -> None:
    assert values(labels, b"user_id,churn_label\nanna,True") == [["anna", "True"]]


def test_quotes_around_values_are_not_part_of_them(labels: Path) -> None:
    assert values(labels, b'user_id,churn_label\n"anna, the ""first""",True\n') == [['anna, the "first"', "True"]]


def test_quotes_around_column_names_change_no_value(labels: Path) -> None:
    assert values(labels, b'"user_id","churn_label"\n007,1.50\n') == [["007", "1.50"]]


def test_line_ends_of_old_macs_change_no_value(labels: Path) -> None:
    assert values(labels, b"user_id,churn_label\r007,1.50\r") == [["007", "1.50"]]


@pytest.mark.parametrize(("row", "count"), [("anna", 1), ("anna,True,", 3), ("anna,True,1,2", 4)])
def test_too_few_or_too_many_fields_are_named_with_the_line(labels: Path, row: str, count: int) -> None:
    content = f"user_id,churn_label\nben,True\n{row}\ncara,True\n".encode()
    assert faults(labels, content) == [
        f"labels.csv, line 3: {row!r} has {count} fields where the header has 2",
    ]


@pytest.mark.parametrize("end", [b"\n", b"\n\n\n", b",\n", b",\n,\n", b",,,\n", b" , \n\r\n", b'"",""\n', b","])
def test_lines_without_values_at_the_end_are_no_rows(labels: Path, end: bytes) -> None:
    assert values(labels, b"user_id,churn_label\nben,True\n" + end) == [["ben", "True"]]


def test_a_line_without_values_between_rows_is_one_fault(labels: Path) -> None:
    assert faults(labels, b"user_id,churn_label\nben,True\n\ncara,True\n,,,\nanna\n\n") == [
        "labels.csv, line 6: 'anna' has 1 fields where the header has 2",
        "labels.csv, line 3: is empty, and rows follow it. Delete the line or fill it in",
        "labels.csv, line 5: is empty, and rows follow it. Delete the line or fill it in",
    ]


@pytest.mark.parametrize(
    "header", [b"user_id,churn_label,,", b"user_id,churn_label,note,note", b",user_id,churn_label,"]
)
def test_extra_columns_are_ignored_without_a_name_or_with_the_same_one(labels: Path, header: bytes) -> None:
    row = {b"user_id": b"anna", b"churn_label": b"True"}
    line = b",".join(row.get(name, b"") for name in header.split(b","))
    assert values(labels, header + b"\n" + line + b"\n") == [["anna", "True"]]


@pytest.mark.parametrize("rows", [12, 30_000])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_a_value_may_hold_line_breaks_however_long_the_file(labels: Path, rows: int, end: str) -> None:
    good = [f'user-{number},"first{end}second, ""third""{end}",True{end}' for number in range(rows)]
    labels.write_bytes(f"user_id,note,churn_label{end}{''.join(good)}bad{end}ok,,True{end}".encode())
    frame, faults_found = read_text(labels, COLUMNS)
    assert frame is not None
    assert [*frame.index] == [2 + 3 * row for row in range(rows)] + [3 + 3 * rows]
    assert [str(fault) for fault in faults_found] == [
        f"labels.csv, line {2 + 3 * rows}: 'bad' has 1 fields where the header has 3"
    ]


def test_a_line_break_in_the_header_counts(labels: Path) -> None:
    labels.write_text('user_id,"a\nnote",churn_label\nanna,,True\n')
    frame, _ = read_text(labels, COLUMNS)
    assert frame is not None
    assert list(frame.index) == [3]


@pytest.mark.parametrize("opened", [b'ben,"True\n', b'"ben,True\n', b'ben,True,"\n'])
@pytest.mark.parametrize("rows", [1, 5_000, 400_000])
def test_a_quotation_mark_that_is_never_closed_is_named_with_its_line(labels: Path, opened: bytes, rows: int) -> None:
    labels.write_bytes(b"user_id,churn_label\nanna,True\n" + opened + b"cara,True\n" * rows)
    frame, [fault] = read_text(labels, COLUMNS)
    assert frame is not None
    assert frame.to_numpy().tolist() == [["anna", "True"]]
    assert fault.line == 3
    assert "never closed" in fault.problem


def test_a_quotation_mark_within_a_value_opens_nothing(labels: Path) -> None:
    assert values(labels, b'user_id,churn_label\n5" anna,True\n') == [['5" anna', "True"]]


def test_a_broken_row_is_shown_only_in_part_where_it_is_long(labels: Path) -> None:
    [fault] = faults(labels, b"user_id,churn_label\n" + b"x" * 5000 + b"\n")
    assert f"{'x' * 200}'… (and 4800 more characters) has 1 fields" in fault


OTHER_FORMATS = {
    "an Excel workbook (.xlsx)": zipped(),
    "an old Excel workbook (.xls)": b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(500),
    "compressed with gzip": gzip.compress(b"user_id,churn_label\nanna,True\n"),
    "compressed with bzip2": bz2.compress(b"user_id,churn_label\nanna,True\n"),
    "compressed with xz": lzma.compress(b"user_id,churn_label\nanna,True\n"),
    "UTF-16 text, which Excel calls Unicode text": "user_id\tchurn_label\r\n".encode("utf-16"),
    "UTF-32 text": "user_id,churn_label\n".encode("utf-32"),
    "a Parquet file": b"PAR1\x15\x04",
}


@pytest.mark.parametrize("name", OTHER_FORMATS)
def test_the_fault_of_another_format_names_it_and_how_to_save_it(labels: Path, name: str) -> None:
    [fault] = faults(labels, OTHER_FORMATS[name])
    assert name in fault
    assert re.search(r"\. (Save it|Unpack it)", fault)


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_utf_16_is_known_without_its_mark(labels: Path, encoding: str) -> None:
    [fault] = faults(labels, "user_id,churn_label\nanna,True\n".encode(encoding))
    assert "is UTF-16 text" in fault


@pytest.mark.parametrize("separator", [";", "\t", "|"])
def test_other_separators_than_commas_are_named(labels: Path, separator: str) -> None:
    [fault] = faults(labels, f"user_id{separator}churn_label\nanna{separator}True\n".encode())
    assert "Save the file with commas" in fault


def test_an_empty_first_line_is_no_header(labels: Path) -> None:
    assert faults(labels, b"\nuser_id,churn_label\nanna,True\n") == [
        "labels.csv, line 1: is empty: the first line must name the columns"
    ]


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
@pytest.mark.parametrize("before", [1, 700_000])
def test_a_byte_that_is_no_text_is_named_with_its_line(labels: Path, end: bytes, before: int) -> None:
    start = b"user_id,churn_label" + end + (b"anna,True" + end) * before
    for byte, problem in [(b"\x00", "is not text"), (b"\xe9", "is not UTF-8")]:
        [fault] = faults(labels, start + b"an" + byte + b"na,True" + end)
        assert fault.startswith(f"labels.csv, line {before + 2}: byte 0x{byte.hex()} {problem}")


TABLES = st.integers(0, 3).flatmap(
    lambda extra: st.lists(st.lists(st.text(CELLS, max_size=6), min_size=2 + extra, max_size=2 + extra), max_size=8)
)


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    table=TABLES,
    quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
    names=st.lists(st.text(CELLS), min_size=3),
)
def test_what_pythons_writer_writes_is_read_back_or_refused_at_its_line(
    labels: Path, table: list[list[str]], quoting: Literal[0, 1], names: list[str]
) -> None:
    header = [*COLUMNS, *(f"{name}." for name in names[: len(table[0]) - 2])] if table else COLUMNS
    text = io.StringIO()
    writer, starts = csv.writer(text, quoting=quoting), []
    for row in [header, *table]:
        starts.append(1 + len(re.findall("\r\n|\r|\n", text.getvalue())))
        writer.writerow(row)
    labels.write_bytes(text.getvalue().encode())
    frame, faults_found = read_text(labels, COLUMNS)
    empty = [not any(value.strip() for value in row) for row in table]
    last = max((place for place, nothing in enumerate(empty) if not nothing), default=-1)
    expected = {line: row[:2] for line, row, nothing in zip(starts[1:], table, empty, strict=True) if not nothing}
    assert {fault.line for fault in faults_found if fault.line} == {
        line for line, nothing in zip(starts[1 : last + 2], empty, strict=False) if nothing
    }
    assert ({} if frame is None else dict(zip(frame.index, frame.to_numpy().tolist(), strict=True))) == expected


def test_every_broken_line_is_named(labels: Path) -> None:
    content = b"user_id,churn_label\nanna\nben,True\ncara,True,1\n"
    assert [fault.split(":")[0] for fault in faults(labels, content)] == ["labels.csv, line 2", "labels.csv, line 4"]


def test_every_missing_column_is_named(labels: Path) -> None:
    assert faults(labels, b"id,label\nanna,True\n") == [
        "labels.csv, line 1, user_id: column is missing; the header has id, label",
        "labels.csv, line 1, churn_label: column is missing; the header has id, label",
    ]


def test_a_column_that_is_there_twice_is_a_fault(labels: Path) -> None:
    assert faults(labels, b"user_id,churn_label,churn_label\nanna,True,False\n") == [
        "labels.csv, line 1, churn_label: column is repeated"
    ]


def test_columns_come_in_the_declared_order_without_the_extra_ones(labels: Path) -> None:
    assert values(labels, b"churn_label,note,user_id\nTrue,x,anna\n") == [["anna", "True"]]


def test_a_fault_says_file_line_column_and_value() -> None:
    fault = FileFault("labels.csv", 7, "churn_label", "maybe", "is not True or False")
    assert str(fault) == "labels.csv, line 7, churn_label: 'maybe' is not True or False"
