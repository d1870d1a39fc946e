"""The version that a stage of the registry stands for: one rule for steps, watcher, stack and gateway."""

from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

V = TypeVar("V")


def in_stage(versions: Iterable[V], stage: str) -> list[V]:
    """The versions in the stage, highest number first: `models:/NAME/STAGE` is that one, not the one promoted last
    (mlflow 3.17). versions: MLflow's objects, or dicts of its REST API."""
    in_this_stage = [version for version in versions if _value(version, "current_stage") == stage]
    return sorted(in_this_stage, key=lambda version: int(_value(version, "version")), reverse=True)


def _value(version: object, field: str) -> Any:
    return version[field] if isinstance(version, Mapping) else getattr(version, field)
