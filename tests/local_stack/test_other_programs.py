"""What a shell has for other programs stays out of the stack's processes."""

import subprocess
from pathlib import Path

import pytest

from local_stack import other_programs
from local_stack.settings import Settings


def test_children_get_none_of_it(server: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    others = {
        "MLFLOW_REGISTRY_URI": "databricks-uc",
        "MLFLOW_EXPERIMENT_ID": "77",
        "MLFLOW_RUN_ID": "of-something-else",
        "GUNICORN_CMD_ARGS": "--bind 0.0.0.0:9000",
        "WEB_CONCURRENCY": "8",
        "PYTHONWARNINGS": "error",
        "GIT_DIR": "/nowhere",
    }
    for name, value in others.items():
        monkeypatch.setenv(name, value)
    given = Settings.from_env().child_environment()
    assert others.keys() & given.keys() == set()
    assert given["MLFLOW_EXPERIMENT_NAME"] == "streamflow"


def test_a_hook_s_repository_is_not_asked_for_the_commit(tmp_path: Path) -> None:
    asked = subprocess.run(["git", "rev-parse", "--local-env-vars"], capture_output=True, text=True, check=True).stdout
    leads_elsewhere = {"GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY", "GIT_COMMON_DIR"}
    assert leads_elsewhere <= set(asked.split()) & set(other_programs.OF_A_REPOSITORY)
    subprocess.run(["git", "init", "-q", str(tmp_path / "ours")], check=True)
    environment = {"PATH": "/usr/bin:/bin", "GIT_DIR": "/nowhere", "GIT_WORK_TREE": "/nowhere"}
    other_programs.keep_repository_out(environment)
    found = subprocess.run(
        ["git", "-C", str(tmp_path / "ours"), "rev-parse", "--git-dir"],
        env=environment, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert found.stdout == ".git\n"
