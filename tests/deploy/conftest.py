"""The manifests, filled in and built once."""

from pathlib import Path

import pytest

from tests.deploy.manifests import Object, fill_in, objects_of


@pytest.fixture(scope="session")
def mine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The example's copy, filled in."""
    return fill_in(tmp_path_factory.mktemp("manifests"))


@pytest.fixture(scope="session")
def objects(mine: Path) -> list[Object]:
    """Everything that `kubectl apply` would create: the services, and the job of one month."""
    return [*objects_of(mine), *objects_of(mine / "month")]
