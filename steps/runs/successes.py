"""The record of each step's success, for the watcher's metrics."""

from steps import warehouse
from steps.cli import console
from steps.cli.errors import StepError


def record(step: str, run_id: str) -> None:
    """The step has done its work, which a failure here does not undo."""
    try:
        warehouse.record_step_success(step, run_id)
    except StepError as error:
        console.say(f"[WARNING] The success of {step} is not recorded for the metrics: {error}")
