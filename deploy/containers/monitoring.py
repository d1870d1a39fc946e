"""Checks the profile `monitoring`: Prometheus reads the gateway and the watcher and nothing else, and an alert reaches
Alertmanager. Grafana is not started: where the check runs, its image cannot be had.

Without a registry, Debian's packages stand in for the images, built on the project's base image.
"""

import json
import subprocess
import time
from typing import Any

import requests

from deploy.containers.outside import ANSWER_TIMEOUT_S, Containers, require

# image's setting -> Debian's package, its program, the folder for its data
STAND_INS = {
    "PROMETHEUS_IMAGE": ("prometheus", "/prometheus"),
    "ALERTMANAGER_IMAGE": ("prometheus-alertmanager", "/alertmanager"),
}
CONTAINERFILE = """
FROM python:3.11-slim
RUN apt-get update -qq && apt-get install -y -qq --no-install-recommends {package} >/dev/null
RUN install --directory --owner=nobody --group=nogroup {folder}
USER nobody
ENTRYPOINT ["{package}"]
"""
READY_S, FIRING_S, BACK_S = 90.0, 180.0, 120.0
MAY = ("gateway:8000", "model:5001", "alertmanager:9093")
MAY_NOT = ("postgres:5432", "mlflow:5000", "console:8080")


def check(containers: Containers, user: str) -> None:
    build_missing(containers)
    containers.compose("--profile", "monitoring", "up", "-d", "prometheus", "alertmanager")
    targets_are_read(containers)
    prometheus_reaches_its_targets_only(containers)
    no_alert_fires(containers)
    a_stopped_watcher_raises_an_alert(containers)
    predictions_are_back(containers, user)
    # `down` without the profile would leave them
    containers.compose("--profile", "monitoring", "rm", "--stop", "--force", "prometheus", "alertmanager")


def build_missing(containers: Containers) -> None:
    for setting, (package, folder) in STAND_INS.items():
        image = f"docker.io/{containers.settings[setting]}"
        if podman("image", "exists", image).returncode:
            text = CONTAINERFILE.format(package=package, folder=folder)
            built = podman("build", "-q", "--pull=never", "-t", image, "-f", "-", ".", text=text)
            require(built.returncode == 0, f"the stand-in for {image} cannot be built: {built.stderr}")


def podman(*words: str, text: str = "") -> "subprocess.CompletedProcess[str]":
    command = ["podman", *words]
    return subprocess.run(command, input=text, capture_output=True, text=True, check=False)  # noqa: S603 - fixed program


def query(containers: Containers, expression: str) -> list[dict[str, Any]]:
    """Prometheus has no published port: its own program asks it."""
    command = ("promtool", "query", "instant", "-o", "json", "http://127.0.0.1:9090", expression)
    output = containers.compose("exec", "-T", "prometheus", *command)
    results: list[dict[str, Any]] = json.loads(output.strip().splitlines()[-1])
    return results


def until(containers: Containers, expression: str, seconds: float) -> float:
    """Waits until the expression has a result. Returns the seconds it took."""
    started = time.monotonic()
    while not query(containers, expression):
        require(time.monotonic() - started < seconds, f"{expression}: no result after {seconds:g} s")
        time.sleep(1)
    return time.monotonic() - started


def targets_are_read(containers: Containers) -> None:
    seconds = until(containers, "count(up == 1) == 2", READY_S)
    until(containers, 'streamflow_step_success_timestamp_seconds{step="ingest"}', READY_S)
    until(containers, "watcher_live_version", READY_S)
    print(f"  Prometheus reads the gateway, with its key, and the watcher {seconds:.1f} s after its start")


def prometheus_reaches_its_targets_only(containers: Containers) -> None:
    reached = [name for name in (*MAY, *MAY_NOT, "1.1.1.1:443") if answers(containers, name)]
    require(reached == list(MAY), f"Prometheus' container reaches {reached}")
    print(f"  Prometheus reaches {', '.join(MAY)}, and neither {' nor '.join(MAY_NOT)} nor the outside")


def answers(containers: Containers, name: str) -> bool:
    host, port = name.split(":")
    probe = f"timeout 3 bash -c '</dev/tcp/{host}/{port}' 2>/dev/null && echo reached || echo refused"
    return "reached" in containers.compose("exec", "-T", "prometheus", "sh", "-c", probe)


def no_alert_fires(containers: Containers) -> None:
    firing = [result["metric"]["alertname"] for result in query(containers, 'ALERTS{alertstate="firing"}')]
    require(firing == [], f"alerts that fire without a fault: {firing}")
    print("  no alert fires")


def a_stopped_watcher_raises_an_alert(containers: Containers) -> None:
    containers.compose("stop", "model")
    started = time.monotonic()
    while "WatcherDown" not in (named := alerts(containers)):
        require(time.monotonic() - started < FIRING_S, f"Alertmanager has no WatcherDown, but {named}")
        time.sleep(1)
    seconds = time.monotonic() - started
    containers.compose("start", "model")
    print(f"  Alertmanager has the alert WatcherDown {seconds:.1f} s after the watcher was stopped")


def predictions_are_back(containers: Containers, user: str) -> None:
    """The checks after this one expect that no request fails."""
    started = time.monotonic()
    while containers.status(user) != requests.codes.ok:
        require(time.monotonic() - started < BACK_S, f"no prediction {BACK_S:g} s after the watcher was started again")
        time.sleep(1)


def alerts(containers: Containers) -> list[str]:
    address = f"http://127.0.0.1:{containers.settings['ALERTMANAGER_PORT']}/api/v2/alerts"
    received = requests.get(address, timeout=ANSWER_TIMEOUT_S).json()
    return [alert["labels"]["alertname"] for alert in received]
