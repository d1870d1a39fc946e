"""Rules, dashboard and runbook name what exists: metrics, rules, sections. Grafana itself is not run."""

import json
import re
import shutil
import subprocess
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from feature_enricher.metrics import Metrics
from local_stack.settings import ROOT
from rollout.metrics.page import MetricsPage
from rollout.metrics.readings import Readings
from steps.monitoring import verdict
from steps.monitoring.rows import UNSEEN
from steps.warehouse import Observation, ObservedFigure
from tests.deploy.monitoring.series import MONITORING, RULES, needs_promtool
from tests.rollout.test_metrics import poll
from tests.test_documentation import anchors

DASHBOARD: dict[str, Any] = json.loads((MONITORING / "grafana" / "dashboards" / "streamflow.json").read_text())
PROVISIONING = MONITORING / "grafana" / "provisioning"
RUNBOOK = ROOT / "docs" / "runbook.md"
OF_PROMETHEUS = {"up", "ALERTS"}
METRIC = re.compile(r"\b(?:(?:gateway|watcher|streamflow|api)[_:][a-z0-9_:]+|up|ALERTS)\b(?!\s*\()")
NOW = datetime(2024, 3, 1, tzinfo=UTC)
STATUS = {"serving": {"version": "7"}, "problem": None, "turned_back": {"version": "8"}}
OBSERVED = Observation(
    "7", 2, NOW, NOW, NOW, {"ingest": NOW},
    [ObservedFigure(date(2024, 2, 29), date(2024, 2, 29), "AUC", "all", "", 9, 0.5, 0.4, 0.6, 0.7, "alarm", NOW)],
)  # fmt: skip


def rules() -> list[dict[str, Any]]:
    return [rule for path in RULES for group in yaml.safe_load(path.read_text())["groups"] for rule in group["rules"]]


def alerts() -> list[dict[str, Any]]:
    return [rule for rule in rules() if "alert" in rule]


def exported() -> set[str]:
    """The names of the series that the gateway and the watcher have after a first request and a first reading."""
    metrics, readings = Metrics(), Readings(lambda: "7", lambda _version: OBSERVED)
    readings.refresh()
    metrics.record_request("/predict", 200, "ok", 0.1, "none")
    with metrics.timed("model"):
        metrics.observe_event_times({"usage_agg_30d_fv": NOW})
    metrics.refresh({"store": "closed"}, {"model_name": "m", "version": "7"}, 0)
    watcher = MetricsPage("m", lambda: STATUS, poll(), readings)
    pages = (metrics.page(), watcher.text())
    families = [family for page in pages for family in text_string_to_metric_families(page.decode())]
    return {sample.name for family in families for sample in family.samples}


def unknown(expressions: list[str]) -> set[str]:
    texts = [re.sub(r"\{[^}]*\}", "", expression) for expression in expressions]
    named = {name for text in texts for name in METRIC.findall(text)}
    assert len(named) > 10
    records = {rule["record"] for rule in rules() if "record" in rule}
    return named - exported() - records - OF_PROMETHEUS


def panels() -> list[dict[str, Any]]:
    return [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]


def expressions() -> list[str]:
    return [target["expr"] for panel in panels() for target in panel["targets"]]


def test_the_rules_name_existing_metrics() -> None:
    assert unknown([rule["expr"] for rule in rules()]) == set()


def test_the_dashboard_names_existing_metrics_and_rules() -> None:
    assert unknown(expressions()) == set()


def test_the_monitors_figures_have_the_names_that_rules_and_dashboard_use() -> None:
    of_alerts = {figure for rule in alerts() for figure in re.findall(r'metric="(\w+)"', rule["expr"])}
    assert of_alerts == set(verdict.RETRAIN_ON)
    slices = {part for expression in expressions() for part in re.findall(r'slice="([^"]+)"', expression)}
    assert slices == {UNSEEN}


def test_codes_of_requests_in_the_rules_are_series_from_the_start() -> None:
    """Prometheus sees no increase in a series that begins at 1."""
    named = {code for rule in rules() for code in re.findall(r'code="(\w+)"', rule["expr"])}
    page = Metrics().page().decode()
    assert named
    assert {code for code in named if not re.search(rf'gateway_requests_total{{code="{code}".*}} 0\.0', page)} == set()


