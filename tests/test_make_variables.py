"""Values of make's variables are data: neither make nor the shell runs them. Every target runs, with recorders in place
of the programs that it starts."""

import os
import re
import subprocess
from collections.abc import Iterable
from pathlib import Path

import pytest

from local_stack.settings import ROOT

MAKEFILE = (ROOT / "Makefile").read_text()
TARGETS = re.findall(r"^([a-z-]+):", MAKEFILE, re.MULTILINE)
OWN = re.findall(r"^override ([A-Z_]+)", MAKEFILE, re.MULTILINE)
READ = {
    **dict.fromkeys(("run", "up"), ("DATA", "AS_OF", "MIX")),
    **dict.fromkeys(("rollback", "lineage"), ("VERSION",)),
    "approve": ("VERSION", "BY", "REFUSE"),
    "backup": ("TO",),
    "restore": ("FROM",),
    "bench": ("DATA", "FOR", "ROUNDS"),
    "chaos": ("DATA", "MINUTES", "SCALE", "DATA", "CASES"),
    "bench-reasons": ("DATA", "FOR", "ROUNDS"),
    "bench-swap": ("DATA", "SWAPS"),
    "bench-scale": ("SIZES", "STOCK_UP_TO"),
    "bench-kills": ("KILLS", "STORE"),
    "bench-month-kills": ("KILLS",),
    "report": ("DATA",),
}
READ_BY_SCRIPTS = ("PYTHON", "UPGRADE")
NAMES = sorted({*OWN, *READ_BY_SCRIPTS, "UNKNOWN", *(name for names in READ.values() for name in names)})
SHELL_TEXT = (
    '1"; touch x; "',
    "1'; touch x; '",
    "$(touch x)",
    "$$(touch x)",
    "`touch x`",
    "$(shell touch x)",
    "${shell touch x}",
    "1; touch x #",
    "1\ntouch x",
    '1"\n\ttouch x\n\techo "',
    "1 > x",
    "--state=x",
)
# writes its arguments to the file RECORD: each argument ends with a NUL
RECORDER = '#!/bin/sh\nprintf "%s\\0" "$@" >> "$RECORD"\n'
PROGRAMS = (
    *(f".venv/bin/{program}" for program in ("python", "ruff", "mypy", "mlflow", "uv", "cyclonedx-py")),
    *(f"local_stack/setup/{script}.sh" for script in ("setup", "need", "lock")),
    "deploy/containers/test-compose.sh",
)


@pytest.fixture
def recorders(tmp_path: Path) -> Path:
    """A folder with the Makefile and recorders."""
    folder = tmp_path / "project"
    for name in PROGRAMS:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(RECORDER)
        (folder / name).chmod(0o700)
    (folder / ".venv" / "bin" / "activate").write_text('PATH="$PWD/.venv/bin:$PATH"\n')
    (folder / "Makefile").write_text(MAKEFILE)
    return folder


def make(folder: Path, targets: Iterable[str], *variables: str, **environment: str) -> list[str]:
    """All arguments of the programs that the targets start."""
    record = folder.parent / "record"
    record.write_text("")
    done = subprocess.run(
        ["make", *targets, *variables],
        cwd=folder,
        env={**os.environ, **environment, "RECORD": str(record)},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return record.read_text().split("\0")


def files(folder: Path) -> set[Path]:
    return set(folder.rglob("*"))


@pytest.mark.parametrize("value", SHELL_TEXT)
def test_a_value_on_the_command_line_reaches_the_programs_unchanged(recorders: Path, value: str) -> None:
    before = files(recorders)
    arguments = make(recorders, TARGETS, *(f"{name}={value}" for name in NAMES))
    assert files(recorders) == before
    assert sum(text.endswith(f"={value}") for text in arguments) == sum(map(len, READ.values()))


@pytest.mark.parametrize("value", SHELL_TEXT)
def test_a_value_in_the_environment_reaches_the_programs_unchanged(recorders: Path, value: str) -> None:
    before = files(recorders)
    arguments = make(recorders, READ, **{name: value for names in READ.values() for name in names})
    assert files(recorders) == before
    assert sum(text.endswith(f"={value}") for text in arguments) == sum(map(len, READ.values()))


@pytest.mark.parametrize("target", READ)
def test_each_target_passes_on_its_own_variables(recorders: Path, target: str) -> None:
    arguments = make(recorders, [target], *(f"{name}=value-of-{name}" for name in NAMES))
    passed = [name for text in arguments for name in NAMES if text.endswith(f"=value-of-{name}")]
    assert sorted(passed) == sorted(READ[target])


def test_every_variable_of_the_makefile_is_tried() -> None:
    used = set(re.findall(r"\$\$\{?([A-Z_]+)", MAKEFILE)) - {"PWD"}
    assert used == {name for names in READ.values() for name in names}
    expanded_by_make = re.findall(r"^(?!#).*?(?<!\$)\$[({]([A-Z_]+)[)}]", MAKEFILE, re.MULTILINE)
    assert set(expanded_by_make) <= {*OWN, "MAKE"}


def test_shell_text_in_the_name_of_the_project_folder_is_not_run(recorders: Path) -> None:
    folder = recorders.rename(recorders.parent / 'a"; touch x; "$(touch y)')
    before = files(folder)
    make(folder, ["bench"])
    assert files(folder) == before


def test_a_variable_of_the_stack_reaches_the_program(recorders: Path) -> None:
    (recorders / ".venv" / "bin" / "python").write_text('#!/bin/sh\nprintf "%s\\0" "$PGPORT" >> "$RECORD"\n')
    assert "5433" in make(recorders, ["up"], "PGPORT=5433")
