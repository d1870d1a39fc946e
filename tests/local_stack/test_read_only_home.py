"""A HOME that cannot be written: set-up and steps keep their caches elsewhere."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from local_stack.settings import ROOT, Settings

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
    """By the set-up script itself, with a Python that only notes how uv was called."""
    (tmp_path / "local_stack").mkdir()
    shutil.copy(ROOT / "local_stack" / "setup.sh", tmp_path / "local_stack")
    (tmp_path / "requirements.txt").touch()
    bin_folder = tmp_path / ".venv" / "bin"
    bin_folder.mkdir(parents=True)
    (bin_folder / "activate").touch()
    stand_in = (
        '#!/bin/sh\ncase "$*" in *version_info*) echo 3.11;; *) echo "UV_NO_CACHE=${UV_NO_CACHE:-}" >> "$NOTES";; esac'
    )
    for name in ("python", "uv"):
        (bin_folder / name).write_text(stand_in)
        (bin_folder / name).chmod(0o755)
    home = tmp_path / "home" if writable else Path(NOWHERE)
    given = {
        "PATH": os.defpath,
        "HOME": str(home),
        "NOTES": str(tmp_path / "notes"),
        "PYTHON": str(bin_folder / "python"),
    }
    subprocess.run(["sh", "local_stack/setup.sh", "requirements.txt"], cwd=tmp_path, env=given, check=True)
    assert (tmp_path / "notes").read_text().splitlines()[-1] == ("UV_NO_CACHE=" if writable else "UV_NO_CACHE=1")