def test_reasons_of_lost_log_rows_are_series_from_the_start() -> None:
    page = Metrics().page().decode()
    for reason in ("queue_full", "unconfirmed", "refused", "stopped"):
        assert f'gateway_prediction_log_rows_total{{outcome="{reason}"}} 0.0' in page


def test_requests_and_latency_also_have_the_common_names() -> None:
    records = {rule["record"] for rule in rules() if "record" in rule}
    assert {"api_requests_total", "api_request_latency_seconds_bucket"} <= records


@pytest.mark.parametrize("alert", alerts(), ids=lambda alert: alert["alert"])
def test_an_alert_has_a_severity_a_figure_and_a_section_of_the_runbook(alert: dict[str, Any]) -> None:
    assert alert["labels"]["severity"] in ("critical", "warning")
    notes = alert["annotations"]
    assert notes["summary"]
    assert re.search(r"\{\{ \$value|\d", notes["description"])
    assert notes["runbook_url"] == f"docs/runbook.md#{alert['alert'].lower()}"
    text = RUNBOOK.read_text().split(f"## {alert['alert']}\n")[1].split("\n## ")[0]
    meaning, look, do = text.strip().split("\n\n")
    assert meaning
    assert look.startswith("**Look at** ")
    assert do.startswith("**Do.** ")


def test_each_section_of_the_runbook_is_an_alert() -> None:
    sections = anchors(RUNBOOK) - {"runbook-what-to-do-at-an-alert", "faults-and-their-alerts"}
    assert sections == {alert["alert"].lower() for alert in alerts()}


@needs_promtool
def test_promtool_parses_the_dashboards_expressions(tmp_path: Path) -> None:
    file = tmp_path / "panels.yml"
    queries = [*expressions(), *(note["expr"] for note in DASHBOARD["annotations"]["list"])]
    records = [{"record": f"panel:{number}", "expr": expression} for number, expression in enumerate(queries)]
    file.write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": records}]}))
    done = subprocess.run(["promtool", "check", "rules", file], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert f"{len(records)} rules found" in done.stdout


def test_each_panel_has_a_place_a_title_and_the_provisioned_datasource() -> None:
    [datasource] = yaml.safe_load((PROVISIONING / "datasources" / "prometheus.yml").read_text())["datasources"]
    places = [tuple(panel["gridPos"][side] for side in "xywh") for panel in DASHBOARD["panels"]]
    assert all(x >= 0 and w > 0 and x + w <= 24 and h > 0 for x, _y, w, h in places)
    cells = [(x + dx, y + dy) for x, y, w, h in places for dx in range(w) for dy in range(h)]
    assert len(cells) == len(set(cells)), "panels overlap"
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])
    for panel in panels():
        assert panel["title"]
        assert panel["type"] in ("stat", "timeseries", "table")
        assert {target["datasource"]["uid"] for target in panel["targets"]} == {datasource["uid"]}
        assert len({target["refId"] for target in panel["targets"]}) == len(panel["targets"])


def test_compose_mounts_the_dashboards_where_they_are_provisioned_from() -> None:
    [provider] = yaml.safe_load((PROVISIONING / "dashboards" / "streamflow.yml").read_text())["providers"]
    grafana = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]["grafana"]
    mounts = dict(volume.split(":")[:2] for volume in grafana["volumes"])
    assert mounts["./deploy/monitoring/grafana/dashboards"] == provider["options"]["path"]
    assert mounts["./deploy/monitoring/grafana/provisioning"] == "/etc/grafana/provisioning"


@needs_promtool
def test_promtool_accepts_the_configuration() -> None:
    command = ["promtool", "check", "config", "--syntax-only", str(MONITORING / "prometheus.yml")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.skipif(not shutil.which("amtool"), reason="amtool is missing: apt-get install prometheus-alertmanager")
def test_amtool_accepts_the_configuration_whose_inhibitions_name_alerts() -> None:
    file = MONITORING / "alertmanager.yml"
    done = subprocess.run(["amtool", "check-config", file], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    matchers = str(yaml.safe_load(file.read_text())["inhibit_rules"])
    named = {name for names in re.findall(r'alertname =~? "([\w|]+)"', matchers) for name in names.split("|")}
    assert named
    assert named <= {alert["alert"] for alert in alerts()}
