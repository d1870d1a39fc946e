"""An erased user is in no table, file or log, except in the places that the report lists, and does not come back."""

from pathlib import Path

import mlflow
import pandas as pd
import psycopg
import pytest
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

from feature_enricher.app import create_app
from feature_enricher.prediction.features import FeastFeatures
from local_stack.settings import Settings
from steps import build_dataset, labels, materialize, train
from steps.cli.errors import BadParameter
from steps.features import lake
from steps.registry import provenance
from steps.registry.links import month_links
from steps.runs.entry_points import arguments
from tests.conftest import JANUARY
from tests.gateway.fakes import FakeModel, FixedTarget
from tests.redis_online import needs_redis, redis_online, redis_server
from tests.steps.states.database import execute, fetch, last_run
from tests.steps.states.erasure import (
    STAYING,
    dump,
    erase,
    load,
    places_with,
    put_everywhere,
    report,
    write_logs,
)
from tests.steps.states.killed import held, kill, start, wait_until_stuck
from tests.steps.states.months import month_of, write_month
from tests.steps.states.online import served
from tests.steps.states.trainings import model_id, train_quickly

__all__ = ["redis_online", "redis_server"]

USER = "mia-4686"
ODD = ['=1+1;"x"|$(touch x)', "Zoë 漢字 😀", "b" * 128, 'o\'brien\\n"x"<i>', "100%2F"]
TABLES = (
    "users", "subscriptions_profile_snapshots", "subscriptions_profile_superseded", "usage_agg_30d_snapshots",
    "usage_agg_30d_superseded", "payments_agg_90d_snapshots", "payments_agg_90d_superseded",
    "support_agg_90d_snapshots", "support_agg_90d_superseded", "labels", "labels_superseded", "churn_scores",
    "prediction_log",
)  # fmt: skip


@pytest.fixture
def month(empty_warehouse: Settings, tracking: str, tmp_path: Path) -> Path:
    """The user is everywhere. The folder of the month's files."""
    write_logs(empty_warehouse, USER)
    return put_everywhere(USER, tmp_path, tracking)


def users_in(table: str) -> set[str]:
    return {user_id for (user_id,) in fetch(f"SELECT user_id FROM {table}")}  # noqa: S608


def dataset(tracking: str) -> tuple[str, pd.DataFrame]:
    """The newest dataset run and its rows."""
    run_id = last_run("build_dataset", tracking).info.run_id
    return run_id, pd.read_parquet(mlflow.artifacts.download_artifacts(run_id=run_id, artifact_path="dataset.parquet"))


def test_the_user_is_only_in_the_places_that_the_report_lists(month: Path, server: Settings, tracking: str) -> None:
    with pytest.raises(psycopg.errors.UndefinedColumn):
        execute(f"SELECT no_such_column FROM users WHERE user_id = '{USER}'")  # noqa: S608
    server_log = server.state / "postgres" / "log"
    assert USER in server_log.read_text()
    before = places_with(server, USER)
    assert {"streamflow", "mlflow", "statistics"} <= before
    assert {Path(place).name for place in before} > {
        "snapshot.parquet",
        "scores.parquet",
        "call_list.csv",
        "gateway.log.1",
    }
    assert all(USER in users_in(table) for table in TABLES), "the state has the user everywhere"
    erase(USER)
    assert USER not in server_log.read_text()
    listed = report(tracking)
    erased, remains = (set(listed[listed["outcome"] == outcome]["place"]) for outcome in ("erased", "remains"))
    dataset_run = dataset(tracking)[0]
    after = {f"file://{place}" if place.startswith("/") else place for place in places_with(server, USER)}
    assert after == {place for place in remains if place.startswith("file:")}
    assert {Path(place).name for place in after} == {"dataset.parquet", "data_report.json", "data_report.md"} & {
        Path(place).name for place in after
    }
    assert f"mlflow gc --run-ids {dataset_run}" in " ".join(listed["to delete it"].dropna())
    assert set(TABLES) <= erased
    assert str(month / "users.csv") in remains
    assert not any(USER in users_in(table) for table in TABLES)
    assert users_in("users") == users_in("labels") == users_in("churn_scores") == set(STAYING)
    lake.require_month(JANUARY)
    assert (
        (server.state / "logs" / "gateway.log").read_text().startswith('{"path": "/features/xxxxxxxx", "status": 200}')
    )


def warehouse_dump(server: Settings) -> list[str]:
    every_run_adds_to = "--exclude-table-data=step_successes*"
    lines = dump(server, server["PGDATABASE"], every_run_adds_to).splitlines()
    return [line for line in lines if not line.startswith(("\\restrict", "\\unrestrict"))]  # with a random key


def test_a_dry_run_lists_the_same_and_changes_nothing(month: Path, server: Settings, tracking: str) -> None:
    before = warehouse_dump(server), places_with(server, USER)
    erase(USER, dry_run="true")
    planned = report(tracking)
    assert (warehouse_dump(server), places_with(server, USER)) == before
    erase(USER)
    pd.testing.assert_frame_equal(report(tracking), planned)


