"""One month's training set has that month's values and labels only, and does not change."""

import json
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import mlflow
import pandas as pd
import pytest

from local_stack.settings import Settings
from steps import build_dataset as step
from steps.cli.errors import BadParameter, NoLabels, NoSnapshot
from steps.runs.entry_points import arguments
from steps.training import dataset
from tests.conftest import FEBRUARY, JANUARY
from tests.steps.states.database import execute, last_run, rewrite_in_another_order
from tests.steps.states.months import FILES, february_files, without_line, write_month
from tests.steps.states.online import in_snapshot

Ingest = Callable[[Path, date], None]


class Built:
    """A finished run of the step, with its artifacts."""

    def __init__(self, experiment: str) -> None:
        run = last_run("build_dataset", experiment)
        self.status, self.tags, self.metrics = run.info.status, run.data.tags, run.data.metrics
        folder = Path(mlflow.artifacts.download_artifacts(run_id=run.info.run_id, artifact_path=""))
        self.files = {path.name: path for path in folder.iterdir()}
        self.rows = pd.read_parquet(self.files["dataset.parquet"])
        self.facts: dict[str, Any] = json.loads(self.files["dataset.json"].read_text())

    def values(self) -> dict[str, list[Any]]:
        """User -> the 14 features and the label."""
        return {user_id: list(values) for user_id, *values in self.rows.itertuples(index=False)}


@pytest.fixture
def build(tracking: str) -> Callable[[date], Built]:
    def run(as_of: date) -> Built:
        step.main(arguments("build_dataset", {"as_of": str(as_of), "feature_service": "churn_v1"}))
        return Built(tracking)

    return run


Build = Callable[[date], Built]


@pytest.fixture
def both_months(january: Path, february_folder: Path, ingest: Ingest) -> Path:
    ingest(february_folder, FEBRUARY)
    return february_folder


def test_each_month_has_its_own_values_labels_and_users(both_months: Path, build: Build) -> None:
    january, february = build(JANUARY).values(), build(FEBRUARY).values()
    snapshots = {as_of: in_snapshot(as_of) for as_of in (JANUARY, FEBRUARY)}
    assert january == {
        "anna": [*snapshots[JANUARY]["anna"], True],
        "ben": [*snapshots[JANUARY]["ben"], False],
        "cara": [*snapshots[JANUARY]["cara"], False],
    }
    assert february == {
        "anna": [*snapshots[FEBRUARY]["anna"], False],
        "ben": [*snapshots[FEBRUARY]["ben"], False],
        "dora": [*snapshots[FEBRUARY]["dora"], False],
    }
    assert (january["anna"][1], february["anna"][1]) == (98.7, 99.9)


def test_the_second_service_adds_the_contract_to_the_same_users(january: Path, build: Build, tracking: str) -> None:
    first = build(JANUARY).rows
    step.main(arguments("build_dataset", {"as_of": str(JANUARY), "feature_service": "churn_v2"}))
    second = Built(tracking)
    assert list(second.rows.columns) == [*first.columns[:-1], "contract_type", "total_paid", "churn_label"]
    assert second.rows[list(first.columns)].equals(first)
    assert second.rows[["contract_type", "total_paid"]].to_numpy().tolist() == [
        ["Month-to-month", 2368.8],
        ["Two year", 498.75],
        ["One year", 1480.7],
    ]
    assert second.facts["categorical_cols"] == ["net_service", "contract_type"]


def test_missing_rows_are_not_filled_from_the_previous_month(both_months: Path, ingest: Ingest, build: Build) -> None:
    files = february_files()
    without_anna = {name: without_line(files[name], 2) for name in ("usage_agg_30d", "payments_agg_90d")}
    without_ben = {"support_agg_90d": without_line(files["support_agg_90d"], 3)}
    ingest(write_month(both_months, {**files, **without_anna, **without_ben}), FEBRUARY)
    built = build(FEBRUARY)
    assert list(built.values()) == ["dora"]
    assert built.metrics["users_missing_features"] == built.facts["users_missing_features"] == 2


