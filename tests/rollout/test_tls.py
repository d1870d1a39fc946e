"""With ROLLOUT_MODEL_TLS, model servers have a port, and answer only clients with a certificate."""

import ssl
from collections.abc import Iterator
from http.client import HTTPException
from pathlib import Path

import pytest

from configuration.model_address import AUTHORITY, connector, mutual_tls
from feature_enricher.settings import load_settings
from feature_enricher.upstream.http_client import Upstream
from feature_enricher.upstream.model_server import ModelServerClient
from feature_store.deadline import Deadline
from feature_store.reading import FeatureRow
from local_stack.settings import Settings
from rollout.model_server.calls import call
from tests.rollout import certificates
from tests.rollout.conftest import NAME, ROWS, TYPES, RunningWatcher, Versions, watching

ROW = FeatureRow({name: ROWS[name].tolist()[0] for name in TYPES}, {})


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return certificates.make(tmp_path_factory.mktemp("tls") / "own")


@pytest.fixture(scope="module")
def tls_watcher(
    versions: Versions, server: Settings, folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningWatcher]:
    versions.promote(versions.first)
    with watching(NAME, server, tmp_path_factory.mktemp("watcher"), ROLLOUT_MODEL_TLS=str(folder)) as running:
        running.wait_until_serving(versions.first)
        yield running


@pytest.fixture
def url(tls_watcher: RunningWatcher) -> str:
    return str(tls_watcher.status()["serving"]["url"])


def test_the_gateway_reaches_it_with_its_certificate(url: str, folder: Path, versions: Versions) -> None:
    settings = load_settings({"MODEL_TLS": str(folder), "MODEL_URL": url})
    assert settings.model_tls
    assert settings.model_url
    model = ModelServerClient(Upstream(settings.model_url, 10.0, 1, mutual_tls(settings.model_tls)))
    [answer] = model.predict([ROW], Deadline.after(10))
    assert answer.model_version == versions.first


def without_certificate(folder: Path) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(folder / AUTHORITY))


def with_anothers_certificate(folder: Path) -> ssl.SSLContext:
    context = mutual_tls(certificates.make(folder.parent / "foreign"))
    context.load_verify_locations(folder / AUTHORITY)
    return context


@pytest.mark.parametrize("client", [without_certificate, with_anothers_certificate])
def test_clients_without_a_certificate_of_the_authority_get_no_answer(url: str, folder: Path, client: object) -> None:
    assert callable(client)
    with pytest.raises((OSError, HTTPException)):
        call(connector(url, client(folder)), "/ping", None, 10)
    with pytest.raises((OSError, HTTPException)):
        call(connector(url.replace("https", "http")), "/ping", None, 10)


def test_a_server_with_anothers_certificate_is_not_trusted(url: str, folder: Path) -> None:
    with pytest.raises(ssl.SSLCertVerificationError):
        call(connector(url, mutual_tls(certificates.make(folder.parent / "unknown"))), "/ping", None, 10)
