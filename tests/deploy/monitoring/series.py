"""Series as the gateway and the watcher export them, and promtool, which plays them to the rules."""

import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from local_stack.settings import ROOT

MONITORING = ROOT / "deploy" / "monitoring"
RULES = sorted((MONITORING / "rules").glob("*.yml"))
needs_promtool = pytest.mark.skipif(
    not shutil.which("promtool"), reason="promtool is not installed: apt-get install prometheus"
)
DAY_S = 86_400
FOR_EVER = 2_000  # samples
FIRING = 'ALERTS{alertstate="firing"}'

Series = dict[str, str]
"""Series -> its samples in promtool's notation"""


def constant(value: float) -> str:
    return f"{value}x{FOR_EVER}"


def growing(step: float, start: float = 0) -> str:
    return f"{start:g}+{step:g}x{FOR_EVER}"


def jumping(before: int, value: float, start: float = 0) -> str:
    """`start` for so many samples, `value` from then on."""
    return f"{start:g}x{before - 1} {value:g}x{FOR_EVER}"


def requests(code: str, status: int = 503, route: str = "/predict") -> str:
    return f'gateway_requests_total{{job="gateway",instance="g:8000",route="{route}",status="{status}",code="{code}"}}'


def bucket(highest: str) -> str:
    return f'gateway_request_seconds_bucket{{job="gateway",instance="g:8000",route="/predict",le="{highest}"}}'


def verdict(metric: str, part: str, kind: str = "verdict") -> str:
    figure = f'version="1",as_of="2024-02-29",month="2024-02-29",metric="{metric}",slice="{part}",reference=""'
    return f'streamflow_monitoring_{kind}{{job="watcher",{figure}}}'


def calm(step_s: int) -> Series:
    """100 requests a second, answered in 50 ms; a month that was loaded and monitored."""
    users = 100 * step_s
    gateway = {
        'up{job="gateway",instance="g:8000"}': constant(1),
        requests("ok", 200): growing(users),
        requests("unknown_user", 404): growing(step_s),
        requests("too_many_requests", 429, "shed"): growing(step_s),
        **{bucket(highest): growing(users) for highest in ("0.05", "1", "2", "5", "+Inf")},
        'gateway_breaker_state{job="gateway",part="store",state="open"}': constant(0),
        'gateway_breaker_state{job="gateway",part="store",state="closed"}': constant(1),
        'gateway_feature_age_seconds{job="gateway",view="usage_agg_30d_fv"}': growing(step_s, 30 * DAY_S),
        'gateway_served_version{job="gateway",version="1"}': constant(1),
        'gateway_prediction_log_rows_total{job="gateway",outcome="written"}': growing(users),
    }
    gateway |= {requests(code): constant(0) for code in CODES}
    gateway |= {requests("overloaded", route="shed"): constant(0)}
    lost = ("queue_full", "unconfirmed", "refused", "stopped")
    gateway |= {f'gateway_prediction_log_rows_total{{job="gateway",outcome="{why}"}}': constant(0) for why in lost}
    watcher = {
        'up{job="watcher",instance="w:5001"}': constant(1),
        'watcher_live_version{job="watcher",model="streamflow_churn",version="1"}': constant(1),
        'watcher_target_version{job="watcher",model="streamflow_churn",version="1"}': constant(1),
        'watcher_registry_reachable{job="watcher"}': constant(1),
        'watcher_warehouse_read_timestamp_seconds{job="watcher"}': growing(step_s),
        'streamflow_months{job="watcher"}': constant(2),
        'streamflow_newest_month_timestamp_seconds{job="watcher"}': constant(-30 * DAY_S),
        'streamflow_month_load_timestamp_seconds{job="watcher"}': constant(-2 * DAY_S),
        'streamflow_unlabelled_month_load_timestamp_seconds{job="watcher"}': constant(-2 * DAY_S),
        'streamflow_step_success_timestamp_seconds{job="watcher",step="monitor"}': constant(-DAY_S),
    }
    judged = [("AUC", "never trained on"), ("drift_share", "features"), ("unchanged_share", "months_active")]
    watcher |= {verdict(*figure): constant(0) for figure in judged}
    watcher |= {verdict(*figure, kind="estimate"): constant(0.5) for figure in judged}
    return gateway | watcher


CODES = (
    "store_circuit_open", "model_circuit_open", "store_unavailable", "model_unavailable", "no_live_model",
    "rollout_unavailable", "deadline_exceeded", "overloaded",
)  # fmt: skip


def firing(folder: Path, step_s: int, series: Mapping[str, str], expected: Mapping[str, list[str]]) -> None:
    """Plays the series to the rules. expected: time such as 10m -> the alerts that fire then, and no other."""
    test: dict[str, Any] = {
        "interval": f"{step_s}s",
        "input_series": [{"series": name, "values": values} for name, values in series.items()],
        "promql_expr_test": [
            {
                "expr": f"count by (alertname) ({FIRING})",
                "eval_time": at,
                "exp_samples": [{"labels": f'{{alertname="{name}"}}', "value": 1} for name in names],
            }
            for at, names in expected.items()
        ],
    }
    file = folder / "test.yml"
    rules = [str(path) for path in RULES]
    file.write_text(yaml.safe_dump({"rule_files": rules, "evaluation_interval": f"{step_s}s", "tests": [test]}))
    done = subprocess.run(["promtool", "test", "rules", file], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
