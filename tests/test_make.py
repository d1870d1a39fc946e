"""The Makefile, the hooks and the workflow agree, and name programs missing on a machine."""

import os
import platform
import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest
import yaml

from local_stack.settings import ROOT
from tests.local_stack.setup.pythons import tools

MAKEFILE = (ROOT / "Makefile").read_text()
TARGETS = re.findall(r"^([a-z-]+):", MAKEFILE, re.MULTILINE)
VERSION = platform.python_version()
HOOKS = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]


def run(command: list[str], folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    variables = {**os.environ, **environment}
    return subprocess.run(command, cwd=folder, env=variables, capture_output=True, text=True, timeout=300, check=False)


def test_help_lists_every_target() -> None:
    listed = re.findall(r"^  make ([a-z-]+) +\S", run(["make"], ROOT).stdout, re.MULTILINE)
    phony = re.findall(r"^\.PHONY: (.*)$", MAKEFILE, re.MULTILINE)[0].split()
    assert sorted(listed) == sorted(TARGETS) == sorted(phony)


@pytest.mark.parametrize("target", TARGETS)
def test_every_target_can_be_planned(target: str) -> None:
    assert run(["make", "--dry-run", target], ROOT).returncode == 0


@pytest.mark.parametrize(
    ("programs", "message"),
    [
        (["sh"], ""),
        (["sh", "nowhere", "neither"], "make x needs programs that are not on PATH: nowhere neither. Install them: "),
    ],
)
def test_a_missing_program_is_named_with_its_install_command(programs: list[str], message: str) -> None:
    done = run(["sh", "local_stack/setup/need.sh", "make x", *programs], ROOT)
    assert message in done.stderr
    assert done.returncode == (1 if message else 0)


@pytest.mark.parametrize(("target", "missing"), [("test", "git"), ("report", "chromium curl")])
def test_a_target_names_its_missing_programs_first(tmp_path: Path, target: str, missing: str) -> None:
    bare = tools(tmp_path / "bin")
    (bare / "make").symlink_to(str(shutil.which("make")))
    done = run(["make", target], ROOT, PATH=str(bare), DATA="data")
    assert f"[ERROR] make {target} needs programs that are not on PATH: {missing}. " in done.stderr


def test_the_workflow_runs_ci_on_the_pythons_of_pyproject() -> None:
    [job] = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text())["jobs"].values()
    lowest, above = re.fullmatch(
        r">=3\.(\d+),<3\.(\d+)", tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["requires-python"]
    ).groups()  # type: ignore[union-attr]
    assert job["strategy"]["matrix"]["python"] == [f"3.{minor}" for minor in range(int(lowest), int(above))]
    assert job["steps"][-1] == {"run": ".ci/run", "env": {"PYTHON": "${{ matrix.python }}"}}


def test_the_smoke_test_is_skipped_on_the_python_of_the_tests() -> None:
    done = run([".ci/smoke", ".venv/bin/python"], ROOT)
    assert done.stdout == f"[SKIPPED] smoke: the newest Python here is {VERSION}, which .venv has and the tests used\n"


def test_ci_runs_the_checks_and_then_the_smoke_test() -> None:
    lines = [line for line in (ROOT / ".ci" / "run").read_text().splitlines() if not line.startswith("#")]
    assert lines[-3:] == ["make check", "unset PYTHON", ".ci/smoke"]
    assert "export PYTHON=${PYTHON:-3.11}" in lines


def test_the_hooks_are_tools_of_the_lock_and_of_make_check() -> None:
    assert [repo["repo"] for repo in HOOKS] == ["local"]
    commands = [hook["entry"].split() for hook in HOOKS[0]["hooks"] if hook["id"] != "shell"]
    assert [command[0] for command in commands if not command[0].startswith(".venv/bin/")] == []
    for program in ("ruff format", "ruff check", "mypy"):
        assert f".venv/bin/{program}" in MAKEFILE
        assert f".venv/bin/{program}".split() in commands


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A copy of the project's present files with this environment, added to a new git repository."""
    listed = run(["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], ROOT).stdout
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_file():
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, tmp_path / name)
    (tmp_path / ".venv").symlink_to(ROOT / ".venv")
    run(["git", "init", "--quiet"], tmp_path)
    run(["git", "add", "--all"], tmp_path)
    return tmp_path


def hooks(repository: Path) -> subprocess.CompletedProcess[str]:
    """All hooks except types: `make check` runs the same command, which takes a minute."""
    command = [".venv/bin/pre-commit", "run", "--all-files"]
    return run(command, repository, SKIP="types", PRE_COMMIT_HOME=str(repository / ".git" / "hooks-home"))


def test_the_hooks_accept_the_project_and_reject_bad_code(repository: Path) -> None:
    clean = hooks(repository)
    assert clean.returncode == 0, clean.stdout
    assert re.findall(r"^(.*?)\.+.*Passed$", clean.stdout, re.MULTILINE) == [
        "format",
        "lint",
        "shell scripts can be read",
    ]
    (repository / "steps" / "bad.py").write_text("import os\nx =  1\n")
    (repository / "deploy" / "last.sh").write_text("if\n")
    run(["git", "add", "--all"], repository)
    bad = hooks(repository)
    assert re.findall(r"^(.*?)\.+.*Failed$", bad.stdout, re.MULTILINE) == [
        "format",
        "lint",
        "shell scripts can be read",
    ]
