"""A line in the version's description in MLflow: why the watcher does not serve it."""

import logging

PREFIX = "Not served: "

log = logging.getLogger(__name__)


def note(name: str, version: str, reason: str | None) -> None:
    """Replaces the line, or removes it for reason None. A registry that does not answer is a warning in the log."""
    from mlflow.tracking import MlflowClient  # noqa: PLC0415 - MLflow reads its time limits when it is imported

    client = MlflowClient()
    try:
        before = client.get_model_version(name, version).description or ""
        lines = [line for line in before.splitlines() if not line.startswith(PREFIX)]
        after = "\n".join([*lines, *([f"{PREFIX}{reason}"] if reason else [])])
        if after != before:
            client.update_model_version(name, version, after)
    except Exception as error:  # noqa: BLE001 - the log and /live say it, too
        log.warning("The description of version %s could not be changed: %s", version, type(error).__name__)
