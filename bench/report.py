"""Parts of every report: machine, package versions, Markdown tables. No name of a host, a person or a folder."""

import os
import platform
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import psutil

from local_stack.settings import ROOT

REPORTS = ROOT / "reports"
PACKAGES = ("mlflow", "feast", "scikit-learn", "flask", "granian", "gunicorn", "uvicorn")
GIB = 2**30


def machine() -> str:
    """One paragraph: hardware() and the load average before the measurement."""
    return (
        f"{hardware()} Load generator, gateway, model server and PostgreSQL share these cores. Load average before the "
        f"start (other programs): {os.getloadavg()[0]:.1f}."
    )


def hardware() -> str:
    """One sentence: date, hardware and package versions."""
    model = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    cores, memory = os.cpu_count(), psutil.virtual_memory().total / GIB
    packages = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    return (
        f"Taken on {datetime.now(UTC):%Y-%m-%d %H:%M} UTC on {cores} cores ({model.group(1) if model else 'unknown'}), "
        f"{memory:.0f} GiB of memory, {platform.system()}, Python {platform.python_version()}; {packages}."
    )


def table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return "\n".join([*lines, *("| " + " | ".join(str(cell) for cell in row) + " |" for row in rows)])


def write(name: str, paragraphs: Sequence[str]) -> Path:
    REPORTS.mkdir(exist_ok=True)
    path = REPORTS / name
    end = f"Load average at the end, with the measured systems and the load generator: {os.getloadavg()[0]:.1f}."
    path.write_text("\n\n".join([*paragraphs, end]) + "\n")
    return path


def put_section(path: Path, head: str, paragraphs: Sequence[str]) -> None:
    """Replaces the section with this head; adds it at the end if there is none."""
    before, _, rest = path.read_text().partition(f"{head}\n")
    _, further, after = rest.partition("\n## ")
    path.write_text("\n\n".join([before.rstrip("\n"), head, *paragraphs]) + "\n" + further + after)


def say(line: str) -> None:
    print(line, flush=True)
