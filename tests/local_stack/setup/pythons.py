"""Fake Pythons that this machine may not have: they print a version and create environments with themselves."""

import shutil
from pathlib import Path

from local_stack.settings import ROOT

SCRIPTS = ("local_stack/setup/setup.sh", "local_stack/setup/find_python.sh", "pyproject.toml")
# the programs that the set-up needs besides a Python: no git, no curl, no compiler
TOOLS = ("cat", "chmod", "cksum", "cp", "date", "dirname", "grep", "ls", "mkdir", "mktemp", "mv", "ps", "rm", "sed",
         "seq", "sh", "sort", "tail", "touch", "tr")  # fmt: skip
FAKE_PYTHON = """#!/bin/sh
case "$1 $2" in
"-c "*) echo "{version} {flaw} {path}" ;;
"-m venv") {venv}; mkdir -p "$3/bin" && for name in python pip; do cp "{path}" "$3/bin/$name"; done
    touch "$3/bin/activate"; printf '#!/bin/sh\\necho "$* UV_NO_CACHE=${{UV_NO_CACHE:-}}" >> "{notes}"\\n' > "$3/bin/uv"
    chmod +x "$3/bin/uv" ;;
esac
"""


def project(folder: Path) -> Path:
    """The files of a checkout that the set-up needs, with an empty lock."""
    for name in SCRIPTS:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, folder / name)
    (folder / "requirements.txt").touch()
    return folder


def tools(folder: Path) -> Path:
    """A folder for PATH with only TOOLS."""
    folder.mkdir(exist_ok=True)
    for name in TOOLS:
        (folder / name).symlink_to(str(shutil.which(name)))
    return folder


def python(path: Path, version: str, flaw: str = "-", *, cannot_make_environments: bool = False) -> Path:
    """A program that prints this version; its environments' uv writes its arguments to `notes` beside it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(
        FAKE_PYTHON.format(
            version=version,
            flaw=flaw,
            path=path,
            notes=path.parent / "notes",
            venv="exit 1" if cannot_make_environments else ":",
        )
    )
    path.chmod(0o755)
    return path
