"""Which Python `make` uses, and when .venv is created again. The scripts are real, most Pythons are fakes."""

import os
import platform
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from local_stack.settings import ROOT
from tests.local_stack.setup.pythons import project, python, tools

Done = subprocess.CompletedProcess[str]
SetUp = Callable[..., Done]
FIND = ("sh", str(ROOT / "local_stack" / "setup" / "find_python.sh"))


@pytest.fixture
def bin_folder(tmp_path: Path) -> Path:
    """The whole PATH: the set-up's programs, without a Python."""
    return tools(tmp_path / "bin")


@pytest.fixture
def machine(bin_folder: Path, tmp_path: Path) -> dict[str, str]:
    (tmp_path / "home").mkdir()
    return {"PATH": str(bin_folder), "HOME": str(tmp_path / "home")}


@pytest.fixture
def set_up(machine: dict[str, str], tmp_path: Path) -> SetUp:
    checkout = project(tmp_path / "checkout")

    def run(requested: str = "") -> Done:
        command = ["sh", "local_stack/setup/setup.sh", "requirements.txt"]
        environment = {**machine, **({"PYTHON": requested} if requested else {})}
        return subprocess.run(
            command, cwd=checkout, env=environment, capture_output=True, text=True, timeout=60, check=False
        )

    return run


def find_python(machine: dict[str, str], *arguments: str) -> str:
    done = subprocess.run([*FIND, *arguments], env=machine, capture_output=True, text=True, timeout=60, check=False)
    return done.stdout.strip()


def test_the_python_behind_an_environment_is_found() -> None:
    base = Path(sys.base_prefix) / "bin" / f"python{sys.version_info.major}.{sys.version_info.minor}"
    assert find_python(dict(os.environ), sys.executable) == f"{platform.python_version()} {base}"


def test_the_newest_supported_python_is_used(machine: dict[str, str], bin_folder: Path) -> None:
    for version in ("3.10.2", "3.11.7", "3.13.0", "3.15.0"):
        python(bin_folder / f"python{version[:4]}", version)
    assert find_python(machine) == f"3.13.0 {bin_folder}/python3.13"


def test_pythons_of_pyenv_and_uv_are_found_and_a_broken_shim_is_skipped(
    machine: dict[str, str], bin_folder: Path, tmp_path: Path
) -> None:
    shim = bin_folder / "python3.14"
    shim.write_text("#!/bin/sh\nexit 127\n")
    shim.chmod(0o755)
    pyenv = python(tmp_path / "home/.pyenv/versions/3.12.10/bin/python3.12", "3.12.10")
    python(tmp_path / "home/.pyenv/versions/3.12.9/bin/python3.12", "3.12.9")
    assert find_python(machine) == f"3.12.10 {pyenv}"
    uv = python(tmp_path / "home/.local/share/uv/python/cpython-3.13.1-linux/bin/python3.13", "3.13.1")
    assert find_python(machine) == f"3.13.1 {uv}"


@pytest.mark.parametrize("flaw", ["pre-release", "free-threaded", "not-CPython", "without-venv"])
def test_an_unusable_python_is_skipped(machine: dict[str, str], bin_folder: Path, flaw: str) -> None:
    python(bin_folder / "python3.14", "3.14.0", flaw)
    python(bin_folder / "python3", "3.11.7")
    assert find_python(machine) == f"3.11.7 {bin_folder}/python3"


@pytest.mark.parametrize("requested", ["3.12", "3.12.1", "python3.12", "BIN/python3.12"])
def test_the_requested_python_is_used(machine: dict[str, str], bin_folder: Path, requested: str) -> None:
    for version in ("3.12.1", "3.13.0"):
        python(bin_folder / f"python{version[:4]}", version)
    assert find_python(machine, requested.replace("BIN", str(bin_folder))) == f"3.12.1 {bin_folder}/python3.12"


REFUSED = {
    "3.10": "Python 3.10 is not supported",
    "3.15": "Python 3.15 is not supported",
    "2.7": "Python 2.7 is not supported",
    "pypy3": "there is no such program or version",
    "cat": "this program is not a Python",
    "python3": "this is Python 3.10.2",
    "3.12; touch x": "there is no such program or version",
    '3"; touch x; "': "there is no such program or version",
    "$(touch x)`touch x`": "there is no such program or version",
    "3.12\ntouch x": "there is no such program or version",
}


@pytest.mark.parametrize("requested", REFUSED)
def test_an_unsupported_python_is_refused(set_up: SetUp, bin_folder: Path, tmp_path: Path, requested: str) -> None:
    python(bin_folder / "python3", "3.10.2")
    done = set_up(requested)
    assert done.returncode == 1
    assert done.stderr == (
        f"[ERROR] PYTHON={requested}: {REFUSED[requested]}. StreamFlow needs Python 3.11, 3.12, 3.13, or 3.14: "
        "make run PYTHON=3.14\n"
    )
    assert not (tmp_path / "checkout" / "x").exists()


