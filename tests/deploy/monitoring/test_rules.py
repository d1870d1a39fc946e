"""promtool plays series to the rules: a fault raises its alert and only its alert, calm minutes none."""

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from local_stack.settings import ROOT
from tests.deploy.monitoring.series import (
    DAY_S,
    MONITORING,
    RULES,
    Series,
    bucket,
    calm,
    constant,
    firing,
    growing,
    jumping,
    needs_promtool,
    requests,
    verdict,
)

pytestmark = needs_promtool
STEP_S = 15
CALM = 41  # samples: ten minutes and the moment at their end
RUNBOOK = ROOT / "docs" / "runbook.md"
RELIABILITY = ROOT / "reports" / "reliability.md"
GONE = f"1x{CALM} stale"
DOWN = f"1x{CALM - 1} 0x1000"


def alerts() -> dict[str, dict[str, Any]]:
    groups = yaml.safe_load((MONITORING / "rules" / "alerts.yml").read_text())["groups"]
    return {rule["alert"]: rule for group in groups for rule in group["rules"]}


def of(job: str) -> str:
    return f'up{{job="{job}",instance="{job[0]}:{"8000" if job == "gateway" else "5001"}"}}'


def failing_for_ever(code: str) -> Series:
    return {requests(code): f"0x{CALM - 1} 0+1500x1000", requests("ok", 200): f"0+1500x{CALM} {1500 * CALM}x1000"}


def slow(seconds: str) -> Series:
    below = [highest for highest in ("0.05", "1", "2", "5") if float(highest) < float(seconds)]
    return {bucket(highest): f"0+1500x{CALM} {1500 * CALM}x1000" for highest in below}


AUC = verdict("AUC", "never trained on")
# alert -> the series that a fault changes after ten calm minutes, and when it fires
FAULTS: dict[str, tuple[Series, str]] = {
    "GatewayDown": ({of("gateway"): DOWN}, "11m15s"),
    "WatcherDown": ({of("watcher"): GONE}, "16m"),
    "HighErrorRate": (failing_for_ever("deadline_exceeded"), "16m"),
    "HighLatency": (slow("5"), "14m"),
    "RequestsShed": ({requests("overloaded", route="shed"): jumping(CALM, 4104)}, "11m"),
    "CircuitBreakerOpen": ({requests("store_circuit_open"): jumping(CALM, 186)}, "11m"),
    "NoModelServes": (
        {requests("no_live_model"): jumping(CALM, 992), requests("model_circuit_open"): jumping(CALM, 64)},
        "11m",
    ),
    "VersionNotServed": (
        {
            'watcher_target_version{job="watcher",model="streamflow_churn",version="1"}': GONE,
            'watcher_target_version{job="watcher",model="streamflow_churn",version="2"}': f"_x{CALM} 1x1000",
        },
        "16m",
    ),
    "VersionTurnedBack": (
        {
            'watcher_target_version{job="watcher",model="streamflow_churn",version="1"}': GONE,
            'watcher_target_version{job="watcher",model="streamflow_churn",version="2"}': f"_x{CALM} 1x1000",
            'watcher_version_turned_back{job="watcher",model="streamflow_churn",version="2"}': f"_x{CALM} 1x1000",
        },
        "16m",
    ),
    "RegistryUnreachable": ({'watcher_registry_reachable{job="watcher"}': DOWN}, "11m15s"),
    "PredictionLogRowsLost": (
        {'gateway_prediction_log_rows_total{job="gateway",outcome="queue_full"}': jumping(CALM, 3)},
        "11m",
    ),
    "WarehouseNotRead": (
        {'watcher_warehouse_read_timestamp_seconds{job="watcher"}': f"0+15x{CALM} {15 * CALM}x1000"},
        "17m",
    ),
    "AucFallen": ({AUC: jumping(CALM, 2)}, "11m"),
    "FeaturesDrifted": ({verdict("drift_share", "features"): jumping(CALM, 2)}, "11m"),
    "MonthFilesSuspect": ({verdict("unchanged_share", "months_active"): jumping(CALM, 2)}, "11m"),
}
# those of days: the series of the whole time in longer steps, and when the alert fires
OVERDUE: dict[str, tuple[Series, str]] = {
    "FeaturesStale": ({'streamflow_newest_month_timestamp_seconds{job="watcher"}': constant(0)}, "3h"),
    "NoMonthLoaded": ({'streamflow_month_load_timestamp_seconds{job="watcher"}': constant(-36 * DAY_S)}, "3h"),
    "LabelsOverdue": (
        {'streamflow_unlabelled_month_load_timestamp_seconds{job="watcher"}': constant(-46 * DAY_S)},
        "3h",
    ),
    "MonitorOverdue": (
        {'streamflow_step_success_timestamp_seconds{job="watcher",step="monitor"}': constant(-3 * DAY_S)},
        "50h",
    ),
}
LONG_STEP_S = 240  # Prometheus shows a sample for five minutes


