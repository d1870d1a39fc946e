"""A HOME that cannot be written: set-up and steps keep their caches elsewhere."""

import os
import subprocess
from pathlib import Path

import pytest

from local_stack.settings import Settings
from tests.local_stack.setup.pythons import project, python

NOWHERE = "/proc/nonexistent"


def test_matplotlib_keeps_its_fonts_in_the_state_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("MPLCONFIGDIR", "XDG_CONFIG_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", NOWHERE)
    settings = Settings.from_env()
    assert settings.exported()["MPLCONFIGDIR"] == str(settings.state / "matplotlib")


def test_a_home_that_can_be_written_is_used(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert "MPLCONFIGDIR" not in Settings.from_env().exported()


@pytest.mark.parametrize("writable", [False, True])
def test_uv_is_told_to_keep_no_cache_where_it_cannot_write_one(tmp_path: Path, writable: bool) -> None:
    """By the set-up script itself, with a Python whose uv only notes how it was called."""
    home = tmp_path / "home" if writable else Path(NOWHERE)
    program = python(tmp_path / "python" / "python3.11", "3.11.7")
    given = {"PATH": os.defpath, "HOME": str(home), "PYTHON": str(program)}
    command = ["sh", "local_stack/setup/setup.sh", "requirements.txt"]
    subprocess.run(command, cwd=project(tmp_path / "checkout"), env=given, check=True)
    assert (
        (program.parent / "notes")
        .read_text()
        .splitlines()[-1]
        .endswith("UV_NO_CACHE=" if writable else "UV_NO_CACHE=1")
    )