def test_an_environment_is_kept_unless_another_python_is_requested(set_up: SetUp, bin_folder: Path) -> None:
    python(bin_folder / "python3.11", "3.11.7")
    assert "Python 3.11.7, from requirements.txt" in set_up().stdout
    python(bin_folder / "python3.13", "3.13.0")
    assert [set_up().stdout, set_up("3.11").stdout, set_up("python3.11").stdout] == ["", "", ""]


def test_another_python_creates_the_environment_again(set_up: SetUp, bin_folder: Path) -> None:
    old, new = python(bin_folder / "python3.11", "3.11.7"), python(bin_folder / "python3.13", "3.13.0")
    set_up("3.11")
    output = set_up("3.13").stdout.splitlines()
    assert output[0] == f"  .venv         was created by 3.11.7 {old}; it is created again by 3.13.0 {new}"
    assert output[1].startswith("  .venv         Python 3.13.0, from requirements.txt")
    assert set_up("3.13").stdout == ""


def test_an_environment_without_its_python_is_created_again(set_up: SetUp, bin_folder: Path, tmp_path: Path) -> None:
    python(bin_folder / "python3.11", "3.11.7")
    set_up()
    environment = tmp_path / "checkout" / ".venv" / "bin" / "python"
    environment.unlink()
    environment.symlink_to(tmp_path / "gone")
    assert "was created by a missing or unsupported Python" in set_up().stdout
    assert set_up().returncode == 0


def test_a_failed_set_up_keeps_the_previous_environment(set_up: SetUp, bin_folder: Path, tmp_path: Path) -> None:
    python(bin_folder / "python3.11", "3.11.7")
    python(bin_folder / "python3.13", "3.13.0", cannot_make_environments=True)
    set_up("3.11")
    assert set_up("3.13").returncode != 0
    assert set_up("3.11").stdout == ""
    assert [path.name for path in (tmp_path / "checkout").glob(".venv*")] == [".venv"]


def test_an_environment_in_use_is_not_replaced(set_up: SetUp, bin_folder: Path, tmp_path: Path) -> None:
    for version in ("3.11.7", "3.13.0"):
        python(bin_folder / f"python{version[:4]}", version)
    set_up("3.11")
    program = tmp_path / "checkout" / ".venv" / "bin" / "python"
    with subprocess.Popen([str(program), "-"], executable="/bin/cat", stdin=subprocess.PIPE) as process:
        done = set_up("3.13")
        process.communicate()
    assert done.stderr == "[ERROR] .venv must be created again, but processes run from it (1). Stop them: make down\n"
    assert set_up("3.11").stdout == ""


def test_uv_downloads_a_python_if_none_is_supported(set_up: SetUp, bin_folder: Path, tmp_path: Path) -> None:
    python(bin_folder / "python3", "3.10.2")
    target = tmp_path / "home/.local/share/uv/python/cpython-3.14.1-linux/bin"
    uv = bin_folder / "uv"
    ready = python(tmp_path / "downloaded" / "python3.14", "3.14.1")
    uv.write_text(f'#!/bin/sh\necho "$*" > "{tmp_path}/arguments"; mkdir -p "{target}" && cp "{ready}" "{target}"\n')
    uv.chmod(0o755)
    output = set_up().stdout
    assert (
        "There is no Python 3.11, 3.12, 3.13, or 3.14 on this machine (python3 is 3.10.2); uv downloads one" in output
    )
    assert "Python 3.14.1, from requirements.txt" in output
    assert (tmp_path / "arguments").read_text() == "python install >=3.11,<3.15\n"


def test_a_failed_download_names_the_reason_and_what_to_install(set_up: SetUp, bin_folder: Path) -> None:
    python(bin_folder / "python3", "3.12.3", "without-venv")
    uv = bin_folder / "uv"
    uv.write_text("#!/bin/sh\necho 'error: no' >&2\necho '  cause: dns error' >&2\nexit 1\n")
    uv.chmod(0o755)
    done = set_up()
    assert done.returncode == 1
    assert done.stderr == (
        "[ERROR] There is no Python 3.11, 3.12, 3.13, or 3.14 on this machine (python3 is 3.12.3, without-venv), and "
        "the download failed: cause: dns error\n"
        "Install one (apt-get install python3 python3-venv; brew install python; "
        "https://www.python.org/downloads), or name it: make run PYTHON=/path/to/python3\n"
    )


def test_without_any_python_the_download_is_tried(set_up: SetUp) -> None:
    done = set_up("3.12")
    assert done.returncode == 1
    assert done.stderr.startswith("[ERROR] There is no Python 3.12 on this machine, and the download failed: ")
