"""The gateway's reader of the online tables: the same values as Feast, within the deadline, with recovery."""

import contextlib
import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil
import pytest

from feature_store.deadline import Deadline
from feature_store.plans import UnknownService, make_plan, service_names
from feature_store.pool import OnlineReadError, OnlineReadTimeout
from feature_store.postgres.libpq import with_addresses
from feature_store.postgres.reader import PostgresReader
from feature_store.reading import Plan
from feature_store.store import feature_types, open_store
from tests.conftest import JANUARY
from tests.feature_store.postgres.test_online_store import connections, cut, entity_key, proto
from tests.sql import empty, execute, fetch

JANUARYS_MOMENT = datetime(2024, 1, 31, tzinfo=UTC)


def ended(pid: int) -> bool:
    with contextlib.suppress(psutil.NoSuchProcess):
        psutil.Process(pid).wait(5)
    return not psutil.pid_exists(pid)


def soon(seconds: float = 5.0) -> Deadline:
    return Deadline.after(seconds)


@pytest.fixture(scope="module")
def loaded(tracking: str, sample_months: Path) -> None:
    """A January in the warehouse."""
    from steps import ingest  # noqa: PLC0415 - imports mlflow
    from steps.runs.entry_points import arguments  # noqa: PLC0415

    empty()
    ingest.main(arguments("ingest", {"month_dir": str(sample_months / "month_000"), "as_of": str(JANUARY)}))


@pytest.fixture(scope="module")
def store(loaded: None) -> Iterator[Any]:
    """January online. The fixture put_back removes what a test writes."""
    materialize()
    store = open_store()
    yield store
    store.provider.online_store.close_connections()
    store.registry.write_engine.dispose()


def materialize() -> None:
    from steps import materialize  # noqa: PLC0415 - imports mlflow

    materialize.main(["--as-of", str(JANUARY)])


@pytest.fixture
def put_back(store: Any) -> Iterator[None]:
    """Restores January after the test."""
    yield
    materialize()


@pytest.fixture(scope="module")
def plan(store: Any) -> Plan:
    return make_plan("churn_v1")


@pytest.fixture
def reader(store: Any) -> Iterator[PostgresReader]:
    reader = PostgresReader()
    yield reader
    reader.close()


def write(store: Any, view: str, user: str, values: dict[str, Any]) -> None:
    stored = {name: proto(value) for name, value in values.items()}
    row = (entity_key(user), stored, JANUARYS_MOMENT, None)
    store.provider.online_store.online_write_batch(store.config, store.get_feature_view(view), [row], None)


def users() -> list[str]:
    return [row[0] for row in fetch("SELECT user_id FROM users ORDER BY 1")]


def test_values_and_event_times_are_those_of_feast(
    store: Any, put_back: None, plan: Plan, reader: PostgresReader
) -> None:
    write(store, "payments_agg_90d_fv", "half known", {"failed_payments_90d": 3})
    write(
        store, "subs_profile_fv", 'odd "é\\,{}', {"monthly_fee": -0.0, "net_service": 'a"\\,é', "months_active": None}
    )
    user_ids = [*users(), "half known", 'odd "é\\,{}', "nobody"]
    stock = store.get_online_features(
        features=store.get_feature_service("churn_v1"), entity_rows=[{"user_id": user} for user in user_ids]
    ).to_dict()

    rows = reader.read(plan, user_ids, soon())

    # repr: tells 0.0 from -0.0, and 1 from True and 1.0
    assert {name: [repr(row.features[name]) for row in rows] for name in plan.names} == {
        name: [repr(value) for value in stock[name]] for name in plan.names
    }
    assert rows[0].event_times == dict.fromkeys(plan.views, JANUARYS_MOMENT)
    assert rows[-3].event_times == {"payments_agg_90d_fv": JANUARYS_MOMENT}
    assert (rows[-1].features, rows[-1].event_times) == (dict.fromkeys(plan.names), {})


def test_the_plan_has_features_types_and_largest_ages_in_order(store: Any, plan: Plan) -> None:
    assert dict(zip(plan.names, plan.types, strict=True)) == feature_types(store, "churn_v1")
    assert {view: age.days for view, age in plan.largest_age.items()} == dict.fromkeys(plan.views, 27)


def test_the_services_are_those_of_feasts_registry(store: Any) -> None:
    assert service_names() == ("churn_v1", "churn_v2")


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_nan_and_infinity_count_as_missing(
    store: Any, put_back: None, plan: Plan, reader: PostgresReader, value: float
) -> None:
    write(store, "subs_profile_fv", "odd", {"monthly_fee": value, "months_active": 1})

    [row] = reader.read(plan, ["odd"], soon())

    assert list(row.features.values())[:2] == [1, None]