def test_other_users_rows_stay_to_the_last_bit_and_their_dataset_is_rebuilt(month: Path, tracking: str) -> None:
    everybody = dataset(tracking)[1]
    online = served(STAYING)
    erase(USER)
    build_dataset.main(arguments("build_dataset", {"as_of": str(JANUARY)}))
    rebuilt = dataset(tracking)[1]
    pd.testing.assert_frame_equal(rebuilt, everybody[everybody["user_id"] != USER].reset_index(drop=True))
    assert served(STAYING) == online
    assert served([USER]) == {USER: [None] * 14}


def test_the_gateway_does_not_know_the_user_from_the_next_request_on(month: Path) -> None:
    app = create_app({"DEADLINE_S": 30}, features=FeastFeatures(30), targets=FixedTarget(FakeModel("churn_v1")))
    client = app.test_client()
    try:
        assert client.post("/predict", json={"user_id": USER}).status_code == 200
        erase(USER)
        erased, unknown = (client.post("/predict", json={"user_id": user_id}) for user_id in (USER, "999999"))
        assert client.post("/predict", json={"user_id": STAYING[0]}).status_code == 200
    finally:
        app.extensions["streamflow"].close()
        app.extensions["streamflow"].features._reader.close()
    assert erased.status_code == unknown.status_code == 404
    assert erased.get_json()["error"] == f"Missing features for user_id={USER}"
    bodies = [{**answer.get_json(), "request_id": ""} for answer in (erased, unknown)]
    assert bodies[0] == {name: str(value).replace("999999", USER) if isinstance(value, str) else value
                         for name, value in bodies[1].items()}  # fmt: skip


