"""Gateways with fakes, and fake servers."""

from collections.abc import Iterator
from typing import Any

import pytest
from flask.testing import FlaskClient

from feature_enricher.app import create_app
from feature_enricher.upstream.targets import FixedModelServer
from tests.gateway.fakes import COMPLETE, USER, FakeFeatureList, FakeFeatures, FakeModel, FakeServer, running


@pytest.fixture
def users() -> dict[str, dict[str, Any]]:
    return {USER: COMPLETE, "half-known": {"months_active": 3, "net_service": "No"}}


@pytest.fixture
def features(users: dict[str, dict[str, Any]]) -> FakeFeatures:
    return FakeFeatures(users)


@pytest.fixture
def model() -> FakeModel:
    return FakeModel()


@pytest.fixture
def client(features: FakeFeatures, model: FakeModel) -> FlaskClient:
    """Store and model answer. One user has all features, another lacks one."""
    app = create_app(features=features, targets=FixedModelServer("http://model", model, FakeFeatureList()))
    client: FlaskClient = app.test_client()
    return client


@pytest.fixture
def model_server() -> Iterator[FakeServer]:
    with running(FakeServer()) as server:
        yield server
