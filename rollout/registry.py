"""Polls the registry for the version to serve, in a thread of its own: the registry may hang."""

import logging
import re
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from configuration import names, stages
from rollout.errors import first_line

if TYPE_CHECKING:
    from mlflow.entities.model_registry import ModelVersion
    from mlflow.tracking import MlflowClient

PAGE = 1000

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class TargetVersion:
    """The version that models:/NAME/STAGE means."""

    version: str
    run_id: str | None  # of the training; None if unknown to the registry
    model_id: str | None  # of the logged model
    has_alias: bool  # whether the alias named like the stage points to it
    changed_ms: int  # last change in the registry; a change clears earlier launch failures
    others_in_stage: tuple[str, ...] = ()  # versions that do not serve
    source: str = ""  # URI of the registered model
    created_ms: int = 0
    description: str = ""

    @property
    def identity(self) -> tuple[str, str | None, str, int]:
        """Identifies the version. Its number is reused once the registered model is deleted and created again."""
        return (self.version, self.run_id, self.source, self.created_ms)


def target_version(client: "MlflowClient", name: str, stage: str) -> TargetVersion | None:
    """The version that `models:/NAME/STAGE` means."""
    versions = stages.in_stage(_versions(client, name), stage)
    if not versions:
        return None
    highest, *rest = versions
    lower = tuple(str(version.version) for version in reversed(rest))
    return _target(client, highest, has_alias=stage in highest.aliases, others_in_stage=lower)


def version_of(client: "MlflowClient", name: str, number: str) -> TargetVersion | None:
    """The version of this number, in whatever stage."""
    versions = [version for version in _versions(client, name) if str(version.version) == number]
    return _target(client, versions[0], has_alias=False, others_in_stage=()) if versions else None


def _target(
    client: "MlflowClient", version: "ModelVersion", *, has_alias: bool, others_in_stage: tuple[str, ...]
) -> TargetVersion:
    return TargetVersion(
        version=str(version.version),
        run_id=_training_run_id(client, version),
        model_id=model_id_of(version),
        has_alias=has_alias,
        changed_ms=int(version.last_updated_timestamp),
        others_in_stage=others_in_stage,
        source=str(version.source),
        created_ms=int(version.creation_timestamp),
        description=version.description or "",
    )


def _training_run_id(client: "MlflowClient", version: "ModelVersion") -> str | None:
    """As MLflow recorded it: a version registered with the UI's button has none of our tags."""
    if version.run_id:
        return str(version.run_id)
    if model_id := model_id_of(version):
        return str(client.get_logged_model(model_id).source_run_id)
    tagged: str | None = version.tags.get(names.RUN_ID_TAG)
    return tagged


def model_id_of(version: "ModelVersion") -> str | None:
    """The logged model's id; a version of `models:/m-…` may have it in its source only."""
    source = re.fullmatch(r"models:/(m-[0-9a-f]+)", str(version.source))
    return version.model_id or (source[1] if source else None)


def _versions(client: "MlflowClient", name: str) -> "list[ModelVersion]":
    versions: list[ModelVersion] = []
    token = None
    while True:
        page = client.search_model_versions(f"name = '{name}'", max_results=PAGE, page_token=token)
        versions += page
        token = page.token
        if not token:
            return versions


class RegistryPoll:
    """The registry's last answer. `has_answered`: there is one; `error`: the last poll failed."""

    def __init__(
        self,
        client: "MlflowClient",
        name: str,
        stage: str,
        every_s: float,
        prepare: Callable[[TargetVersion | None], None] = lambda _target: None,
    ) -> None:
        """prepare: called with the first answer, before it is shown. Until it succeeds, there is no answer."""
        self._client, self._name, self._stage = client, name, stage
        self._every_s = every_s
        self._prepare = prepare
        self.has_answered = False
        self.target: TargetVersion | None = None
        self.empty_since: float | None = None
        self.error: str | None = None

    def start(self) -> None:
        threading.Thread(target=self._run, name="registry", daemon=True).start()

    def _run(self) -> None:
        while True:
            self.poll()
            time.sleep(self._every_s)

    def poll(self) -> None:
        try:
            target = target_version(self._client, self._name, self._stage)
        except Exception as error:  # noqa: BLE001 - the last answer holds until the next one
            if self.error is None:
                log.warning("The registry does not answer; the live version keeps serving: %s", first_line(error))
            self.error = "The registry does not answer; promotions have no effect until it does"
            self.empty_since = None  # an empty stage must be confirmed by a new answer
            return
        if not self.has_answered and not self._is_prepared(target):
            return
        if target is not None:
            self.empty_since = None
            self._update_alias(target)
        elif self.empty_since is None:
            self.empty_since = time.monotonic()
        self.target, self.has_answered, self.error = target, True, None

    def _is_prepared(self, target: TargetVersion | None) -> bool:
        try:
            self._prepare(target)
        except Exception as error:  # noqa: BLE001 - the next poll tries again
            message = f"Nothing is launched until the table decisions can be read: {first_line(error)}"
            if self.error is None:
                log.warning("%s", message)
            self.error = message
            return False
        return True

    def _update_alias(self, target: TargetVersion) -> None:
        """Promotion in the UI leaves the alias as it was; models:/NAME@STAGE must mean the same version."""
        if target.has_alias:
            return
        try:
            self._client.set_registered_model_alias(self._name, self._stage, target.version)
        except Exception as error:  # noqa: BLE001 - serving follows the stage; the next poll tries again
            log.warning("The alias %s could not be set: %s", self._stage, first_line(error))

    def warnings(self) -> list[str]:
        """Problems in the registry that an operator should fix."""
        target, warnings = self.target, [self.error] if self.error else []
        if target and target.others_in_stage:
            warnings.append(
                f"Several versions are in {self._stage}: {target.version} serves (the highest), "
                f"{', '.join(target.others_in_stage)} not. "
                f"Archive the versions that should not serve, and tick the archive box when promoting"
            )
        if self.has_answered and target is None and not self.error:
            warnings.append(f"No version of {self._name} is in {self._stage}. Run: mlflow run . -e register")
        return warnings
