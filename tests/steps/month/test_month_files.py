"""A month's six files: accepted if they match the schema, else refused with every fault."""

import json
import os
import random
import re
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pandera.config import config_context
from pandera.errors import SchemaError
from pandera.pandas import Check, Column, DataFrameSchema
from pydantic import TypeAdapter, ValidationError

from feature_enricher.prediction import values
from steps.cli.errors import FaultyMonth
from steps.cli.progress import ignore
from steps.month import check, files
from steps.month.check import SHOWN_FAULTS, check_file
from steps.month.csv_bytes import FileFault
from steps.month.csv_text import TextFile
from steps.month.files import CheckedMonth, count_new_categories, read_labels, read_month
from steps.month.rules import DECIMAL_TEXT, TEXT, USER_ID, whole, with_whole_numbers
from tests.conftest import JANUARY, open_folder
from tests.steps.states.months import FILES, month_of, reordered, with_cell, without_column, without_line, write_month

IN_EVERY_EXAMPLE_THE_SAME_FOLDER = settings(
    deadline=None, max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def faults_in(folder: Path) -> list[FileFault]:
    with pytest.raises(FaultyMonth) as caught:
        read_month(folder, JANUARY)
    faults: list[Any] = caught.value.faults
    return faults


def rows_of(month: CheckedMonth, name: str) -> pd.DataFrame:
    """A file's rows, indexed by their line."""
    table: pd.DataFrame = pa.Table.from_batches(month.chunks(name)).to_pandas()
    return table.set_axis(range(2, 2 + len(table)))


def positions(faults: list[FileFault]) -> list[tuple[str, int | None, str | None]]:
    return [(fault.file, fault.line, fault.column) for fault in faults]


def test_a_good_month_comes_back_as_it_was_written(tmp_path: Path) -> None:
    month = read_month(write_month(tmp_path), JANUARY)
    assert list(month.rows) == list(FILES)
    assert rows_of(month, "usage_agg_30d").to_csv(index=False) == FILES["usage_agg_30d"]


def test_empty_plans_of_users_without_internet_become_false(tmp_path: Path) -> None:
    profile = rows_of(read_month(write_month(tmp_path), JANUARY), "subscriptions")
    plans = profile[["user_id", "plan_stream_tv", "plan_stream_movies"]]
    assert plans.to_numpy().tolist() == [
        ["anna", "True", "False"],
        ["ben", "False", "False"],
        ["cara", "False", "True"],
    ]


@pytest.mark.parametrize("column", ["plan_stream_tv", "plan_stream_movies"])
def test_empty_plans_of_users_with_internet_are_a_fault(tmp_path: Path, column: str) -> None:
    folder = write_month(tmp_path, subscriptions=with_cell(FILES["subscriptions"], 4, column, ""))
    assert faults_in(folder) == [
        FileFault("subscriptions.csv", 4, column, "", "is empty although net_service is not No"),
    ]


def test_empty_plans_are_a_fault_too_where_net_service_is_empty(tmp_path: Path) -> None:
    folder = write_month(tmp_path, subscriptions=with_cell(FILES["subscriptions"], 3, "net_service", ""))
    assert positions(faults_in(folder)) == [
        ("subscriptions.csv", 3, "net_service"),
        ("subscriptions.csv", 3, "plan_stream_tv"),
        ("subscriptions.csv", 3, "plan_stream_movies"),
    ]


def test_every_missing_file_is_a_fault_but_for_labels_which_may_come_later(tmp_path: Path) -> None:
    needed = [name for name in FILES if name != "labels"]
    assert faults_in(tmp_path) == [FileFault(f"{name}.csv", problem="is missing") for name in needed]


def test_a_link_to_labels_that_leads_nowhere_is_no_month_without_labels(tmp_path: Path) -> None:
    folder = write_month(tmp_path, labels=None)
    (folder / "labels.csv").symlink_to(tmp_path / "gone.csv")
    assert faults_in(folder) == [FileFault("labels.csv", problem="is missing")]


def test_what_may_not_be_read_or_is_no_file_says_where_it_is(tmp_path: Path) -> None:
    folder = write_month(tmp_path, payments_agg_90d=None)
    (folder / "payments_agg_90d.csv").mkdir()
    [fault] = faults_in(folder)
    assert str(fault) == f"payments_agg_90d.csv: cannot be read: Is a directory: {folder / 'payments_agg_90d.csv'}"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody who may not read a file")
def test_a_file_of_somebody_else_that_may_not_be_read_is_a_fault() -> None:
    with open_folder() as folder:
        folder.chmod(0o755)
        write_month(folder)
        (folder / "labels.csv").chmod(0o600)
        os.seteuid(65534)
        try:
            [fault] = faults_in(folder)
        finally:
            os.seteuid(0)
        assert str(fault) == f"labels.csv: cannot be read: Permission denied: {folder / 'labels.csv'}"


def test_one_missing_file_is_the_only_fault(tmp_path: Path) -> None:
    assert faults_in(write_month(tmp_path, users=None)) == [FileFault("users.csv", problem="is missing")]


def test_every_empty_file_is_a_fault(tmp_path: Path) -> None:
    faults = faults_in(write_month(tmp_path, dict.fromkeys(FILES, "")))
    assert positions(faults) == [(f"{name}.csv", None, None) for name in FILES]
    assert "is empty" in str(faults[0])


def test_every_file_with_a_header_only_is_a_fault(tmp_path: Path) -> None:
    faults = faults_in(write_month(tmp_path, {name: text.splitlines()[0] + "\n" for name, text in FILES.items()}))
    assert [str(fault) for fault in faults] == [f"{name}.csv: has a header but no rows" for name in FILES]


@pytest.mark.parametrize("place", [0, 1, -1])
def test_a_missing_column_is_a_fault_in_every_file(tmp_path: Path, place: int) -> None:
    missing = {name: text.splitlines()[0].split(",")[place] for name, text in FILES.items()}
    folder = write_month(tmp_path, {name: without_column(text, missing[name]) for name, text in FILES.items()})
    assert positions(faults_in(folder)) == [(f"{name}.csv", 1, column) for name, column in missing.items()]


def test_the_order_of_the_columns_does_not_matter(tmp_path: Path) -> None:
    order = ["net_service", "total_paid", "user_id", "plan_stream_movies", "monthly_fee", "contract_type"]
    order += ["paperless_billing", "months_active", "plan_stream_tv"]
    in_other_order = read_month(
        write_month(tmp_path / "in_other_order", subscriptions=reordered(FILES["subscriptions"], order)), JANUARY
    )
    usual = read_month(write_month(tmp_path / "usual"), JANUARY)
    assert rows_of(in_other_order, "subscriptions").equals(rows_of(usual, "subscriptions"))


def test_extra_columns_are_ignored(tmp_path: Path) -> None:
    extra = "".join(f"{line},x\n" for line in FILES["labels"].splitlines())
    assert list(rows_of(read_month(write_month(tmp_path, labels=extra), JANUARY), "labels")) == [
        "user_id",
        "churn_label",
    ]


def test_files_from_windows_are_accepted(tmp_path: Path) -> None:
    from_windows = {name: b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode() for name, text in FILES.items()}
    month = read_month(write_month(tmp_path, from_windows), JANUARY)
    assert rows_of(month, "labels").to_csv(index=False) == FILES["labels"]


def test_latin_1_is_a_fault_in_every_file(tmp_path: Path) -> None:
    latin = {name: with_cell(text, 2, "user_id", "zoé").encode("latin-1") for name, text in FILES.items()}
    assert positions(faults_in(write_month(tmp_path, latin))) == [(f"{name}.csv", 2, None) for name in FILES]


def test_utf_16_is_a_fault_in_every_file(tmp_path: Path) -> None:
    wide = {name: text.encode("utf-16") for name, text in FILES.items()}
    assert positions(faults_in(write_month(tmp_path, wide))) == [(f"{name}.csv", None, None) for name in FILES]


def test_quoted_column_names_are_accepted(tmp_path: Path) -> None:
    quoted = {}
    for name, text in FILES.items():
        header, rows = text.split("\n", 1)
        quoted[name] = ",".join(f'"{column}"' for column in header.split(",")) + "\n" + rows
    month = read_month(write_month(tmp_path, quoted), JANUARY)
    assert rows_of(month, "usage_agg_30d").to_csv(index=False) == FILES["usage_agg_30d"]


NOT_WHOLE = [
    "",
    " ",
    "x",
    "1.5",
    "1e-3",
    "1.00000000000000000001",
    " 1",
    "1 ",
    "nan",
    "inf",
    "-1",
    "99999999999",
    "9" * 30,
    "٣",
    "1_0",
    "0x1",
]
NOT_A_NUMBER = ["", " ", "x", "nan", "NaN", "inf", "-inf", "Infinity", "1e999", "-1", "-1e-9", "1,5", "٣", "1 ", "1__0"]
NOT_A_FLAG = ["", " ", "yes", "0", "1", "nan", "True ", "tRUE", "None"]
NOT_A_DAY = [
    "",
    "31.01.2024",
    "2024-02-30",
    "2023-02-29",
    "2024-1-31",
    "2024-01-31 ",
    "1024-01-01",
    "nan",
    "٢٠٢٤-01-31",
]
NOT_AN_ID = ["", " ", " anna", "anna ", "an\tna", "an\x01na", "an\x7fna", "an\x9fna", "\u00a0anna", "a" * 129]
WRONG = [
    *(("users", "signup_date", value) for value in NOT_A_DAY),
    *(("users", "user_gender", value) for value in ["", "female", "Other", "Male "]),
    *(("users", "has_family", value) for value in NOT_A_FLAG),
    *(("subscriptions", "months_active", value) for value in [*NOT_WHOLE, "1201"]),
    *(("subscriptions", "contract_type", value) for value in ["", "One Year", "Three year"]),
    *(("subscriptions", "plan_stream_tv", value) for value in ["0", "no", "No internet service"]),
    *(("subscriptions", "monthly_fee", value) for value in [*NOT_A_NUMBER, "10000.01"]),
    *(("subscriptions", "net_service", value) for value in ["", "Fiber Optic", "no", "nan"]),
    *(("usage_agg_30d", "watch_hours_30d", value) for value in ["720.5", "-0.1", "nan"]),
    *(("usage_agg_30d", "avg_session_mins_7d", value) for value in ["1440.5", "nan"]),
    *(("usage_agg_30d", "skips_7d", value) for value in ["2147483648", "-1"]),
    *(("payments_agg_90d", "failed_payments_90d", value) for value in ["0.5", "", "-1", "10001"]),
    *(("support_agg_90d", "ticket_avg_resolution_hrs_90d", value) for value in ["", "-1", "inf"]),
    *(("labels", "churn_label", value) for value in NOT_A_FLAG),
    *((name, "user_id", value) for name in FILES for value in NOT_AN_ID),
]


def test_every_wrong_value_is_named_with_file_line_and_column(tmp_path: Path) -> None:
    files = month_of([f"user-{number}" for number in range(len(WRONG))])
    for line, (name, column, value) in enumerate(WRONG, start=2):
        files[name] = with_cell(files[name], line, column, f"≤{value}≥")  # in brackets: some hold commas
    files = {name: re.sub("≤(.*?)≥", r'"\1"', text) for name, text in files.items()}
    named = {(fault.file, fault.line, fault.column, fault.value) for fault in faults_in(write_month(tmp_path, files))}
    wrong = {(f"{name}.csv", line, column, value) for line, (name, column, value) in enumerate(WRONG, start=2)}
    assert wrong - named == set()


def rules() -> list[tuple[str, str, str]]:
    """File, column and name of every check that the schemas declare."""
    declared = []
    for name, schema in files.FILES.items():
        for column, of_column in schema.columns.items():
            declared += [(f"{name}.csv", column, check.name) for check in of_column.checks]
        declared += [(f"{name}.csv", check.statistics["column"], check.name) for check in schema.checks]
    return declared


def breaking(rule: str) -> str:
    """A value that breaks this rule, whatever other rule of its column it may break."""
    beginnings = {"is beyond double": "1e-400", "is not between": "99999999999", "is empty although": ""}
    return next((value for beginning, value in beginnings.items() if rule.startswith(beginning)), " ?")


def test_the_files_are_declared_as_pandera_schemas_of_texts_with_a_named_rule_for_each_column() -> None:
    assert list(files.FILES) == list(FILES)
    for schema in files.FILES.values():
        assert isinstance(schema, DataFrameSchema)
        assert all(column.dtype.type == TEXT and column.checks for column in schema.columns.values())
    assert all(problem for _, _, problem in rules())


def test_every_rule_of_the_schemas_is_reported_by_its_name(tmp_path: Path) -> None:
    files = month_of([f"user-{number}" for number in range(len(rules()))])
    files["subscriptions"] = files["subscriptions"].replace(",25,,,", ",25,True,True,").replace(",No\n", ",DSL\n")
    for line, (file, column, rule) in enumerate(rules(), start=2):
        name = file.removesuffix(".csv")
        files[name] = with_cell(files[name], line, column, breaking(rule))
    reported = {
        (fault.file, fault.line, fault.column, fault.problem) for fault in faults_in(write_month(tmp_path, files))
    }
    assert {(file, line, column, rule) for line, (file, column, rule) in enumerate(rules(), start=2)} <= reported


def test_no_setting_of_pandera_turns_the_check_off(tmp_path: Path) -> None:
    folder = write_month(tmp_path, labels=with_cell(FILES["labels"], 2, "churn_label", "maybe"))
    with config_context(validation_enabled=False):
        assert positions(faults_in(folder)) == [("labels.csv", 2, "churn_label")]


def test_a_rule_that_cannot_be_carried_out_is_no_fault_of_the_file(tmp_path: Path) -> None:
    def fails(_: object) -> bool:
        raise ZeroDivisionError("in the rule")

    schema = DataFrameSchema({"user_id": Column(None, Check(fails)), "churn_label": Column()})
    file = TextFile(write_month(tmp_path) / "labels.csv", list(schema.columns))
    with pytest.raises(SchemaError, match="in the rule"):
        check_file(file, schema, None, ignore)


ALSO_RIGHT = [
    ("subscriptions", "monthly_fee", "1e-3"),
    ("subscriptions", "total_paid", "+.5"),
    ("subscriptions", "months_active", "+007"),
    ("usage_agg_30d", "watch_hours_30d", "720"),
    ("usage_agg_30d", "skips_7d", "2147483647"),
    ("labels", "churn_label", "TRUE"),
    ("users", "signup_date", "2024-02-29"),
]


def test_other_ways_to_write_a_value_are_accepted_as_they_are(tmp_path: Path) -> None:
    files = dict(FILES)
    for name, column, value in ALSO_RIGHT:
        files[name] = with_cell(files[name], 3, column, value)
    month = read_month(write_month(tmp_path, files), JANUARY)
    assert [rows_of(month, name).loc[3, column] for name, column, _ in ALSO_RIGHT] == [
        value for _, _, value in ALSO_RIGHT
    ]


@pytest.mark.parametrize("written", ["34.0", "34.", "+34.000", "3.4e1", "340E-1", "034"])
def test_a_whole_number_is_one_however_it_is_written(tmp_path: Path, written: str) -> None:
    folder = write_month(tmp_path, subscriptions=with_cell(FILES["subscriptions"], 3, "months_active", written))
    months = rows_of(read_month(folder, JANUARY), "subscriptions")["months_active"]
    assert list(months) == ["24", "34" if written != "034" else "034", "26"]


@pytest.mark.parametrize("written", ["1" * 41, "1e999", "1e40", "-0.5e1"])
def test_a_whole_number_beyond_all_bounds_is_a_fault(tmp_path: Path, written: str) -> None:
    folder = write_month(tmp_path, subscriptions=with_cell(FILES["subscriptions"], 3, "months_active", written))
    assert {(fault.line, fault.column) for fault in faults_in(folder)} == {(3, "months_active")}


@given(text=st.from_regex(DECIMAL_TEXT, fullmatch=True) | st.floats().map(str) | st.integers(-(2**70), 2**70).map(str))
@settings(deadline=None)
def test_whole_numbers_mean_in_files_what_they_mean_in_the_gateways_json(text: str) -> None:
    in_file = with_whole_numbers(pa.record_batch({"n": pa.array([text])}), DataFrameSchema({"n": whole()}))["n"][
        0
    ].as_py()
    try:
        number = json.loads(text)
    except ValueError:  # +7, 7. and .7e1 are no JSON
        return
    try:
        in_request = TypeAdapter(values.KINDS["Int64"][1]).validate_python(number)
    except ValidationError:
        in_request = None
    if in_file is not None and abs(int(in_file)) <= 2**53:  # beyond, JSON's floats are no exact numbers
        assert in_request == int(in_file)


def test_a_number_too_small_for_the_database_is_a_fault_of_the_file(tmp_path: Path) -> None:
    folder = write_month(tmp_path, subscriptions=with_cell(FILES["subscriptions"], 3, "monthly_fee", "1e-400"))
    assert positions(faults_in(folder)) == [("subscriptions.csv", 3, "monthly_fee")]


ODD_IDS = ["NA", "null", "Zoé 1", 'say "hi"', "a,b", "\\.", "\\N", "007", "7", "1e5", "a" * 128, "用户", "😀", "--"]


def test_odd_user_ids_are_accepted_as_they_are(tmp_path: Path) -> None:
    month = read_month(write_month(tmp_path, month_of(ODD_IDS)), JANUARY)
    assert {name: list(rows_of(month, name)["user_id"]) for name in FILES} == dict.fromkeys(FILES, ODD_IDS)


@given(user=st.text(max_size=130) | st.text("\x1f \x85\x9fa\u2028", max_size=4))
def test_who_can_be_loaded_can_be_asked_for(user: str) -> None:
    [loadable] = np.asarray(pc.match_substring_regex(pa.array([user]), USER_ID))
    if loadable:
        assert TypeAdapter(values.text_type(128, 1)).validate_python(user) == user


def test_users_who_are_there_twice_are_named_at_the_second_line(tmp_path: Path) -> None:
    twice = {name: text + text.splitlines(keepends=True)[1] for name, text in FILES.items()}
    assert faults_in(write_month(tmp_path, twice)) == [
        FileFault(f"{name}.csv", 5, "user_id", "anna", "is repeated") for name in FILES
    ]


def test_users_whose_fingerprints_are_the_same_are_not_taken_for_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(check, "fingerprints", lambda ids: np.zeros(len(ids), np.uint64))
    assert read_month(write_month(tmp_path), JANUARY).rows["users"] == 3
    twice = FILES["users"] + FILES["users"].splitlines()[1] + "\n"
    assert [str(fault) for fault in faults_in(write_month(tmp_path, users=twice))] == [
        "users.csv, line 5, user_id: 'anna' is repeated"
    ]


def test_rows_for_unknown_users_are_faults(tmp_path: Path) -> None:
    unknown = {name: with_cell(text, 2, "user_id", "nobody") for name, text in FILES.items() if name != "users"}
    assert faults_in(write_month(tmp_path, {**FILES, **unknown})) == [
        FileFault(f"{name}.csv", 2, "user_id", "nobody", "is not in users.csv") for name in unknown
    ]


def test_a_user_may_be_missing_from_the_other_files(tmp_path: Path) -> None:
    other_files = {name: without_line(text, 2) for name, text in FILES.items() if name != "users"}
    folder = write_month(tmp_path, {**FILES, **other_files})
    assert list(rows_of(read_month(folder, JANUARY), "labels")["user_id"]) == ["ben", "cara"]


def test_the_faults_of_all_files_come_at_once_in_the_order_of_files_and_lines(tmp_path: Path) -> None:
    folder = write_month(
        tmp_path,
        users=with_cell(with_cell(FILES["users"], 4, "user_gender", "?"), 2, "has_family", "?"),
        usage_agg_30d=None,
        payments_agg_90d=without_column(FILES["payments_agg_90d"], "failed_payments_90d"),
        support_agg_90d="",
        labels=with_cell(FILES["labels"], 3, "churn_label", "maybe") + "dave\nerin,True\n",
    )
    assert positions(faults_in(folder)) == [
        ("users.csv", 2, "has_family"),
        ("users.csv", 4, "user_gender"),
        ("usage_agg_30d.csv", None, None),
        ("payments_agg_90d.csv", 1, "failed_payments_90d"),
        ("support_agg_90d.csv", None, None),
        ("labels.csv", 3, "churn_label"),
        ("labels.csv", 5, None),
        ("labels.csv", 6, "user_id"),
    ]


def test_the_message_shows_the_first_faults_and_counts_the_rest(tmp_path: Path) -> None:
    many = FILES["labels"] + "".join(f"nobody-{number},True\n" for number in range(SHOWN_FAULTS + 7))
    with pytest.raises(FaultyMonth) as caught:
        read_month(write_month(tmp_path, labels=many), JANUARY)
    message = str(caught.value)
    assert f"{SHOWN_FAULTS + 7} faults" in message
    assert message.count("is not in users.csv") == SHOWN_FAULTS
    assert "and 7 more" in message
    assert "nothing was loaded" in message


WHOLE = st.integers(0, 1000).map(str)
NUMBER = (st.just(0.0) | st.floats(1e-90, 700)).map(repr)
FLAG = st.sampled_from(["True", "False"])
DAY = st.dates(date(1950, 1, 1), date(2050, 1, 1)).map(str)
VALID = {
    "user_gender": st.sampled_from(["Female", "Male"]),
    "signup_date": DAY,
    "contract_type": st.sampled_from(["Month-to-month", "One year", "Two year"]),
    "net_service": st.sampled_from(["DSL", "Fiber optic"]),
    **dict.fromkeys(["monthly_fee", "total_paid", "watch_hours_30d", "avg_session_mins_7d"], NUMBER),
    "ticket_avg_resolution_hrs_90d": NUMBER,
    **dict.fromkeys(["months_active", "unique_devices_30d", "skips_7d", "rebuffer_events_7d"], WHOLE),
    **dict.fromkeys(["failed_payments_90d", "support_tickets_90d"], WHOLE),
}
IDS = st.text(
    st.characters(codec="utf-8", exclude_categories=["Cc", "Cs", "Zs", "Zl", "Zp"], exclude_characters=',"'),
    min_size=1,
    max_size=20,
)


@st.composite
def valid_months(draw: st.DrawFn) -> dict[str, list[list[str]]]:
    """Per file its rows, the header first."""
    users = draw(st.lists(IDS, min_size=1, max_size=5, unique=True))
    month = {}
    for name, schema in files.FILES.items():
        columns = list(schema.columns)
        rows = [[user, *(draw(VALID.get(column, FLAG)) for column in columns[1:])] for user in users]
        month[name] = [columns, *rows]
    return month


def as_text(month: dict[str, list[list[str]]]) -> dict[str, str]:
    return {name: "".join(",".join(row) + "\n" for row in rows) for name, rows in month.items()}


@IN_EVERY_EXAMPLE_THE_SAME_FOLDER
@given(month=valid_months())
def test_any_valid_month_comes_back_value_for_value(tmp_path: Path, month: dict[str, list[list[str]]]) -> None:
    read = read_month(write_month(tmp_path, as_text(month)), JANUARY)
    assert {name: table.to_numpy().tolist() for name in FILES for table in [rows_of(read, name)]} == {
        name: rows[1:] for name, rows in month.items()
    }


# whatever stands in a cell of any column but user_id, these cannot
NONSENSE = ["?", "-5", "1e9x", "NaN", "\x01", " ", "Ⅷ", "true false", "None"]


@IN_EVERY_EXAMPLE_THE_SAME_FOLDER
@given(month=valid_months(), seed=st.integers(0, 2**32), count=st.integers(1, 8))
def test_each_of_several_corrupted_cells_is_named(
    tmp_path: Path, month: dict[str, list[list[str]]], seed: int, count: int
) -> None:
    chance = random.Random(seed)  # noqa: S311 - repeatable, not secret
    cells = [
        (name, line, column)
        for name, rows in month.items()
        for line in range(1, len(rows))
        for column in range(1, len(rows[0]))
    ]
    corrupted = chance.sample(cells, min(count, len(cells)))
    for name, line, column in corrupted:
        month[name][line][column] = chance.choice(NONSENSE)
    named = positions(faults_in(write_month(tmp_path, as_text(month))))
    assert {(f"{name}.csv", line + 1, month[name][0][column]) for name, line, column in corrupted} <= set(named)


def test_a_new_category_is_a_fault_that_names_the_word_to_say_and_loads_with_it(tmp_path: Path) -> None:
    new = with_cell(FILES["subscriptions"], 2, "net_service", "Satellite")
    folder = write_month(tmp_path, subscriptions=new)
    [fault] = faults_in(folder)
    assert "'Satellite' is not one of DSL, Fiber optic, No" in str(fault)
    assert "-P new_categories=true" in str(fault)
    month = read_month(folder, JANUARY, new_categories=True)
    assert count_new_categories(month) == {"net_service": {"Satellite": 1}}
    assert list(rows_of(month, "subscriptions")["net_service"]) == ["Satellite", "No", "DSL"]


@pytest.mark.parametrize("odd", ["", " Satellite", "Sat\x07ellite", "x" * 65])
def test_a_new_category_is_a_sane_text(tmp_path: Path, odd: str) -> None:
    folder = write_month(tmp_path, subscriptions=with_cell(FILES["subscriptions"], 2, "net_service", odd))
    with pytest.raises(FaultyMonth, match="net_service"):
        read_month(folder, JANUARY, new_categories=True)


def test_a_labels_file_that_changes_after_the_check_is_refused(tmp_path: Path) -> None:
    path = write_month(tmp_path) / "labels.csv"
    checked = read_labels(path, JANUARY, pa.array(["anna", "ben", "cara"]))
    path.write_text(FILES["labels"].replace("True", "true"))  # the same number of rows and bytes
    with pytest.raises(FaultyMonth, match=r"labels\.csv: changed during the load; nothing was loaded"):
        list(checked.chunks())
