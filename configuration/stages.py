"""Which version a stage of the registry means: one rule for the steps, the watcher, the stack and the gateway."""

from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

V = TypeVar("V")


def in_stage(versions: Iterable[V], stage: str) -> list[V]:
    """Those in the stage, the highest number first: `models:/NAME/STAGE` means that one, not the one that was promoted
    last (mlflow 3.17). versions: MLflow's own, or as its REST API gives them."""
    there = [version for version in versions if _value(version, "current_stage") == stage]
    return sorted(there, key=lambda version: int(_value(version, "version")), reverse=True)


def _value(version: object, field: str) -> Any:
    return version[field] if isinstance(version, Mapping) else getattr(version, field)
