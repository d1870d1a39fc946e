"""A CSV file as text: what is wrong with the file itself."""

from pathlib import Path

import pandas as pd
import pytest

from steps.csv_text import Fault, TextFile

COLUMNS = ["user_id", "churn_label"]


def read_text(path: Path, columns: list[str]) -> tuple[pd.DataFrame | None, list[Fault]]:
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
    frame, found = read_text(path, COLUMNS)
    assert not found
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
    frame, found = read_text(labels, COLUMNS)
    assert frame is not None
    assert list(frame.index) == [2, 4]
    assert [(fault.line, fault.value) for fault in found] == [(3, "ben,False,1")]


def test_a_broken_line_far_down_in_a_file_of_many_blocks_is_named_by_its_number(labels: Path) -> None:
    lines = [f"user-{number:07d},True" for number in range(600_000)]  # 11 MB; pyarrow reads 4 MB at a time
    lines[540_000] += ",too much"
    labels.write_text("user_id,churn_label\n" + "\n".join(lines) + "\n")
    frame, found = read_text(labels, COLUMNS)
    assert frame is not None
    assert [fault.line for fault in found] == [540_002]
    assert frame.loc[600_001, "user_id"] == "user-0599999"


def test_a_missing_file_is_one_fault(labels: Path) -> None:
    assert read_text(labels, COLUMNS) == (None, [Fault("labels.csv", problem="is missing")])


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


def test_a_blank_line_is_a_row_without_values(labels: Path) -> None:
    assert values(labels, b"user_id,churn_label\nben,True\n\n") == [["ben", "True"], ["", ""]]


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
        "labels.csv, line 1, churn_label: column is there twice"
    ]


def test_columns_come_in_the_declared_order_without_the_extra_ones(labels: Path) -> None:
    assert values(labels, b"churn_label,note,user_id\nTrue,x,anna\n") == [["anna", "True"]]


def test_a_fault_says_file_line_column_and_value() -> None:
    fault = Fault("labels.csv", 7, "churn_label", "maybe", "is not True or False")
    assert str(fault) == "labels.csv, line 7, churn_label: 'maybe' is not True or False"
