"""A real PostgreSQL stops, freezes or cuts its connections: named errors in time, then automatic recovery."""

import os
import signal
import time
from collections.abc import Iterator
from unittest import mock

import psutil
import pytest
from flask.testing import FlaskClient

from feature_enricher.app import create_app
from feature_enricher.prediction.features import FeastFeatures
from feature_store.store import apply_definitions, open_store
from local_stack.database import postgres
from local_stack.settings import Settings
from tests.conftest import free_port, open_folder
from tests.gateway.fakes import JANUARY, FakeModel, FixedTarget
from tests.sql import execute, fetch
from tests.waiting import wait_until

DEADLINE_S = 1.0
RECOVERY_S = 5.0
USER = "anna"
VALUES: dict[str, dict[str, object]] = {
    "subs_profile_fv": {
        "months_active": 24,
        "monthly_fee": 98.7,
        "paperless_billing": True,
        "plan_stream_tv": False,
        "plan_stream_movies": False,
        "net_service": "DSL",
    },
    "usage_agg_30d_fv": {
        "watch_hours_30d": 1.5,
        "avg_session_mins_7d": 2.5,
        "unique_devices_30d": 1,
        "skips_7d": 2,
        "rebuffer_events_7d": 3,
    },
    "payments_agg_90d_fv": {"failed_payments_90d": 0},
    "support_agg_90d_fv": {"support_tickets_90d": 0, "ticket_avg_resolution_hrs_90d": 0.0},
}


@pytest.fixture(scope="module")
def database() -> Iterator[Settings]:
    """A PostgreSQL only for this module, with one user online."""
    with open_folder() as folder:
        variables = {"PGPORT": str(free_port()), "STREAMFLOW_STATE": str(folder)}
        with mock.patch.dict(os.environ, variables):
            settings = Settings.from_env()
            with mock.patch.dict(os.environ, settings.exported()):
                postgres.start(settings)
                try:
                    put_online()
                    yield settings
                finally:
                    postgres.stop(settings)


def put_online() -> None:
    execute("CREATE SCHEMA IF NOT EXISTS feast_registry; CREATE SCHEMA IF NOT EXISTS feast_online")
    store = open_store()
    apply_definitions(store)
    from tests.feature_store.postgres.test_online_store import entity_key, proto  # noqa: PLC0415 - imports feast

    for name, values in VALUES.items():
        row = (entity_key(USER), {feature: proto(value) for feature, value in values.items()}, JANUARY, None)
        store.provider.online_store.online_write_batch(store.config, store.get_feature_view(name), [row], None)
    store.provider.online_store.close_connections()
    store.registry.write_engine.dispose()


@pytest.fixture
def gateway(database: Settings) -> Iterator[FlaskClient]:
    """Real lookups; one request was answered already."""
    app = create_app(
        {"DEADLINE_S": DEADLINE_S}, features=FeastFeatures(DEADLINE_S), targets=FixedTarget(FakeModel("churn_v1"))
    )
    client: FlaskClient = app.test_client()
    assert recovers(client, 30)
    yield client
    app.extensions["streamflow"].close()
    app.extensions["streamflow"].features._reader.close()


def predict(client: FlaskClient) -> tuple[int, str]:
    """Status and code. Fails after the deadline."""
    began = time.monotonic()
    answer = client.post("/predict", json={"user_id": USER})
    assert time.monotonic() - began < DEADLINE_S + 0.5
    return answer.status_code, answer.get_json().get("code", "ok")


def recovers(client: FlaskClient, seconds: float = RECOVERY_S) -> bool:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if predict(client) == (200, "ok"):
            return True
        time.sleep(0.05)
    return False


def gateway_connections() -> int:
    [[count]] = fetch("SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'")
    return int(count) - 1


def test_cut_connections_cause_no_error(gateway: FlaskClient) -> None:
    for _ in range(3):
        execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE usename = current_user AND pid <> pg_backend_pid()"
        )
        assert predict(gateway) == (200, "ok")

    assert gateway_connections() <= 2


def test_the_gateway_recovers_from_a_restart(gateway: FlaskClient, database: Settings) -> None:
    postgres.stop(database)
    codes = {predict(gateway) for _ in range(5)}
    postgres.start(database)

    assert codes <= {(503, "store_unavailable"), (503, "store_circuit_open")}
    assert recovers(gateway)
    assert gateway_connections() <= 2


def test_a_frozen_server_causes_named_errors_in_time_and_leaks_no_connection(
    gateway: FlaskClient, database: Settings
) -> None:
    pid = int((database.state / "postgres" / "postmaster.pid").read_text().splitlines()[0])
    processes = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
    for process in processes:
        process.send_signal(signal.SIGSTOP)
    try:
        codes = {predict(gateway) for _ in range(5)}
    finally:
        for process in processes:
            process.send_signal(signal.SIGCONT)

    assert codes <= {(503, code) for code in ("deadline_exceeded", "store_unavailable", "store_circuit_open")}
    assert recovers(gateway)
    wait_until(lambda: gateway_connections() <= 2)