def test_a_later_load_leaves_the_user_out_and_says_so(
    month: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    erase(USER)
    capsys.readouterr()
    load(month)
    assert "6 rows of 1 erased users were left out" in capsys.readouterr().out
    late = arguments("labels", {"labels_file": str(tmp_path / "late.csv"), "as_of": str(JANUARY)})
    labels.main(late)
    assert "1 labels of erased users were left out" in capsys.readouterr().out
    materialize.main(["--as-of", str(JANUARY)])
    assert [USER in users_in(table) for table in TABLES] == [False] * len(TABLES)
    assert served([USER]) == {USER: [None] * 14}
    assert fetch("SELECT count(*) FROM erased_users") == [(1,)]
    execute(f"DELETE FROM erased_users WHERE user_hash = erased_user_hash('{USER}')")  # noqa: S608
    load(month)
    assert USER in users_in("users")


def test_an_unknown_user_is_an_error_that_is_not_recorded(month: Path, server: Settings, tracking: str) -> None:
    with pytest.raises(BadParameter, match="No trace of this user_id in any table, file, run or log") as raised:
        erase("nobody-7777")
    assert raised.value.exit_code == 2
    assert places_with(server, "nobody-7777") == set()
    assert last_run("erase_user", tracking).info.status == "FAILED"
    assert fetch("SELECT count(*) FROM erased_users") == [(0,)]


def test_rows_of_killed_runs_of_removed_views_and_of_later_tables_go_too(month: Path, tracking: str) -> None:
    table = "feast_online.streamflow_usage_agg_30d_fv"
    for copy in (f"{table}__next", "feast_online.streamflow_removed_fv"):
        execute(f"CREATE TABLE {copy} AS SELECT * FROM {table}")  # noqa: S608
    execute("CREATE UNLOGGED TABLE staging.users AS SELECT * FROM users")
    execute("CREATE TABLE of_a_later_migration AS SELECT * FROM users")
    erase(USER)
    places = set(report(tracking)["place"])
    assert {f"{table}__next", "feast_online.streamflow_removed_fv", "of_a_later_migration"} <= places
    counts = fetch(f"SELECT count(*) FROM {table} UNION SELECT count(*) FROM {table}__next")  # noqa: S608
    assert len(counts) == 1
    assert fetch("SELECT to_regclass('staging.users')") == [(None,)]


def test_a_second_erasure_finds_nothing_and_says_when_the_first_was(
    month: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    erase(USER)
    first = fetch("SELECT erased_at FROM erased_users")
    capsys.readouterr()
    erase(USER)
    out = capsys.readouterr().out
    assert "[OK] Erased 0 rows and mentions in 0 places; " in out
    assert f"The user was erased before, on {first[0][0].date()}." in out
    assert fetch("SELECT erased_at FROM erased_users") == first


def test_an_erasure_that_is_killed_is_finished_by_the_next(month: Path, server: Settings) -> None:
    with held("LOCK TABLE erased_users IN SHARE MODE"):  # the last statement, after the lake and the online store
        process = start(server, "steps.erase_user", *arguments("erase_user", {"user_id": USER}))
        try:
            wait_until_stuck(process)
        finally:
            kill(process)
    assert all(USER in users_in(table) for table in TABLES), "all of the rows or none"
    erase(USER)
    assert not any(USER in users_in(table) for table in TABLES)
    lake.require_month(JANUARY)


@pytest.mark.parametrize(
    "running",
    [f"SELECT pg_advisory_xact_lock({0x57F10})", f"SELECT pg_advisory_xact_lock({0x57F12})",
     "DELETE FROM churn_scores WHERE model_version = '7'"],
    ids=["ingest", "materialize", "score"],
)  # fmt: skip
def test_it_waits_for_a_step_that_could_write_the_user_again(month: Path, server: Settings, running: str) -> None:
    with held(running):
        process = start(server, "steps.erase_user", *arguments("erase_user", {"user_id": USER}))
        wait_until_stuck(process)
        assert USER in users_in("users")
    output, _ = process.communicate(120)
    assert process.returncode == 0, output
    assert not any(USER in users_in(table) for table in TABLES)


def test_a_deleted_training_set_of_an_erased_user_is_not_called_broken(month: Path, tracking: str) -> None:
    run_id = dataset(tracking)[0]
    tags = {"dataset_run_id": run_id, "dataset_sha256": mlflow.get_run(run_id).data.tags["dataset_sha256"]}
    erase(USER)
    get_artifact_repository(mlflow.get_run(run_id).info.artifact_uri).delete_artifacts("dataset.parquet")
    (link,) = provenance._dataset(tags)
    day = fetch("SELECT erased_at FROM erased_users")[0][0].date()
    assert link.state == "differs"
    assert link.text.startswith(f"run {run_id} had a user who was erased on {day}: ")


def test_a_model_from_before_whose_example_is_the_users_row_is_listed(
    january_loaded: Settings, tracking: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    build_dataset.main(arguments("build_dataset", {"as_of": str(JANUARY)}))
    monkeypatch.setattr(train, "input_example", lambda rows: rows.head(1))  # as earlier versions did
    model = model_id(train_quickly("logistic_regression", tracking))
    first, second = dataset(tracking)[1]["user_id"].head(2)
    for user_id, is_listed in ((second, False), (first, True)):
        erase(user_id)
        places = report(tracking)["place"]
        assert any(f"{model}/" in place and "has the user's values" in place for place in places) == is_listed
        assert user_id not in dump(january_loaded, january_loaded["MLFLOW_DATABASE"])


def test_lineage_says_that_the_training_set_had_an_erased_user(month: Path, tracking: str) -> None:
    run_id = dataset(tracking)[0]
    erase(STAYING[0])
    erase(USER)
    day = fetch("SELECT max(erased_at) FROM erased_users")[0][0].date()
    link = next(link for link in month_links(str(JANUARY), mlflow.get_run(run_id)) if link.name == "rows")
    assert link.state == "differs"
    assert link.text.endswith(f": a user was erased on {day}; it can no longer be rebuilt")
    assert mlflow.get_run(run_id).data.tags["streamflow.user_erased_on"] == str(day)
    execute("UPDATE usage_agg_30d_snapshots SET skips_7d = skips_7d + 1")
    link = next(link for link in month_links(str(JANUARY), mlflow.get_run(run_id)) if link.name == "rows")
    assert link.text.endswith(f": a user was erased on {day}, and rows were changed; it can no longer be rebuilt")


@pytest.mark.parametrize("user_id", ODD)
def test_a_user_id_is_data(empty_warehouse: Settings, tracking: str, tmp_path: Path, user_id: str) -> None:
    load(write_month(tmp_path / "month_000", month_of([*STAYING, user_id])))
    materialize.main(["--as-of", str(JANUARY)])
    write_logs(empty_warehouse, user_id)
    erase(user_id)
    assert users_in("users") == set(STAYING)
    assert served([user_id]) == {user_id: [None] * 14}
    text = (empty_warehouse.state / "logs" / "gateway.log").read_text()
    assert (user_id in text, text.count("xxxx") > 2) == (False, True)


def test_a_part_of_another_users_id_is_no_mention(empty_warehouse: Settings, tracking: str, tmp_path: Path) -> None:
    load(write_month(tmp_path / "month_000", month_of(["amy", "amy-2", "samy"])))
    write_logs(empty_warehouse, "amy-2")
    erase("amy")
    assert users_in("users") == {"amy-2", "samy"}
    assert "/features/amy-2" in (empty_warehouse.state / "logs" / "gateway.log").read_text()


@needs_redis
@pytest.mark.usefixtures("redis_online")
def test_in_redis_too_the_user_is_gone(month: Path) -> None:
    assert served([USER])[USER] != [None] * 14
    erase(USER)
    assert served([USER]) == {USER: [None] * 14}
    assert served(STAYING)[STAYING[0]] != [None] * 14
