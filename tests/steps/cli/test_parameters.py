"""The valid values of -P; others are refused before anything starts."""

import argparse
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steps.cli import parameters

NOT_DAYS = ["", "2024-02-30", "2024-13-01", "31.01.2024", "20240131", "2024-1-31", "2024-01-31T00:00", " 2024-01-31"]
NOT_DAYS += ["2024-01-31\n", "2024-01-31'; DROP TABLE users; --", "$(date)", "2024-01-3\u0661", "0000-01-01", "today"]


@given(day=st.dates())
def test_every_day_can_be_an_as_of(day: date) -> None:
    assert parameters.as_of(day.isoformat()) == day


@pytest.mark.parametrize("text", NOT_DAYS)
def test_what_is_no_day_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="YYYY-MM-DD, for example 2024-01-31"):
        parameters.as_of(text)


def test_a_folder_has_to_be_there(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert parameters.existing_folder(str(tmp_path)) == tmp_path
    for text in (str(tmp_path / "absent"), str(tmp_path / "file"), ""):
        with pytest.raises(argparse.ArgumentTypeError, match="is not a folder"):
            parameters.existing_folder(text)


def test_a_tilde_is_the_home_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert parameters.existing_folder("~") == tmp_path


@pytest.mark.parametrize("text", ["0", "11", "-1", "+5", "5.0", "", " 5", "\u0665", "5\n", "1e1", "five"])
def test_whole_numbers_are_digits_within_their_range(text: str) -> None:
    parse = parameters.whole_number(1, 10)
    assert parse("10") == 10
    with pytest.raises(argparse.ArgumentTypeError, match="is not a whole number from 1 to 10"):
        parse(text)


@pytest.mark.parametrize("text", ["0", "-0.1", "nan", "inf", "-inf", "1e999", "", "x", "0x1"])
def test_positive_numbers_are_finite_and_above_zero(text: str) -> None:
    assert parameters.positive_number("0.05") == 0.05
    with pytest.raises(argparse.ArgumentTypeError, match="is not a number above 0"):
        parameters.positive_number(text)


@pytest.mark.parametrize("text", ["1.01", "-0.1", "nan", "inf", "", "x"])
def test_numbers_are_within_their_range(text: str) -> None:
    parse = parameters.number(0, 1)
    assert [parse(right) for right in ("0", "0.7", "1")] == [0, 0.7, 1]
    with pytest.raises(argparse.ArgumentTypeError, match="is not a number from 0 to 1"):
        parse(text)


@pytest.mark.parametrize("text", ["", "True", "yes", "1", "false "])
def test_a_choice_is_true_or_false(text: str) -> None:
    assert [parameters.yes_or_no("true"), parameters.yes_or_no("false")] == [True, False]
    with pytest.raises(argparse.ArgumentTypeError, match="must be true or false"):
        parameters.yes_or_no(text)


@pytest.mark.parametrize("text", ["", "0", "01", "-1", "1.0", "one", "1\n", "9999999999"])
def test_a_version_is_a_whole_number(text: str) -> None:
    assert parameters.version("12") == "12"
    with pytest.raises(argparse.ArgumentTypeError, match="is not a version's number"):
        parameters.version(text)


@pytest.mark.parametrize("text", ["", "0" * 31, "0" * 33, "G" * 32, "A" * 32, "0" * 32 + "\n", "' OR 1=1"])
def test_a_run_id_is_32_hexadecimal_digits(text: str) -> None:
    assert parameters.run_id("0123456789abcdef" * 2) == "0123456789abcdef" * 2
    with pytest.raises(argparse.ArgumentTypeError, match="is not a run id"):
        parameters.run_id(text)


@pytest.mark.parametrize("text", ["", "churn v1", "churn_v1'", "churn_v1\n", "churn-v1", "é"])
def test_a_feature_service_is_a_plain_name(text: str) -> None:
    assert parameters.feature_service("churn_v2") == "churn_v2"
    with pytest.raises(argparse.ArgumentTypeError, match="is not the name of a FeatureService, such as churn_v1"):
        parameters.feature_service(text)


def test_the_empty_text_means_not_given() -> None:
    parse = parameters.optional(parameters.as_of)
    assert parse("") is None
    assert parse("2024-01-31") == date(2024, 1, 31)
    with pytest.raises(argparse.ArgumentTypeError):
        parse("soon")
