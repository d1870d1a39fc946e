"""MLproject as data: the entry points, and the arguments to run one."""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from steps.cli.settings import PROJECT_ROOT


def names() -> set[str]:
    """The names of all entry points."""
    return set(_declared(PROJECT_ROOT))


def arguments(entry_point: str, values: Mapping[str, str]) -> list[str]:
    """The entry point's command-line arguments: `values`, and MLproject's defaults for other parameters.

    Raises KeyError for an unknown entry point or parameter, and for a missing required one.
    """
    parameters = _declared(PROJECT_ROOT)[entry_point]["parameters"]
    unknown = set(values) - set(parameters)
    if unknown:
        raise KeyError(f"{entry_point} has no parameter {', '.join(sorted(unknown))}")
    complete = {name: values.get(name, declared.get("default")) for name, declared in parameters.items()}
    missing = [name for name, value in complete.items() if value is None]
    if missing:
        raise KeyError(f"{entry_point} needs {', '.join(missing)}")
    return [f"--{name.replace('_', '-')}={value}" for name, value in complete.items()]


@cache
def _declared(project: Path) -> dict[str, Any]:
    """Cached: parsing takes as long as a small step."""
    entry_points: dict[str, Any] = yaml.safe_load((project / "MLproject").read_text())["entry_points"]
    return entry_points
