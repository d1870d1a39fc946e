"""The watcher's warnings while the registry does not answer."""

from typing import Any

import pytest
from mlflow.store.entities.paged_list import PagedList

from rollout.registry import RegistryPoll


class FakeRegistry:
    """Has no versions, or does not answer."""

    def __init__(self) -> None:
        self.is_down = False

    def search_model_versions(self, *_arguments: Any, **_keywords: Any) -> Any:
        if self.is_down:
            raise ConnectionError("http://user:secret@registry:5000 refused\nthe connection")
        return PagedList([], None)


def poll_of(registry: FakeRegistry) -> RegistryPoll:
    return RegistryPoll(registry, "streamflow_churn", "Production", 1.0)


def test_before_the_first_answer_there_is_no_warning_about_production() -> None:
    registry = FakeRegistry()
    registry.is_down = True
    poll = poll_of(registry)
    poll.poll()
    assert poll.warnings() == ["The registry does not answer; promotions have no effect until it does"]


def test_the_log_names_the_reason_once_and_no_password(caplog: pytest.LogCaptureFixture) -> None:
    registry = FakeRegistry()
    registry.is_down = True
    poll = poll_of(registry)
    poll.poll()
    poll.poll()
    [line] = [record.getMessage() for record in caplog.records]
    assert line.startswith("The registry does not answer; the live version keeps serving: ")
    assert line.endswith(": ConnectionError: http://***@registry:5000 refused")


def test_an_old_answer_is_no_warning_and_withdraws_nothing() -> None:
    registry = FakeRegistry()
    poll = poll_of(registry)
    poll.poll()
    assert poll.empty_since is not None
    registry.is_down = True
    poll.poll()
    assert poll.warnings() == ["The registry does not answer; promotions have no effect until it does"]
    assert poll.empty_since is None
    registry.is_down = False
    poll.poll()
    assert poll.warnings() == ["No version of streamflow_churn is in Production. Run: mlflow run . -e register"]
    assert poll.empty_since is not None
