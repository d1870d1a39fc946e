"""MLproject as data: which entry points there are, and the arguments that make one run."""

from collections.abc import Mapping

import yaml

from steps.settings import PROJECT_ROOT


def names() -> set[str]:
    """Every entry point there is."""
    return set(yaml.safe_load((PROJECT_ROOT / "MLproject").read_text())["entry_points"])


def arguments(entry_point: str, given: Mapping[str, str]) -> list[str]:
    """The entry point's command-line arguments: what is given, and MLproject's defaults for the rest.

    Raises KeyError for an entry point or a parameter that MLproject does not have, or that is required and not given.
    """
    project = yaml.safe_load((PROJECT_ROOT / "MLproject").read_text())
    parameters = project["entry_points"][entry_point]["parameters"]
    unknown = set(given) - set(parameters)
    if unknown:
        raise KeyError(f"{entry_point} has no parameter {', '.join(sorted(unknown))}")
    values = {name: given.get(name, declared.get("default")) for name, declared in parameters.items()}
    missing = [name for name, value in values.items() if value is None]
    if missing:
        raise KeyError(f"{entry_point} needs {', '.join(missing)}")
    return [part for name, value in values.items() for part in (f"--{name.replace('_', '-')}", str(value))]
