"""With a HOME that is not writable, set-up and steps use no cache or another folder."""

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


def test_a_writable_home_is_used(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert "MPLCONFIGDIR" not in Settings.from_env().exported()


@pytest.mark.parametrize("writable", [False, True])
def test_uv_uses_no_cache_if_home_is_not_writable(tmp_path: Path, writable: bool) -> None:
    """Runs the set-up script with a fake Python whose uv records its call."""
    home = tmp_path / "home" if writable else Path(NOWHERE)
    program = python(tmp_path / "python" / "python3.11", "3.11.7")
    environment = {"PATH": os.defpath, "HOME": str(home), "PYTHON": str(program)}
    command = ["sh", "local_stack/setup/setup.sh", "requirements.txt"]
    subprocess.run(command, cwd=project(tmp_path / "checkout"), env=environment, check=True)
    assert (
        (program.parent / "notes")
        .read_text()
        .splitlines()[-1]
        .endswith("UV_NO_CACHE=" if writable else "UV_NO_CACHE=1")
    )
