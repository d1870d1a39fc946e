"""Every parameter of every entry point, with text that a shell, argparse or a file system could act on."""

import importlib
import os
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from mlflow.projects._project_spec import load_project

from local_stack.settings import ROOT
from steps.runs.entry_points import arguments

PROJECT = load_project(str(ROOT))
ENTRY_POINTS: dict[str, Any] = PROJECT._entry_points
PARAMETERS = [
    pytest.param(name, parameter, id=f"{name}.{parameter}")
    for name, declared in ENTRY_POINTS.items()
    for parameter in declared.parameters
]
TEXTS = (
    "1; touch x",
    '1"; touch x; "',
    "1'; touch x; '",
    "$(touch x)",
    "`touch x`",
    "1 && touch x #",
    "1\ntouch x",
    "2024-01-31\n",
    "| touch x",
    "> x",
    "{as_of}",
    "--help",
    "--as-of=2024-01-31",
    "-1e9; touch x",
    "../../../no/such/../x",
    "~nobody-of-this-name/x",
    "x" * 5000,
)
FREE_PATHS = {"out_dir"}  # a folder of any name can be created
FREE_TEXTS = {"user_id"}
PERSON, LONGEST_NAME = "by", 100
# `python` writes its arguments to a file; each ends with a NUL
RECORDER = 'python() { printf "%s\\0" "$@" >> ../record; }'


def values(entry_point: str, folder: Path) -> dict[str, str]:
    """Valid values for the parameters without a default, and for a folder that may not exist."""
    valid = {"as_of": "2024-01-31", "month_dir": str(folder), "months_dir": str(folder), "labels_file": __file__}
    if entry_point == "approve":
        valid |= {"version": "1", "by": "Ann"}
    return {name: valid[name] for name in ENTRY_POINTS[entry_point].parameters if name in valid}


def option(parameter: str) -> str:
    return f"--{parameter.replace('_', '-')}"


@pytest.fixture
def empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory."""
    folder = tmp_path / "empty"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


@pytest.mark.parametrize("entry_point", ENTRY_POINTS)
def test_the_shell_runs_nothing_of_a_value(entry_point: str, empty_folder: Path) -> None:
    """MLflow's own command lines, in the shell that MLflow uses."""
    tried = [(parameter, text) for parameter in ENTRY_POINTS[entry_point].parameters for text in TEXTS]
    commands = [
        ENTRY_POINTS[entry_point].compute_command({**values(entry_point, empty_folder), parameter: text}, None)
        for parameter, text in tried
    ]
    for command in commands:
        assert shlex.split(command)[:3] == ["python", "-m", f"steps.{entry_point}"]
    script = "\n".join([RECORDER, *commands])  # too long for an argument
    subprocess.run(["bash", "-s"], input=script, text=True, check=True, timeout=60)
    passed = (empty_folder.parent / "record").read_text().split("\0")
    for parameter, text in tried:
        assert passed.count(f"{option(parameter)}={text}") == 1, (parameter, text)
    assert len(passed) == len(tried) * (2 + len(ENTRY_POINTS[entry_point].parameters)) + 1
    assert list(empty_folder.iterdir()) == []


@pytest.mark.parametrize(("entry_point", "parameter"), PARAMETERS)
def test_a_step_refuses_a_value_and_names_it_with_its_parameter(
    entry_point: str, parameter: str, empty_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    parse_args = importlib.import_module(f"steps.{entry_point}").parse_args
    for text in TEXTS:
        argv = arguments(entry_point, {**values(entry_point, empty_folder), parameter: text})
        if parameter in FREE_PATHS and "\n" not in text and not text.startswith("~"):
            assert getattr(parse_args(argv), parameter) == Path(text)
        elif parameter in FREE_TEXTS:
            assert getattr(parse_args(argv), parameter) == text
        elif parameter == PERSON and text.strip().isprintable() and len(text) <= LONGEST_NAME:
            assert getattr(parse_args(argv), parameter) == text.strip()
        else:
            with pytest.raises(SystemExit, match="2"):
                parse_args(argv)
            message = capsys.readouterr().err
            assert f"argument {option(parameter)}: " in message
            assert repr(text) in message
    assert list(empty_folder.iterdir()) == []


@pytest.mark.parametrize(("entry_point", "parameter"), [("history", "last"), ("sample_months", "seed")])
def test_a_refused_value_ends_the_real_command(entry_point: str, parameter: str, empty_folder: Path) -> None:
    text = "1\"'; touch x; $(touch x)\ntouch x"
    command = ENTRY_POINTS[entry_point].compute_command({**values(entry_point, empty_folder), parameter: text}, None)
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-c", command],
        env={**os.environ, "PYTHONPATH": str(ROOT), "PATH": path},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 2
    assert f"error: argument {option(parameter)}: {text!r} is not a whole number" in done.stderr
    assert list(empty_folder.iterdir()) == []
