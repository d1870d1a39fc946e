"""Snapshots as Parquet files: they have the database's rows, or they are refused."""

from collections.abc import Callable
from datetime import date
from pathlib import Path

import pandas as pd
import pytest

from local_stack.settings import Settings
from steps import ingest as step
from steps import warehouse
from steps.cli.errors import BadParameter, LakeDisagrees, RowRefused
from steps.features import lake
from steps.runs.entry_points import arguments
from tests.conftest import FEBRUARY, JANUARY
from tests.steps.states.database import SNAPSHOTS, execute, fetch
from tests.steps.states.months import FILES, month_of, with_cell, write_month

Ingest = Callable[[Path, date], None]
USAGE = "usage_agg_30d_snapshots"


def in_lake(table: str, as_of: date) -> list[tuple[object, ...]]:
    frame = pd.read_parquet(lake.path(table, as_of), partitioning=None)
    return list(frame.rename(columns={"event_timestamp": "as_of"}).itertuples(index=False, name=None))


def in_database(table: str, as_of: date) -> list[tuple[object, ...]]:
    names = list(pd.read_parquet(lake.path(table, as_of), partitioning=None).columns)
    columns = ", ".join(names).replace("event_timestamp", "as_of")
    versions = table.replace("_snapshots", "_versions")
    query = f"SELECT {columns} FROM {versions} WHERE as_of::date = %s ORDER BY user_id, created_at"  # noqa: S608
    return fetch(query, (str(as_of),))


def test_the_files_have_the_databases_rows(january_loaded: Settings, sample_months: Path, ingest: Ingest) -> None:
    ingest(sample_months / "month_001", FEBRUARY)
    for table in SNAPSHOTS:
        for as_of in (JANUARY, FEBRUARY):
            assert in_lake(table, as_of) == in_database(table, as_of)
            assert len(in_lake(table, as_of)) == 300


def test_unusual_user_ids_and_floats_are_unchanged(empty_warehouse: Settings, tmp_path: Path, ingest: Ingest) -> None:
    odd = ["NA", "null", "Zoé 1", 'say "hi"', "a,b", "\\.", "007", "\U0001f600", "0.1"]
    files = month_of(odd)
    files["usage_agg_30d"] = with_cell(files["usage_agg_30d"], 5, "watch_hours_30d", "0.30000000000000004")
    ingest(write_month(tmp_path / "month", files), JANUARY)
    assert in_lake(USAGE, JANUARY) == in_database(USAGE, JANUARY)
    assert sorted(str(row[0]) for row in in_lake(USAGE, JANUARY)) == sorted(odd)


def test_the_files_have_a_later_correction_beside_the_earlier_value(january: Path) -> None:
    changed = with_cell(FILES["usage_agg_30d"], 2, "skips_7d", "9")
    folder = write_month(january, usage_agg_30d=changed)
    step.main(arguments("ingest", {"month_dir": str(folder), "as_of": str(JANUARY), "known_at": "2024-02-10"}))
    assert len(in_lake(USAGE, JANUARY)) == 4
    assert in_lake(USAGE, JANUARY) == in_database(USAGE, JANUARY)


def test_loading_again_repairs_wrong_files_and_no_others(january: Path, ingest: Ingest) -> None:
    paths = [lake.path(table, JANUARY) for table in SNAPSHOTS]
    before = [(path.read_bytes(), path.stat().st_mtime_ns) for path in paths]
    ingest(january, JANUARY)
    assert [(path.read_bytes(), path.stat().st_mtime_ns) for path in paths] == before
    paths[0].unlink()
    paths[1].write_bytes(before[0][0])
    ingest(january, JANUARY)
    assert [path.read_bytes() for path in paths] == [content for content, _ in before]


def test_files_as_recorded_are_accepted(january: Path) -> None:
    lake.require_month(JANUARY)


def test_a_missing_changed_or_never_written_file_is_refused(january: Path) -> None:
    path = lake.path(USAGE, JANUARY)
    content = path.read_bytes()
    path.write_bytes(content[:-1] + b"x")
    with pytest.raises(LakeDisagrees, match=r"is not the file .*-e ingest .*as_of=2024-01-31"):
        lake.require_month(JANUARY)
    path.unlink()
    with pytest.raises(LakeDisagrees, match=r"is missing.*-e ingest"):
        lake.require_month(JANUARY)
    with pytest.raises(LakeDisagrees, match="was ever written for 2024-02-29"):
        lake.require_month(FEBRUARY)


def test_files_with_other_rows_than_the_database_are_refused(january: Path) -> None:
    execute("DELETE FROM usage_agg_30d_snapshots WHERE user_id = 'anna'")
    with pytest.raises(LakeDisagrees, match="has 3 rows, the database 2"):
        lake.require_month(JANUARY)


def test_a_load_that_fails_leaves_the_files_as_they_were(january: Path, ingest: Ingest) -> None:
    before = lake.path(USAGE, JANUARY).read_bytes()
    execute("ALTER TABLE labels ADD CHECK (user_id <> 'ben' OR NOT churn_label)")
    changed = with_cell(FILES["usage_agg_30d"], 2, "skips_7d", "9")
    labels = with_cell(FILES["labels"], 3, "churn_label", "True")
    with pytest.raises(RowRefused):
        ingest(write_month(january, usage_agg_30d=changed, labels=labels), JANUARY)
    assert lake.path(USAGE, JANUARY).read_bytes() == before
    lake.require_month(JANUARY)


def test_a_partial_file_of_a_killed_load_is_no_snapshot(january: Path, ingest: Ingest) -> None:
    draft = lake.path(USAGE, JANUARY).with_name(".snapshot.parquet.partial")
    draft.write_bytes(b"half a file")
    lake.require_month(JANUARY)
    ingest(write_month(january, usage_agg_30d=with_cell(FILES["usage_agg_30d"], 2, "skips_7d", "9")), JANUARY)
    assert [file.name for file in draft.parent.iterdir()] == ["snapshot.parquet"]


def test_without_a_folder_for_the_files_nothing_is_loaded(
    january: Path, ingest: Ingest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("STREAMFLOW_LAKE")
    with pytest.raises(BadParameter, match="STREAMFLOW_LAKE is not set"):
        ingest(january, JANUARY)


def test_snapshots_are_the_tables_with_versions() -> None:
    assert {table.name for table in warehouse.snapshot_tables()} == set(SNAPSHOTS)
