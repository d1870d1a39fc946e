"""Monitoring: the alarm in words, AUC by month and version, drift, frozen columns and calibration."""

from collections.abc import Sequence
from typing import Any

from flask import Blueprint, abort, render_template, request

from console.charts import intervals
from console.charts.intervals import Interval
from steps import warehouse
from steps.monitoring import verdict
from steps.monitoring.rows import ALL, UNSEEN, Row
from steps.warehouse import Figures, MonitorRun

NOT_AN_EFFECT = "PSI_plain"
CALIBRATION = ("calibration_gap", "calibration_error", "Brier")

blueprint = Blueprint("monitoring", __name__)


@blueprint.get("/monitoring")
def page() -> str:
    runs = warehouse.monitor_runs()
    run = chosen(runs, request.args.get("version"), request.args.get("as_of"))
    measured = [Interval(*row) for row in warehouse.realised_auc(UNSEEN)]
    figures = warehouse.monitored(run.as_of, run.version) if run else []
    return render_template(
        "monitoring.html",
        runs=runs,
        run=run,
        words=words(run, figures),
        measured=measured,
        chart=intervals.chart(measured),
        unseen=UNSEEN,
        drift=of_metrics(figures, "PSI"),
        frozen=frozen(figures),
        calibration=[row for row in of_metrics(figures, *CALIBRATION) if row["slice"] in (UNSEEN, ALL)],
        watched=[row for row in figures if row["verdict"] in ("watch", "alarm") and row["metric"] != "verdict"],
    )


def chosen(runs: Sequence[MonitorRun], version: str | None, as_of: str | None) -> MonitorRun | None:
    """The run that the address names, else the newest."""
    if not version and not as_of:
        return next(iter(runs), None)
    for run in runs:
        if (run.version, str(run.as_of)) == (version, as_of):
            return run
    return abort(404, "The monitor never looked at this version in this month.")


def words(run: MonitorRun | None, figures: Sequence[Figures]) -> str:
    """What decided, as the last line of the step has it."""
    rows = [Row(**row) for row in figures if row["metric"] != "verdict"]
    return verdict.figures(rows) if run else ""


def of_metrics(figures: Sequence[Figures], *metrics: str) -> list[dict[str, Any]]:
    return [row for row in figures if row["metric"] in metrics]


def frozen(figures: Sequence[Figures]) -> list[str]:
    """The features with the same value for each user as the month before."""
    return [row["slice"] for row in of_metrics(figures, "unchanged_share") if row["estimate"] == 1]
