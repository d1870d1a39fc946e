"""Prometheus as one of the stack's services: deploy/monitoring's rules, and the gateway and the watcher as targets."""

import os
import shutil
from pathlib import Path
from typing import Any

import yaml

from local_stack.processes import Service
from local_stack.settings import LOOPBACK, ROOT, Settings, StackError

FOLDER = ROOT / "deploy" / "monitoring"
RETENTION = ("--storage.tsdb.retention.time=15d", "--storage.tsdb.retention.size=512MB")
SETTING, PORT = "MONITORING", "PROMETHEUS_PORT"
SCRAPER = "prometheus"
"""The name of its API key, where the gateway has keys"""


def is_on(settings: Settings) -> bool:
    return settings[SETTING].lower() in ("1", "true", "yes", "on")


def services(settings: Settings) -> dict[str, Service]:
    """The setting of its port -> Prometheus, if MONITORING asks for it. Writes its configuration. Raises StackError if
    its program is missing."""
    if not is_on(settings):
        return {}
    program = shutil.which("prometheus")
    if program is None:
        raise StackError(
            f"{SETTING}={settings[SETTING]} needs the program prometheus, which is not on PATH. Install it "
            f"(apt-get install prometheus), or start without {SETTING}"
        )
    folder = settings.state / "monitoring"
    command = [
        program, f"--config.file={folder / 'prometheus.yml'}", f"--storage.tsdb.path={folder / 'data'}", *RETENTION,
        f"--web.listen-address={LOOPBACK}:{settings[PORT]}",
    ]  # fmt: skip
    write_configuration(settings)
    return {PORT: Service("Prometheus", command, settings.port(PORT), f"{settings.address(PORT)}/-/ready")}


def write_configuration(settings: Settings) -> None:
    """deploy/monitoring/prometheus.yml with the addresses of this machine, and without Alertmanager."""
    folder = settings.state / "monitoring"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    configuration: dict[str, Any] = yaml.safe_load((FOLDER / "prometheus.yml").read_text())
    del configuration["alerting"]
    configuration["rule_files"] = [str(FOLDER / pattern) for pattern in configuration["rule_files"]]
    ports = {"gateway": "GATEWAY_PORT", "watcher": "ROLLOUT_PORT"}
    for job in configuration["scrape_configs"]:
        del job["dns_sd_configs"]
        job["static_configs"] = [{"targets": [f"{LOOPBACK}:{settings[ports[job['job_name']]]}"]}]
        if "authorization" in job:
            job["authorization"] = {"credentials_file": str(_key_file(settings, folder))}
    (folder / "prometheus.yml").write_text(yaml.safe_dump(configuration))


def _key_file(settings: Settings, folder: Path) -> Path:
    """A file that only its owner can read: the key named prometheus, else an empty one, which a gateway without keys
    ignores."""
    keys = settings.values.get("ENRICHER_API_KEYS", "")
    named = dict(part.strip().partition(":")[::2] for part in keys.split(","))
    file = folder / "key"
    file.unlink(missing_ok=True)
    with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as opened:
        opened.write(named.get(SCRAPER, ""))
    return file
