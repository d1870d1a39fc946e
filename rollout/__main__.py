"""python -m rollout: the watcher as a process. SIGTERM ends it and its model servers."""

import logging
import signal
import sys
import threading
import warnings

from rollout import control
from rollout.errors import InvalidSetting
from rollout.metrics.page import MetricsPage
from rollout.metrics.readings import Readings
from rollout.recorder import HistoryRecorder
from rollout.registry import RegistryPoll
from rollout.settings import Settings, load_settings, shorten_waits
from rollout.watcher import Watcher


def main() -> None:
    logging.basicConfig(format="[%(asctime)s] [%(levelname)s] %(name)s: %(message)s", level=logging.INFO)
    try:
        settings = load_settings()
    except InvalidSetting as error:
        sys.exit(f"[ERROR] {error}")
    for warning in settings.unknown_variables():
        logging.warning(warning)
    stopped = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopped.set())
    shorten_waits()
    watcher, metrics = _watcher(settings)
    try:
        server = control.serve(settings.host, settings.port, watcher.status, settings.allowed_hosts, metrics.text)
    except OSError as error:
        sys.exit(
            f"[ERROR] ROLLOUT_HOST={settings.host!r}, ROLLOUT_PORT={settings.port}: "
            f"cannot listen on this address: {error.strerror}"
        )
    watcher.run(stopped.is_set)
    server.shutdown()


def _watcher(settings: Settings) -> tuple[Watcher, MetricsPage]:
    logging.getLogger("mlflow").setLevel(logging.WARNING)
    logging.getLogger("alembic").setLevel(logging.WARNING)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # caused by MLflow's table classes under SQLAlchemy 2.1
        from mlflow.tracking import MlflowClient  # noqa: PLC0415 - MLflow reads its time limits when it is imported
    registry = RegistryPoll(MlflowClient(), settings.model_name, settings.stage, settings.poll_s)
    history = HistoryRecorder(settings.model_name)
    registry.start()
    history.start()
    watcher = Watcher(settings, registry, history)
    readings = Readings(lambda: (watcher.status()["serving"] or {}).get("version"))
    readings.start()
    return watcher, MetricsPage(settings.model_name, watcher.status, registry, readings)


if __name__ == "__main__":
    main()
