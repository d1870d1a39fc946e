"""The registry over real HTTP, with answers like MLflow's."""

from typing import Any

import pytest

from feature_enricher.errors.upstream import NoServingVersion, RegistryUnavailable
from feature_enricher.upstream.http_client import Upstream
from feature_enricher.upstream.registry import RegistryClient
from tests.gateway.fakes import FakeServer, reply


def registry_at(url: str) -> RegistryClient:
    return RegistryClient(Upstream(url, 0.3, 1), "streamflow_churn", "Production")


def version(number: str, stage: str, **tags: str) -> dict[str, Any]:
    return {
        "version": number,
        "current_stage": stage,
        "tags": [{"key": key, "value": value} for key, value in tags.items()],
    }


def registered(*versions: dict[str, Any]) -> dict[str, Any]:
    return {"registered_model": {"name": "streamflow_churn", "latest_versions": list(versions)}}


def test_the_feature_list_is_that_of_the_version_in_production(registry_server: FakeServer) -> None:
    newer = version("4", "None", feature_service="churn_v2")
    serving = version("3", "Production", model_type="rf", feature_service="churn_v1")
    registry_server.replies = [reply(registered(newer, serving))]

    assert registry_at(registry_server.url).feature_service() == "churn_v1"
    path = "/api/2.0/mlflow/registered-models/get?name=streamflow_churn"
    assert registry_server.seen == [(path, b"")]


def test_of_two_versions_in_production_the_highest_counts(registry_server: FakeServer) -> None:
    lower = version("9", "Production", feature_service="churn_v1")
    highest = version("10", "Production", feature_service="churn_v2")
    registry_server.replies = [reply(registered(lower, highest))]

    assert registry_at(registry_server.url).feature_service() == "churn_v2"


NO_VERSION = {
    "no such model": reply({"error_code": "RESOURCE_DOES_NOT_EXIST"}, 404),
    "no version": reply({"registered_model": {"name": "streamflow_churn"}}),
    "none in production": reply(registered(version("1", "None", feature_service="churn_v1"))),
}


@pytest.mark.parametrize("case", NO_VERSION)
def test_without_a_version_in_production_the_error_says_what_to_do(registry_server: FakeServer, case: str) -> None:
    registry_server.replies = [NO_VERSION[case]]

    with pytest.raises(NoServingVersion) as caught:
        registry_at(registry_server.url).feature_service()

    advice = "No version of streamflow_churn is in Production. Run: mlflow run . -e register"
    assert str(caught.value) == advice


@pytest.mark.parametrize("tags", [{}, {"feature_service": ""}])
def test_a_version_without_the_tag_is_an_error_with_its_number(
    registry_server: FakeServer, tags: dict[str, str]
) -> None:
    registry_server.replies = [reply(registered(version("7", "Production", **tags)))]

    with pytest.raises(NoServingVersion, match=r"Version 7 .* has no tag feature_service"):
        registry_at(registry_server.url).feature_service()


BROKEN = {
    "garbage": reply(b"<html>"),
    "null": reply(None),
    "a list": reply([]),
    "model a list": reply({"registered_model": []}),
    "versions a number": reply({"registered_model": {"latest_versions": 3}}),
    "tags a number": reply(registered({"version": "1", "current_stage": "Production", "tags": 3})),
    "server error": reply({}, 500),
    "forbidden host": reply(b"Invalid Host header", 403),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_registry_is_unavailable(registry_server: FakeServer, case: str) -> None:
    registry_server.replies = [BROKEN[case]]

    with pytest.raises(RegistryUnavailable):
        registry_at(registry_server.url).feature_service()


def test_a_registry_that_is_down_is_unavailable() -> None:
    with pytest.raises(RegistryUnavailable, match="did not answer"):
        registry_at("http://127.0.0.1:9").feature_service()
