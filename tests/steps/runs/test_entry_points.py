"""MLproject and the steps agree: each accepts exactly what the other gives."""

import argparse
import importlib
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from local_stack.settings import ROOT
from steps.runs.entry_points import arguments

ENTRY_POINTS: dict[str, Any] = yaml.safe_load((ROOT / "MLproject").read_text())["entry_points"]


def values_for(entry_point: str, folder: Path) -> dict[str, str]:
    """A value for every parameter without a default, and as_of for register."""
    (folder / "labels.csv").touch()
    values = {"month_dir": str(folder), "as_of": "2024-01-31", "out_dir": str(folder), "months_dir": str(folder)}
    if entry_point in ("approve", "examine"):
        values["version"] = "1"
    values["by"] = "Ann"
    values["labels_file"] = str(folder / "labels.csv")
    return {name: values[name] for name in ENTRY_POINTS[entry_point]["parameters"] if name in values}


def parsed(entry_point: str, argv: list[str]) -> argparse.Namespace:
    namespace: argparse.Namespace = importlib.import_module(f"steps.{entry_point}").parse_args(argv)
    return namespace


@pytest.mark.parametrize("entry_point", ENTRY_POINTS)
def test_a_step_accepts_exactly_the_parameters_of_its_entry_point(entry_point: str, tmp_path: Path) -> None:
    argv = arguments(entry_point, values_for(entry_point, tmp_path))
    assert set(vars(parsed(entry_point, argv))) == set(ENTRY_POINTS[entry_point]["parameters"])


@pytest.mark.parametrize("entry_point", ENTRY_POINTS)
def test_a_step_has_no_defaults_of_its_own(
    entry_point: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    argv = arguments(entry_point, values_for(entry_point, tmp_path))
    for index, argument in enumerate(argv):
        with pytest.raises(SystemExit):
            parsed(entry_point, argv[:index] + argv[index + 1 :])
        assert f"required: {argument.split('=')[0]}" in capsys.readouterr().err


@pytest.mark.parametrize("entry_point", ENTRY_POINTS)
def test_the_command_runs_the_module_with_every_parameter(entry_point: str) -> None:
    command = ENTRY_POINTS[entry_point]["command"]
    parameters = ENTRY_POINTS[entry_point]["parameters"]
    assert command.startswith(f"python -m steps.{entry_point} ")
    assert dict(re.findall(r"--([\w-]+)=\{(\w+)\}", command)) == {name.replace("_", "-"): name for name in parameters}


def test_given_values_win_over_the_defaults_of_mlproject() -> None:
    argv = arguments("train", {"as_of": "2024-01-31", "model": "logistic_regression"})
    options = dict(argument.split("=", 1) for argument in argv)
    assert options["--model"] == "logistic_regression"
    assert options["--n-estimators"] == "300"
    assert options["--feature-service"] == "churn_v1"


@pytest.mark.parametrize(
    ("entry_point", "values", "message"),
    [
        ("nothing", {}, "nothing"),
        ("ingest", {"as_of": "2024-01-31"}, "ingest needs month_dir"),
        ("ingest", {}, "ingest needs month_dir, as_of"),
        ("materialize", {"as_of": "2024-01-31", "trees": "3"}, "materialize has no parameter trees"),
    ],
)
def test_unknown_and_missing_parameters_are_named(entry_point: str, values: dict[str, str], message: str) -> None:
    with pytest.raises(KeyError, match=message):
        arguments(entry_point, values)


@pytest.mark.parametrize(
    ("entry_point", "changed", "message"),
    [
        ("train", {"as_of": "31.01.2024"}, "YYYY-MM-DD"),
        ("train", {"model": "xgboost"}, "invalid choice: 'xgboost'"),
        ("train", {"n_estimators": "0"}, "is not a whole number from 1"),
        ("train", {"learning_rate": "nan"}, "is not a number above 0"),
        (
            "select_model",
            {"candidates": "xgboost:churn_v1"},
            "Allowed are: hist_gradient_boosting, logistic_regression",
        ),
        ("select_model", {"trials": "-1"}, "is not a whole number from 0"),
        ("ingest", {"month_dir": "/nowhere"}, "'/nowhere' is not a folder"),
        ("register", {"stage": "production"}, "invalid choice: 'production'"),
        ("register", {"run_id": "latest", "as_of": ""}, "is not a run id"),
        ("register", {"min_gain": "much"}, "is not a number from -1 to 1"),
        ("register", {"min_auc": "nan"}, "is not a number from 0 to 1"),
        ("register", {"force": "yes"}, "'yes' must be true or false"),
        ("rollback", {"version": "latest"}, "'latest' is not a version's number"),
        ("lineage", {"version": "0"}, "'0' is not a version's number"),
        ("history", {"last": "0"}, "is not a whole number from 1"),
        ("register", {"as_of": ""}, "give either run_id or as_of"),
        ("register", {"run_id": "0" * 32}, "give either run_id or as_of"),
    ],
)
def test_an_invalid_value_ends_the_step_with_code_2(
    entry_point: str, changed: dict[str, str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    argv = arguments(entry_point, {**values_for(entry_point, tmp_path), **changed})
    with pytest.raises(SystemExit) as ended:
        parsed(entry_point, argv)
    assert ended.value.code == 2
    assert message in capsys.readouterr().err
