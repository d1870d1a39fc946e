"""The stack's processes do not inherit the shell's variables for other programs."""

import subprocess
from pathlib import Path

import pytest

from local_stack.environment import inherited_variables
from local_stack.settings import Settings


def test_child_processes_inherit_none_of_them(server: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    foreign = {
        "MLFLOW_REGISTRY_URI": "databricks-uc",
        "MLFLOW_EXPERIMENT_ID": "77",
        "MLFLOW_RUN_ID": "of-something-else",
        "GUNICORN_CMD_ARGS": "--bind 0.0.0.0:9000",
        "WEB_CONCURRENCY": "8",
        "PYTHONWARNINGS": "error",
        "GIT_DIR": "/nowhere",
    }
    for name, value in foreign.items():
        monkeypatch.setenv(name, value)
    environment = Settings.from_env().child_environment()
    assert foreign.keys() & environment.keys() == set()
    assert environment["MLFLOW_EXPERIMENT_NAME"] == "streamflow"


def test_a_git_hook_s_repository_is_not_read_for_the_commit(tmp_path: Path) -> None:
    listed = subprocess.run(["git", "rev-parse", "--local-env-vars"], capture_output=True, text=True, check=True).stdout
    repository = {"GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY", "GIT_COMMON_DIR"}
    assert repository <= set(listed.split()) & set(inherited_variables.GIT)
    subprocess.run(["git", "init", "-q", str(tmp_path / "project")], check=True)
    environment = {"PATH": "/usr/bin:/bin", "GIT_DIR": "/nowhere", "GIT_WORK_TREE": "/nowhere"}
    inherited_variables.drop_git(environment)
    done = subprocess.run(
        ["git", "-C", str(tmp_path / "project"), "rev-parse", "--git-dir"],
        env=environment, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout == ".git\n"
