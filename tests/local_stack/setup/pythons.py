"""Stand-ins for Pythons that this machine may not have: they say a version, and make environments that do so, too."""

import shutil
from pathlib import Path

from local_stack.settings import ROOT

SCRIPTS = ("local_stack/setup/setup.sh", "local_stack/setup/find_python.sh", "pyproject.toml")
# what set-up asks of a machine beside a Python: no git, no curl, nothing of a development kit
TOOLS = ("cat", "chmod", "cksum", "cp", "date", "dirname", "grep", "ls", "mkdir", "mktemp", "mv", "ps", "rm", "sed",
         "seq", "sh", "sort", "tail", "touch", "tr")  # fmt: skip
STAND_IN = """#!/bin/sh
case "$1 $2" in
"-c "*) echo "{version} {flaw} {path}" ;;
"-m venv") {venv}; mkdir -p "$3/bin" && for name in python pip; do cp "{path}" "$3/bin/$name"; done
    touch "$3/bin/activate"; printf '#!/bin/sh\\necho "$* UV_NO_CACHE=${{UV_NO_CACHE:-}}" >> "{notes}"\\n' > "$3/bin/uv"
    chmod +x "$3/bin/uv" ;;
esac
"""


def project(folder: Path) -> Path:
    """What set-up needs of a checkout, with a lock of no packages."""
    for name in SCRIPTS:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, folder / name)
    (folder / "requirements.txt").touch()
    return folder


def tools(folder: Path) -> Path:
    """A folder for PATH, with those programs only."""
    folder.mkdir(exist_ok=True)
    for name in TOOLS:
        (folder / name).symlink_to(str(shutil.which(name)))
    return folder


def python(path: Path, version: str, flaw: str = "-", *, cannot_make_environments: bool = False) -> Path:
    """A program that says it is this Python; `notes` beside it holds what uv in its environments is told."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(
        STAND_IN.format(
            version=version,
            flaw=flaw,
            path=path,
            notes=path.parent / "notes",
            venv="exit 1" if cannot_make_environments else ":",
        )
    )
    path.chmod(0o755)
    return path
