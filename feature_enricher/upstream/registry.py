"""The feature list of the version in Production, from MLflow's registry. Read at the start, and to recheck it."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from configuration import stages
from configuration.names import FEATURE_SERVICE_TAG
from feature_enricher.errors.base import NoAnswer
from feature_enricher.errors.upstream import NoServingVersion, RegistryUnavailable
from feature_enricher.upstream.http_client import Answer, Upstream
from feature_store.deadline import Deadline

MODEL_PATH = "/api/2.0/mlflow/registered-models/get"


class RegistryClient:
    def __init__(self, upstream: Upstream, model_name: str, stage: str) -> None:
        self._upstream = upstream
        self._model_name = model_name
        self._stage = stage

    def feature_service(self, deadline: Deadline | None = None) -> str:
        """The name of the FeatureService that the version in the stage was trained with. Raises RegistryUnavailable."""
        answer = self._answer(deadline)
        if answer.status == HTTPStatus.NOT_FOUND:
            raise self._no_version()
        if answer.status != HTTPStatus.OK:
            raise RegistryUnavailable(f"The model registry answered with status {answer.status}")
        try:
            version = _version_in(self._stage, answer.json())
            tag = None if version is None else _tag_of(version)
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise RegistryUnavailable("The model registry returned an invalid answer") from error
        if version is None:
            raise self._no_version()
        if not tag or not isinstance(tag, str):
            raise self._untagged(version)
        return tag

    def _answer(self, deadline: Deadline | None) -> Answer:
        try:
            return self._upstream.get(MODEL_PATH, deadline, name=self._model_name)
        except NoAnswer as error:
            raise RegistryUnavailable("The model registry did not answer") from error

    def _no_version(self) -> NoServingVersion:
        return NoServingVersion(f"No version of {self._model_name} is in {self._stage}. Run: mlflow run . -e register")

    def _untagged(self, version: Mapping[str, Any]) -> NoServingVersion:
        return NoServingVersion(
            f"Version {version.get('version')} of {self._model_name} in {self._stage} has no tag "
            f"{FEATURE_SERVICE_TAG}. Run: mlflow run . -e register"
        )


def _version_in(stage: str, body: Any) -> Mapping[str, Any] | None:
    # MLflow leaves out empty lists
    versions = body["registered_model"].get("latest_versions", [])
    return next(iter(stages.in_stage(versions, stage)), None)


def _tag_of(version: Mapping[str, Any]) -> Any:
    tags = {tag["key"]: tag.get("value") for tag in version.get("tags", [])}
    return tags.get(FEATURE_SERVICE_TAG)
