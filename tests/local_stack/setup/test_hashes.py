"""Only the files that the lock names are installed."""

import hashlib
import re
import subprocess
import zipfile
from pathlib import Path

import pytest

from local_stack.settings import ROOT
from tests.local_stack.setup.pythons import project, python

UV = ROOT / ".venv" / "bin" / "uv"
INSTALLERS = (".ci/run", "Dockerfile", "deploy/kubernetes/Dockerfile", "local_stack/setup/setup.sh")
WHEEL = "locked-1.0-py3-none-any.whl"


def wheel(path: Path, code: str) -> str:
    """Writes a package `locked` 1.0 with this code. Returns its sha256."""
    info = "locked-1.0.dist-info"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("locked.py", code)
        file.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: locked\nVersion: 1.0\n")
        file.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: a\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        file.writestr(f"{info}/RECORD", f"locked.py,,\n{info}/METADATA,,\n{info}/WHEEL,,\n{info}/RECORD,,\n")
    return hashlib.sha256(path.read_bytes()).hexdigest()


def install(folder: Path, *options: str) -> "subprocess.CompletedProcess[str]":
    offline = ["--offline", "--no-cache", "--no-index", "--find-links", str(folder)]
    command = [str(UV), "pip", "install", *options, *offline, "--target", str(folder / "installed")]
    return subprocess.run(
        [*command, "-r", str(folder / "lock.txt")], capture_output=True, text=True, timeout=120, check=False
    )


def test_another_file_of_a_locked_version_is_refused(tmp_path: Path) -> None:
    sha256 = wheel(tmp_path / WHEEL, "answer = 1")
    (tmp_path / "lock.txt").write_text(f"locked==1.0 \\\n    --hash=sha256:{sha256}\n")
    assert install(tmp_path, "--require-hashes").returncode == 0
    wheel(tmp_path / WHEEL, "answer = 'of an attacker'")
    done = install(tmp_path, "--require-hashes", "--reinstall")
    assert done.returncode != 0
    assert "Hash mismatch for `locked==1.0`" in done.stderr
    assert (tmp_path / "installed" / "locked.py").read_text() == "answer = 1"


def test_a_package_without_hashes_is_refused(tmp_path: Path) -> None:
    wheel(tmp_path / WHEEL, "answer = 1")
    (tmp_path / "lock.txt").write_text("locked==1.0\n")
    assert install(tmp_path, "--require-hashes").returncode != 0
    assert not (tmp_path / "installed" / "locked.py").exists()


@pytest.mark.parametrize("name", INSTALLERS)
def test_every_installation_requires_hashes(name: str) -> None:
    lines = [line for line in (ROOT / name).read_text().splitlines() if re.search(r"pip install\b", line)]
    assert lines
    assert [line for line in lines if "--require-hashes" not in line] == []


def test_the_installer_itself_is_the_one_of_the_lock(tmp_path: Path) -> None:
    """setup.sh with a fake Python, whose pip keeps the requirements that it gets."""
    checkout = project(tmp_path / "checkout")
    lock = (ROOT / "requirements.txt").read_text()
    (checkout / "requirements.txt").write_text(lock)
    program = python(tmp_path / "python" / "python3.11", "3.11.7")
    kept = tmp_path / "kept"
    program.write_text(program.read_text().replace("esac", f'"-m pip") [ "$3" = config ] || cp "$7" "{kept}" ;;\nesac'))
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "PYTHON": str(program)}
    command = ["sh", "local_stack/setup/setup.sh", "requirements.txt"]
    subprocess.run(command, cwd=checkout, env=environment, capture_output=True, check=True, timeout=60)
    block = re.search(r"^uv==.*(?:\n    --hash=.*)+", lock, re.MULTILINE)
    assert block
    assert kept.read_text() == f"{block[0]}\n"
