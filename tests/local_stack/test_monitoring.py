"""MONITORING=1: Prometheus' configuration for one machine, and Prometheus itself beside a gateway and a watcher."""

import shutil
import stat
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from local_stack import services
from local_stack.monitoring import prometheus
from local_stack.settings import Settings, StackError
from tests.deploy.monitoring.series import needs_promtool

needs_prometheus = pytest.mark.skipif(
    not shutil.which("prometheus"), reason="prometheus is not installed: apt-get install prometheus"
)


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setenv("STREAMFLOW_STATE", str(tmp_path))
    monkeypatch.setenv("MONITORING", "1")
    monkeypatch.setenv("ENRICHER_API_KEYS", "web:0123456789abcdef,prometheus:fedcba9876543210")
    return Settings.from_env()


def written(settings: Settings) -> dict[str, Any]:
    prometheus.write_configuration(settings)
    configuration: dict[str, Any] = yaml.safe_load((settings.state / "monitoring" / "prometheus.yml").read_text())
    return configuration


def test_the_targets_are_those_of_this_machine_with_the_key_of_prometheus(settings: Settings) -> None:
    jobs = {job["job_name"]: job for job in written(settings)["scrape_configs"]}

    targets = {name: job["static_configs"] for name, job in jobs.items()}
    assert targets == {
        "gateway": [{"targets": [f"127.0.0.1:{settings['GATEWAY_PORT']}"]}],
        "watcher": [{"targets": [f"127.0.0.1:{settings['ROLLOUT_PORT']}"]}],
    }
    key = Path(jobs["gateway"]["authorization"]["credentials_file"])
    assert (key.read_text(), stat.S_IMODE(key.stat().st_mode)) == ("fedcba9876543210", 0o600)
    assert "authorization" not in jobs["watcher"]


@needs_promtool
def test_promtool_accepts_it_with_its_rules(settings: Settings) -> None:
    written(settings)
    file = settings.state / "monitoring" / "prometheus.yml"
    done = subprocess.run(["promtool", "check", "config", file], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "2 rule files found" in done.stdout


def test_a_missing_program_is_named_before_anything_starts(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(StackError, match=r"MONITORING=1 needs the program prometheus, which is not on PATH\. Install"):
        prometheus.services(settings)


def test_prometheus_only_listens_at_loopback_and_keeps_a_limited_history(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "prometheus"
    program.touch(mode=0o755)
    monkeypatch.setenv("PATH", str(tmp_path))

    [(setting, service)] = prometheus.services(settings).items()

    assert (setting, service.port) == ("PROMETHEUS_PORT", 9090)
    assert "--web.listen-address=127.0.0.1:9090" in service.command
    assert {"--storage.tsdb.retention.time=15d", "--storage.tsdb.retention.size=512MB"} <= set(service.command)
    assert services.ports(settings)["PROMETHEUS_PORT"] == ("Prometheus", 9090)


def test_without_the_setting_there_is_no_prometheus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MONITORING", "")
    settings = Settings.from_env()
    assert prometheus.services(settings) == {}
    assert "PROMETHEUS_PORT" not in services.ports(settings)


def test_another_value_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MONITORING", "maybe")
    with pytest.raises(StackError, match="MONITORING='maybe': must be true or false"):
        Settings.from_env()
