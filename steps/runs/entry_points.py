"""MLproject as data: which entry points there are, and the arguments that make one run."""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from steps.cli.settings import PROJECT_ROOT


def names() -> set[str]:
    """Every entry point there is."""
    return set(_declared(PROJECT_ROOT))


def arguments(entry_point: str, given: Mapping[str, str]) -> list[str]:
    """The entry point's command-line arguments: what is given, and MLproject's defaults for the rest.

    Raises KeyError for an entry point or a parameter that MLproject does not have, or that is required and not given.
    """
    parameters = _declared(PROJECT_ROOT)[entry_point]["parameters"]
    unknown = set(given) - set(parameters)
    if unknown:
        raise KeyError(f"{entry_point} has no parameter {', '.join(sorted(unknown))}")
    values = {name: given.get(name, declared.get("default")) for name, declared in parameters.items()}
    missing = [name for name, value in values.items() if value is None]
    if missing:
        raise KeyError(f"{entry_point} needs {', '.join(missing)}")
    return [part for name, value in values.items() for part in (f"--{name.replace('_', '-')}", str(value))]


@cache
def _declared(project: Path) -> dict[str, Any]:
    """Read once: it takes as long as a small step's own work."""
    entry_points: dict[str, Any] = yaml.safe_load((project / "MLproject").read_text())["entry_points"]
    return entry_points