def test_a_user_without_label_is_counted_and_one_without_profile_is_no_entity(
    january: Path, ingest: Ingest, build: Build
) -> None:
    labels, profile = without_line(FILES["labels"], 3), without_line(FILES["subscriptions"], 4)
    ingest(write_month(january, labels=labels, subscriptions=profile), JANUARY)
    built = build(JANUARY)
    assert list(built.values()) == ["anna"]
    assert (built.metrics["users_without_label"], built.metrics["users_missing_features"]) == (1, 0)


def test_loading_another_month_does_not_change_the_identity(
    january_loaded: Settings, sample_months: Path, ingest: Ingest, build: Build
) -> None:
    before = build(JANUARY)
    ingest(sample_months / "month_001", FEBRUARY)
    rewrite_in_another_order()
    after = build(JANUARY)
    assert after.tags["dataset_sha256"] == before.tags["dataset_sha256"] == dataset.sha256(before.rows)
    assert after.tags["month_fingerprint"] == before.tags["month_fingerprint"]
    assert after.rows.equals(before.rows)
    assert list(after.rows["user_id"]) == sorted(after.rows["user_id"])
    assert len(after.rows) == 300


def test_a_changed_row_changes_identity_and_fingerprint(january: Path, build: Build) -> None:
    before = build(JANUARY)
    execute("UPDATE usage_agg_30d_snapshots SET skips_7d = skips_7d + 1 WHERE user_id = 'anna'")
    after = build(JANUARY)
    assert after.tags["dataset_sha256"] != before.tags["dataset_sha256"]
    assert after.tags["month_fingerprint"] != before.tags["month_fingerprint"]


def test_artifacts_and_tags_describe_the_dataset(
    january: Path, build: Build, capsys: pytest.CaptureFixture[str]
) -> None:
    built = build(JANUARY)
    assert built.status == "FINISHED"
    assert set(built.files) == {"dataset.parquet", "dataset.json", "data_report.json", "data_report.md"}
    sha256 = dataset.sha256(built.rows)
    assert {name: built.tags[name] for name in ("as_of", "feature_service", "rows", "dataset_sha256")} == {
        "as_of": "2024-01-31",
        "feature_service": "churn_v1",
        "rows": "3",
        "dataset_sha256": sha256,
    }
    assert built.tags["constant_columns"] == "avg_session_mins_7d"
    assert built.facts["categorical_cols"] == ["net_service"]
    assert list(built.facts["types"]) == list(built.rows.columns[1:-1])
    assert "avg_session_mins_7d" in built.files["data_report.md"].read_text().splitlines()[2]
    report = {row["column"]: row for row in json.loads(built.files["data_report.json"].read_text())}
    assert (report["monthly_fee"]["min"], report["monthly_fee"]["max"]) == (19.95, 98.7)
    assert "[OK] Dataset 2024-01-31: 3 rows (0 users without label" in capsys.readouterr().out


def test_an_unknown_month_is_an_error_with_the_command(january: Path, build: Build, tracking: str) -> None:
    with pytest.raises(NoSnapshot, match=r"-e ingest -P month_dir=DIR -P as_of=2024-02-29"):
        build(FEBRUARY)
    assert last_run("build_dataset", tracking).info.status == "FAILED"


def test_a_month_without_labels_is_an_error_with_the_command(january: Path, build: Build) -> None:
    execute("DELETE FROM labels")
    with pytest.raises(NoLabels, match=r"3 users of 2024-01-31.*-e labels -P labels_file=FILE -P as_of=2024-01-31"):
        build(JANUARY)


def test_an_unknown_feature_service_is_an_error_that_lists_the_services(january: Path) -> None:
    with pytest.raises(BadParameter, match=r"No FeatureService 'churn_v0'\. Allowed are: churn_v1, churn_v2"):
        step.main(arguments("build_dataset", {"as_of": "2024-01-31", "feature_service": "churn_v0"}))
