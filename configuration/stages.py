"""The version that a stage of the registry stands for: one rule for steps, watcher and stack."""

from collections.abc import Iterable
from typing import Protocol, TypeVar


class Version(Protocol):
    """MLflow's ModelVersion."""

    @property
    def version(self) -> str | int: ...
    @property
    def current_stage(self) -> str | None: ...


V = TypeVar("V", bound=Version)


def in_stage(versions: Iterable[V], stage: str) -> list[V]:
    """The versions in the stage, highest number first: `models:/NAME/STAGE` is that one, not the one promoted last
    (mlflow 3.17)."""
    in_this_stage = [version for version in versions if version.current_stage == stage]
    return sorted(in_this_stage, key=lambda version: int(version.version), reverse=True)
