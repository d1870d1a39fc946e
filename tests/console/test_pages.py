"""Each page's figures are those of the API and the tables; what is down is named, and the rest is shown."""

import re
from html import unescape
from typing import Any

import pytest
from flask.testing import FlaskClient
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from console.sources import experiment
from local_stack.settings import ROOT
from steps import warehouse
from steps.cli.errors import DatabaseUnavailable
from steps.cli.settings import MODEL_NAME
from steps.monitoring.rows import UNSEEN
from tests import sql
from tests.conftest import FEBRUARY
from tests.console.conftest import MARKUP, Filled, MakeConsole

PAGES = ("/", "/customer", "/call-list", "/monitoring", "/decisions")
USER = "4686-GEFRM"


def text_of(client: FlaskClient, path: str, **query: str) -> str:
    """The page without its markup."""
    answer = client.get(path, query_string=query)
    assert answer.status_code == 200, answer.text
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", answer.text)).split())


def test_now_names_the_version_that_serves_since_when_and_from_what(client: FlaskClient, filled: Filled) -> None:
    text = text_of(client, "/")
    [[sha256]] = sql.fetch("SELECT dataset_sha256 FROM serving_history")
    assert sha256 == "1" * 64
    assert f"Version {filled.version} since 2024-03-01 08:00 UTC" in text
    assert filled.run_id in text
    assert "Trained on the month 2024-01-31" in text


def test_now_shows_the_gates_verdict_with_its_interval(client: FlaskClient) -> None:
    text = text_of(client, "/")
    assert "passed a reason" in text
    assert "+0.0111 (+0.0021 to +0.0201)" in text
    assert "1,760 users that neither version was trained on" in text


def test_now_shows_the_newest_month_and_the_last_verdict(client: FlaskClient, filled: Filled) -> None:
    [run] = warehouse.monitor_runs()
    text = text_of(client, "/")
    assert "2024-02-29 , loaded" in text
    assert f"last verdict: {run.verdict} on version {filled.version} in 2024-02-29" in text


def test_now_says_what_is_down_and_shows_the_rest(client: FlaskClient, filled: Filled) -> None:
    text = text_of(client, "/")
    assert "Gateway ok ready" in text
    assert f"Model server ok serves version {filled.version}" in text
    assert "MLflow down http://127.0.0.1:9/health does not answer" in text


def test_without_gateway_and_watcher_the_page_says_that_no_version_answers(make_console: MakeConsole) -> None:
    text = text_of(make_console(GATEWAY_URL="http://127.0.0.1:9", ROLLOUT_URL="http://127.0.0.1:9").test_client(), "/")
    assert "No version answers." in text
    assert "Gateway down" in text
    assert "PostgreSQL ok answers" in text


def test_monitoring_has_the_figures_of_the_table(client: FlaskClient, filled: Filled) -> None:
    text = text_of(client, "/monitoring")
    rows = warehouse.monitored(FEBRUARY, filled.version)
    drift = [row for row in rows if row["metric"] == "PSI"]
    assert drift
    for row in drift:
        assert f"{row['slice']} {row['estimate']:.4f} {row['verdict']} {row['reference']}" in text
    measured = warehouse.realised_auc(UNSEEN)
    assert measured
    for version, month, estimate, low, high in measured:
        assert f"{month} {version} {estimate:.4f} {low:.4f} to {high:.4f}" in text
    gaps = [row for row in rows if row["metric"] == "calibration_gap" and row["slice"] == UNSEEN]
    assert all(f"{row['estimate']:.4f} {row['low']:.4f} to {row['high']:.4f}" in text for row in gaps)
    frozen = [row["slice"] for row in rows if row["metric"] == "unchanged_share" and row["estimate"] == 1]
    assert ", ".join(frozen) in text


def test_a_month_that_was_never_monitored_is_not_found(client: FlaskClient) -> None:
    assert client.get("/monitoring?version=1&as_of=2030-01-31").status_code == 404


def test_decisions_are_those_of_the_table(client: FlaskClient) -> None:
    [decision] = warehouse.decisions(MODEL_NAME)
    text = text_of(client, "/decisions")
    assert f"gate: passed 2024-01-31 {decision.version} {decision.reason} gate" in text


@pytest.mark.parametrize("path", [*PAGES, f"/customer?user_id={MARKUP}"])
def test_markup_in_values_is_shown_as_text(client: FlaskClient, path: str) -> None:
    page = client.get(path).text
    assert "<b onclick" not in page
    if path not in ("/customer", "/monitoring"):
        assert "&lt;b onclick=alert(1)&gt;" in page


@pytest.mark.parametrize("path", PAGES)
def test_a_page_has_at_most_150_kilobytes(client: FlaskClient, path: str) -> None:
    page, files = client.get(path), (ROOT / "console" / "static").iterdir()
    assert len(page.data) + sum(file.stat().st_size for file in files) <= 150_000


@pytest.mark.parametrize("path", ["/call-list", "/monitoring", "/decisions"])
def test_without_the_database_a_page_says_so(client: FlaskClient, monkeypatch: pytest.MonkeyPatch, path: str) -> None:
    monkeypatch.setenv("PGPORT", "9")
    answer = client.get(path)
    assert answer.status_code == 503
    assert "PostgreSQL at" in answer.text
    assert "PostgreSQL at" in text_of(client, "/")


def test_without_mlflow_the_pages_have_no_links_to_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_arguments: Any) -> None:
        raise MlflowException("down")

    monkeypatch.setattr(MlflowClient, "get_experiment_by_name", fail)
    assert experiment.ExperimentId().get() is None


def test_an_error_names_no_details(client: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_arguments: Any) -> None:
        raise RuntimeError("hunter2")

    monkeypatch.setattr(warehouse, "decisions", fail)
    answer = client.get("/decisions")
    assert answer.status_code == 500
    assert "hunter2" not in answer.text


def test_the_databases_error_is_an_error_of_a_section(client: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_arguments: Any) -> None:
        raise DatabaseUnavailable("gone for a moment")

    monkeypatch.setattr(warehouse, "monitor_runs", fail)
    text = text_of(client, "/")
    assert "gone for a moment" in text
    assert "Newest month 2024-02-29" in text
