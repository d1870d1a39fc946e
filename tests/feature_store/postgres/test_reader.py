"""The gateway's own reading of the online tables: Feast's answers, within the deadline, and steady."""

import contextlib
import os
import signal
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil
import pytest

from feature_store.deadline import Deadline
from feature_store.plans import UnknownService, make_plan
from feature_store.pool import OnlineReadError, OnlineReadTimeout
from feature_store.postgres.reader import PostgresReader
from feature_store.reading import Plan
from feature_store.store import feature_types, open_store
from tests.conftest import JANUARY
from tests.feature_store.postgres.test_online_store import connections, cut, entity_key, proto
from tests.sql import empty, fetch

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
    from steps import ingest  # noqa: PLC0415 - mlflow and more
    from steps.runs.entry_points import arguments  # noqa: PLC0415

    empty()
    ingest.main(arguments("ingest", {"month_dir": str(sample_months / "month_000"), "as_of": str(JANUARY)}))


@pytest.fixture(scope="module")
def store(loaded: None) -> Iterator[Any]:
    """January online. What a test writes into it, put_back takes out again."""
    materialize()
    store = open_store()
    yield store
    store.provider.online_store.close_connections()
    store.registry.write_engine.dispose()


def materialize() -> None:
    from steps import materialize  # noqa: PLC0415 - mlflow and more

    materialize.main(["--as-of", str(JANUARY)])


@pytest.fixture
def put_back(store: Any) -> Iterator[None]:
    """January as it was, whatever the test has done to it."""
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


def test_every_users_values_and_times_are_those_that_feast_itself_gives(
    store: Any, put_back: None, plan: Plan, reader: PostgresReader
) -> None:
    write(store, "payments_agg_90d_fv", "half known", {"failed_payments_90d": 3})
    write(
        store, "subs_profile_fv", 'odd "é\\,{}', {"monthly_fee": -0.0, "net_service": 'a"\\,é', "months_active": None}
    )
    everybody = [*users(), "half known", 'odd "é\\,{}', "nobody"]
    stock = store.get_online_features(
        features=store.get_feature_service("churn_v1"), entity_rows=[{"user_id": user} for user in everybody]
    ).to_dict()

    found = reader.read(plan, everybody, soon())

    # repr: 0.0 and -0.0, 1 and True and 1.0 are not the same answer
    assert {name: [repr(row.features[name]) for row in found] for name in plan.names} == {
        name: [repr(value) for value in stock[name]] for name in plan.names
    }
    assert found[0].event_times == dict.fromkeys(plan.views, JANUARYS_MOMENT)
    assert found[-3].event_times == {"payments_agg_90d_fv": JANUARYS_MOMENT}
    assert (found[-1].features, found[-1].event_times) == (dict.fromkeys(plan.names), {})


def test_the_plan_has_the_services_features_in_its_order_with_types_and_largest_ages(store: Any, plan: Plan) -> None:
    assert dict(zip(plan.names, plan.types, strict=True)) == feature_types(store, "churn_v1")
    assert {view: age.days for view, age in plan.largest_age.items()} == dict.fromkeys(plan.views, 27)


@pytest.mark.parametrize("nothing", [float("nan"), float("inf")])
def test_what_is_no_number_counts_as_missing(
    store: Any, put_back: None, plan: Plan, reader: PostgresReader, nothing: float
) -> None:
    write(store, "subs_profile_fv", "odd", {"monthly_fee": nothing, "months_active": 1})

    [found] = reader.read(plan, ["odd"], soon())

    assert list(found.features.values())[:2] == [1, None]


def test_a_user_asked_for_twice_is_answered_twice(plan: Plan, reader: PostgresReader) -> None:
    [user, *_] = users()
    first, second = reader.read(plan, [user, user], soon())
    assert first == second


def test_the_newest_moment_online_is_told(put_back: None, plan: Plan, reader: PostgresReader) -> None:
    assert reader.newest(plan, soon()) == JANUARYS_MOMENT
    for view in set(plan.views):
        fetch(f"DELETE FROM feast_online.streamflow_{view} RETURNING 1")  # noqa: S608
    assert reader.newest(plan, soon()) is None


def test_a_service_that_is_not_defined_is_named(store: Any) -> None:
    with pytest.raises(UnknownService, match="churn_v99"):
        make_plan("churn_v99")


@pytest.fixture
def before(plan: Plan) -> Callable[[], list[int]]:
    """Asked later: the connections made since."""
    there = set(connections())
    return lambda: [pid for pid in connections() if pid not in there]


def test_a_cut_connection_is_replaced_within_the_same_read(
    plan: Plan, before: Callable[[], list[int]], reader: PostgresReader
) -> None:
    expected = reader.read(plan, users(), soon())
    cut(before())

    assert reader.read(plan, users(), soon()) == expected
    assert len(before()) == 1


def test_a_frozen_server_is_given_up_at_the_deadline_and_its_connection_closed(
    plan: Plan, before: Callable[[], list[int]], reader: PostgresReader
) -> None:
    reader.read(plan, ["anna"], soon())
    [backend] = before()
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
    assert len(before()) == 1


def test_errors_use_up_no_connections(plan: Plan, before: Callable[[], list[int]], reader: PostgresReader) -> None:
    fetch("ALTER TABLE feast_online.streamflow_subs_profile_fv RENAME TO away; SELECT 1")
    for _ in range(5):
        with pytest.raises(OnlineReadError, match="does not exist"):
            reader.read(plan, ["anna"], soon())
    fetch("ALTER TABLE feast_online.away RENAME TO streamflow_subs_profile_fv; SELECT 1")

    assert reader.read(plan, ["anna"], soon())
    assert len(before()) == 1


def test_a_server_that_is_not_there_is_an_error_at_once(plan: Plan) -> None:
    nowhere = PostgresReader("host=127.0.0.1 port=1")
    with pytest.raises(OnlineReadError, match="refused"):
        nowhere.read(plan, ["anna"], soon())


def test_a_wrong_password_is_an_error(plan: Plan) -> None:
    with pytest.raises(OnlineReadError, match="password"):
        PostgresReader("password=wrong").read(plan, ["anna"], soon())
