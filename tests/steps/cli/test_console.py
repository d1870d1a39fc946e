"""The exit codes of a step's process."""

import argparse
from collections.abc import Callable

import pytest

from steps.cli import console
from steps.cli.errors import BadParameter, NoSnapshot, StoppedByRule


def exit_code(main: Callable[[], int | None], **options: int) -> int:
    try:
        console.run(main, **options)
    except SystemExit as ended:
        return int(ended.code or 0)
    return 0


def failing(error: Exception) -> Callable[[], None]:
    def main() -> None:
        raise error

    return main


def with_a_missing_argument() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--as-of", required=True)
    parser.parse_args([])


@pytest.mark.parametrize(("code", "expected"), [(None, 0), (0, 0), (2, 2)])
def test_a_step_ends_with_the_code_that_it_returns(code: int | None, expected: int) -> None:
    assert exit_code(lambda: code) == expected


def test_a_fault_is_1_and_a_rule_that_stops_is_3(capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_code(failing(NoSnapshot("No snapshot"))) == 1
    assert exit_code(failing(StoppedByRule("frozen"))) == 3
    assert capsys.readouterr().err.splitlines() == ["[ERROR] No snapshot", "[STOPPED] frozen"]


@pytest.mark.parametrize("main", [failing(BadParameter("as_of")), with_a_missing_argument])
def test_invalid_parameters_are_2_or_where_2_means_something_else_1(main: Callable[[], None]) -> None:
    assert exit_code(main) == 2
    assert exit_code(main, bad_parameter=1) == 1