def test_a_repeated_user_gets_two_rows(plan: Plan, reader: PostgresReader) -> None:
    [user, *_] = users()
    first, second = reader.read(plan, [user, user], soon())
    assert first == second


def test_newest_returns_the_newest_event_time_online(put_back: None, plan: Plan, reader: PostgresReader) -> None:
    assert reader.newest(plan, soon()) == JANUARYS_MOMENT
    for view in set(plan.views):
        fetch(f"DELETE FROM feast_online.streamflow_{view} RETURNING 1")  # noqa: S608
    assert reader.newest(plan, soon()) is None


def test_an_undefined_service_is_an_error_with_its_name(store: Any) -> None:
    with pytest.raises(UnknownService, match="churn_v99"):
        make_plan("churn_v99")


@pytest.fixture
def new_connections(plan: Plan) -> Callable[[], list[int]]:
    """Returns the connections made since the fixture."""
    earlier = set(connections())
    return lambda: [pid for pid in connections() if pid not in earlier]


def test_a_cut_connection_is_replaced_within_the_same_read(
    plan: Plan, new_connections: Callable[[], list[int]], reader: PostgresReader
) -> None:
    expected = reader.read(plan, users(), soon())
    cut(new_connections())

    assert reader.read(plan, users(), soon()) == expected
    assert len(new_connections()) == 1


def test_a_read_from_a_frozen_server_ends_at_the_deadline_and_closes_the_connection(
    plan: Plan, new_connections: Callable[[], list[int]], reader: PostgresReader
) -> None:
    reader.read(plan, ["anna"], soon())
    [backend] = new_connections()
    os.kill(backend, signal.SIGSTOP)
    try:
        began = time.monotonic()
        with pytest.raises(OnlineReadTimeout):
            reader.read(plan, ["anna"], soon(0.2))
        assert 0.2 <= time.monotonic() - began < 1
    finally:
        os.kill(backend, signal.SIGCONT)
    assert reader.read(plan, ["anna"], soon())
    assert ended(backend)
    assert len(new_connections()) == 1


def test_errors_leak_no_connections(
    plan: Plan, new_connections: Callable[[], list[int]], reader: PostgresReader
) -> None:
    execute("ALTER TABLE feast_online.streamflow_subs_profile_fv RENAME TO away")
    for _ in range(5):
        with pytest.raises(OnlineReadError, match="does not exist"):
            reader.read(plan, ["anna"], soon())
    execute("ALTER TABLE feast_online.away RENAME TO streamflow_subs_profile_fv")

    assert reader.read(plan, ["anna"], soon())
    assert len(new_connections()) == 1


def test_a_refused_connection_is_an_error_at_once(plan: Plan) -> None:
    reader = PostgresReader("host=127.0.0.1 port=1")
    with pytest.raises(OnlineReadError, match="refused"):
        reader.read(plan, ["anna"], soon())


def test_a_wrong_password_is_an_error(plan: Plan) -> None:
    with pytest.raises(OnlineReadError, match="password"):
        PostgresReader("password=wrong").read(plan, ["anna"], soon())


def test_a_name_server_that_does_not_answer_delays_no_read_beyond_its_deadline(
    plan: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    answered = threading.Event()

    def mute(*_arguments: object, **_options: object) -> list[object]:
        answered.wait(5)
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

    monkeypatch.setattr(socket, "getaddrinfo", mute)
    began = time.monotonic()
    with pytest.raises(OnlineReadTimeout, match="No connection could be made"):
        PostgresReader("host=db.example.invalid").read(plan, ["anna"], soon(0.2))
    assert 0.2 <= time.monotonic() - began < 1
    answered.set()


def test_a_host_without_an_address_is_an_error_with_its_name(plan: Plan) -> None:
    with pytest.raises(OnlineReadError, match=r"^Host db\.example\.invalid: "):
        PostgresReader("host=db.example.invalid").read(plan, ["anna"], soon())


def test_a_host_is_looked_up_here_and_its_name_stays(plan: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    entries = [(None, None, None, "", (address, 0)) for address in ("127.0.0.2", "127.0.0.1")]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_arguments, **_options: entries)
    assert with_addresses("host=db") == "host=db,db hostaddr=127.0.0.2,127.0.0.1"
    assert PostgresReader("host=db").read(plan, ["anna"], soon())  # the second address answers
    unchanged = ["host=/run/postgresql", "host=a,b", "host=db hostaddr=127.0.0.1"]
    assert [with_addresses(conninfo) for conninfo in unchanged] == unchanged