def test_every_alert_has_a_fault_that_raises_it() -> None:
    assert FAULTS.keys() | OVERDUE.keys() == alerts().keys()


@pytest.mark.parametrize("alert", FAULTS)
def test_a_fault_raises_its_alert_and_only_its_alert_after_ten_calm_minutes(alert: str, tmp_path: Path) -> None:
    series, at = FAULTS[alert]
    expected = {"5m": [], "10m": [], at: [alert]}
    firing(tmp_path, STEP_S, {**calm(STEP_S), **series}, expected)


@pytest.mark.parametrize("alert", OVERDUE)
def test_what_is_overdue_raises_its_alert_and_only_its_alert(alert: str, tmp_path: Path) -> None:
    series, at = OVERDUE[alert]
    now = {
        'watcher_warehouse_read_timestamp_seconds{job="watcher"}': growing(LONG_STEP_S),
        'gateway_feature_age_seconds{job="gateway",view="usage_agg_30d_fv"}': growing(LONG_STEP_S, 30 * DAY_S),
    }
    firing(tmp_path, LONG_STEP_S, {**calm(LONG_STEP_S), **now, **series}, {"0h": [], at: [alert]})


def test_a_calm_day_raises_none(tmp_path: Path) -> None:
    minute_s = 60
    firing(tmp_path, minute_s, calm(minute_s), {f"{minutes}m": [] for minutes in (1, 10, 60, 600, 1440)})


def test_a_warehouse_without_a_month_is_noticed(tmp_path: Path) -> None:
    empty = {name: values for name, values in calm(LONG_STEP_S).items() if not name.startswith("streamflow_")}
    empty['streamflow_months{job="watcher"}'] = constant(0)
    firing(tmp_path, LONG_STEP_S, empty, {"3h": ["NoMonthLoaded"]})


def test_a_lasting_outage_of_the_store_also_raises_the_error_rate(tmp_path: Path) -> None:
    series = {**calm(STEP_S), **failing_for_ever("store_circuit_open")}
    firing(tmp_path, STEP_S, series, {"20m": ["CircuitBreakerOpen", "HighErrorRate"]})


def test_the_monitors_watch_is_no_alert(tmp_path: Path) -> None:
    watches = {name: constant(1) for name in calm(STEP_S) if "_verdict{" in name}
    firing(tmp_path, STEP_S, {**calm(STEP_S), **watches}, {"10m": []})


def test_another_promotion_ends_the_alert_of_a_version_that_was_turned_back(tmp_path: Path) -> None:
    back = 'watcher_version_turned_back{job="watcher",model="streamflow_churn",version="2"}'
    series = {**calm(STEP_S), back: f"1x{CALM} stale"}
    firing(tmp_path, STEP_S, series, {"1m": ["VersionTurnedBack"], "5m": ["VersionTurnedBack"], "12m": []})


def measured_faults() -> dict[str, dict[str, int]]:
    """Fault of reports/reliability.md -> code -> requests that were answered with it."""
    answers = RELIABILITY.read_text().split("## Every answer")[1].split("\n## ")[0]
    lines = re.findall(r"^- (.+?): .*other answers: (.*)$", answers, re.MULTILINE)
    return {
        re.sub(r" for \d+ s$", "", name): {
            code: int(number.replace(",", "")) for number, code in re.findall(r"([\d,]+) 503 (\w+)", refusals)
        }
        for name, refusals in lines
    }


def alerts_of_faults() -> dict[str, list[str]]:
    """The table of docs/runbook.md."""
    table = RUNBOOK.read_text().split("## Faults and their alerts")[1].split("\n## ")[0]
    rows = re.findall(r"^\| (.+?) \| (.+?) \|", table, re.MULTILINE)[1:]
    return {fault: re.findall(r"\[(\w+)\]", cell) for fault, cell in rows}


def test_each_measured_fault_is_in_the_runbooks_table() -> None:
    assert alerts_of_faults().keys() == measured_faults().keys()
    assert sum(bool(names) for names in alerts_of_faults().values()) >= 5


@pytest.mark.parametrize("fault", measured_faults())
def test_a_measured_fault_raises_the_alert_that_the_runbook_names(fault: str, tmp_path: Path) -> None:
    """Its refused requests, in one scrape after ten calm minutes."""
    series = calm(STEP_S)
    for code, count in measured_faults()[fault].items():
        series[requests(code, route="shed" if code == "overloaded" else "/predict")] = jumping(CALM, count)
    firing(tmp_path, STEP_S, series, {"10m": [], "11m": alerts_of_faults()[fault], "20m": []})


def test_promtool_accepts_the_rules() -> None:
    done = subprocess.run(["promtool", "check", "rules", *RULES], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
