"""python -m rollout: the watcher as a process. SIGTERM ends it and its model servers."""

import logging
import signal
import sys
import threading
import warnings
from functools import partial

from rollout import control
from rollout.errors import InvalidSetting
from rollout.metrics.page import MetricsPage
from rollout.metrics.readings import Readings
from rollout.probation.answers import ReportedAnswers
from rollout.probation.way_back import WayBack
from rollout.recorder import HistoryRecorder
from rollout.registry import RegistryPoll, version_of
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
    answers = ReportedAnswers()
    watcher, metrics = _watcher(settings, answers)
    try:
        server = control.serve(
            settings.host, settings.port, watcher.status, settings.allowed_hosts, metrics.text,
            take_answers=answers.take,
        )  # fmt: skip
    except OSError as error:
        sys.exit(
            f"[ERROR] ROLLOUT_HOST={settings.host!r}, ROLLOUT_PORT={settings.port}: "
            f"cannot listen on this address: {error.strerror}"
        )
    watcher.run(stopped.is_set)
    server.shutdown()


def _watcher(settings: Settings, answers: ReportedAnswers) -> tuple[Watcher, MetricsPage]:
    logging.getLogger("mlflow").setLevel(logging.WARNING)
    logging.getLogger("alembic").setLevel(logging.WARNING)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # caused by MLflow's table classes under SQLAlchemy 2.1
        from mlflow.tracking import MlflowClient  # noqa: PLC0415 - MLflow reads its time limits when it is imported
    client, name = MlflowClient(), settings.model_name
    history = HistoryRecorder(name)
    way_back = WayBack(settings.folder, name, history)
    prepare = partial(way_back.load, find=partial(version_of, client, name))
    registry = RegistryPoll(client, name, settings.stage, settings.poll_s, prepare)
    registry.start()
    history.start()
    watcher = Watcher(settings, registry, history, way_back, answers)
    readings = Readings(lambda: (watcher.status()["serving"] or {}).get("version"))
    readings.start()
    return watcher, MetricsPage(name, watcher.status, registry, readings, lambda: way_back.times)


if __name__ == "__main__":
    main()
