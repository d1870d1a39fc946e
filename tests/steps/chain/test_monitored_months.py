"""The real months monitored: January's model has gone blind in February, and the monitor says so."""

from dataclasses import dataclass
from typing import Any

import pytest
from mlflow.entities import Run

from local_stack.settings import Settings
from steps import ingest, monitor, train, warehouse
from steps.runs.entry_points import arguments
from tests.conftest import FEBRUARY, JANUARY, REAL_DATA, needs_real_data
from tests.steps.states.database import empty, fetch, last_run, rewrite_in_another_order
from tests.steps.states.scores import forget_versions, register

pytestmark = needs_real_data

FROZEN = {
    "months_active", "monthly_fee", "paperless_billing", "plan_stream_tv", "plan_stream_movies", "net_service",
    "avg_session_mins_7d", "unique_devices_30d", "skips_7d", "ticket_avg_resolution_hrs_90d",
}  # fmt: skip


@dataclass(frozen=True)
class Monitored:
    """A finished run of the monitor, its printed lines and its rows of the table."""

    version: str
    run: Run
    lines: list[str]
    rows: list[dict[str, Any]]

    def row(self, metric: str, of: str, reference: str = "") -> Any:
        [row] = [
            row
            for row in self.rows
            if (row["metric"], row["slice"]) == (metric, of) and row["reference"].startswith(reference)
            if row["month"] == FEBRUARY
        ]
        return row


@pytest.fixture(scope="module")
def version(server: Settings, tracking: str) -> str:
    """Trained on the real January; both months are loaded."""
    empty()
    forget_versions()
    for folder, as_of in (("month_000", JANUARY), ("month_001", FEBRUARY)):
        ingest.main(arguments("ingest", {"month_dir": str(REAL_DATA / folder), "as_of": str(as_of)}))
    train.main(arguments("train", {"as_of": str(JANUARY)}))
    return register(last_run("train", tracking).info.run_id)


def run_monitor(version: str, experiment: str, as_of: Any = FEBRUARY) -> Monitored:
    monitor.main(arguments("monitor", {"as_of": str(as_of), "version": version}))
    run = last_run("monitor", experiment)
    lines = run.data.tags["mlflow.note.content"].partition("\n\nSee also")[0].strip("`\n").splitlines()
    return Monitored(version, run, lines, warehouse.monitored(as_of, version))


@pytest.fixture(scope="module")
def february(version: str, tracking: str) -> Monitored:
    return run_monitor(version, tracking)


def test_february_is_an_alarm_and_asks_for_a_new_training(february: Monitored) -> None:
    assert february.run.data.tags["verdict"] == "alarm"
    assert february.lines[-1].startswith("RETRAINING_TRIGGERED streamflow_churn version ")
    assert "Check the month's files first" in february.lines[-1]


def test_ten_frozen_columns_are_named(february: Monitored) -> None:
    assert set(february.run.data.tags["unchanged_columns"].split(", ")) == FROZEN
    must_not = [
        row["slice"] for row in february.rows if row["metric"] == "unchanged_share" and row["verdict"] == "alarm"
    ]
    assert must_not == ["months_active", "skips_7d", "ticket_avg_resolution_hrs_90d"]
    assert all(name in february.run.data.tags["reasons"] for name in FROZEN)


def test_the_target_drifts_by_two_hundredths(february: Monitored) -> None:
    row = february.row("target_drift", "all users", "training set")
    assert row["estimate"] == pytest.approx(-0.0239, abs=5e-5)
    assert row["low"] < -0.0239 < row["high"] < 0
    assert "target drift 0.0239 (0.2654 to 0.2415, training set of 2024-01-31)" in february.lines[-1]


def test_the_realised_auc_is_that_of_a_coin(february: Monitored) -> None:
    row = february.row("AUC", "never trained on")
    assert row["n"] == 1761
    assert row["estimate"] == pytest.approx(0.49, abs=0.015)
    assert row["low"] < 0.5 < row["high"] < 0.55
    assert row["verdict"] == "alarm"


def test_the_estimate_without_labels_does_not_see_it(february: Monitored) -> None:
    row = february.row("AUC_estimate", "never trained on")
    assert row["estimate"] > 0.8
    assert row["verdict"] == "ok"


def test_drift_counts_the_versions_fourteen_features(february: Monitored) -> None:
    row = february.row("drift_share", "features", "training set")
    assert row["n"] == 14
    assert row["estimate"] == 0
    assert 0.036 < february.row("PSI", "rebuffer_events_7d", "month before")["estimate"] < 0.05
    features = {row["slice"] for row in february.rows if row["metric"] == "PSI"} - {"probability"}
    assert len(features) == 14
    assert not features & {"user_id", "churn_label"}


def test_made_again_with_rows_in_another_order_the_rows_are_the_same_to_the_last_bit(
    february: Monitored, tracking: str
) -> None:
    rewrite_in_another_order()
    assert run_monitor(february.version, tracking).rows == february.rows
    assert len(fetch("SELECT DISTINCT run_id FROM monitoring WHERE as_of = %s", (FEBRUARY,))) == 2


def test_the_training_month_itself_is_no_alarm(version: str, tracking: str) -> None:
    january = run_monitor(version, tracking, JANUARY)
    assert january.run.data.tags["verdict"] == "ok"
    assert january.lines[-1].startswith("NO_ACTION")
