"""What is said of the registry while it does not answer."""

from typing import Any

from mlflow.store.entities.paged_list import PagedList

from rollout.registry import RegistryPoll


class FakeRegistry:
    """Has no version, or does not answer."""

    def __init__(self) -> None:
        self.is_away = False

    def search_model_versions(self, *_arguments: Any, **_more: Any) -> Any:
        if self.is_away:
            raise ConnectionError
        return PagedList([], None)


def poll_of(registry: FakeRegistry) -> RegistryPoll:
    return RegistryPoll(registry, "streamflow_churn", "Production", 1.0)


def test_before_the_first_answer_nothing_is_said_of_what_is_in_production() -> None:
    registry = FakeRegistry()
    registry.is_away = True
    poll = poll_of(registry)
    poll.poll()
    assert poll.warnings() == ["The registry does not answer; promotions are not seen"]


def test_an_old_answer_is_not_repeated_as_a_fact_and_withdraws_nothing() -> None:
    registry = FakeRegistry()
    poll = poll_of(registry)
    poll.poll()
    assert poll.none_since is not None
    registry.is_away = True
    poll.poll()
    assert poll.warnings() == ["The registry does not answer; promotions are not seen"]
    assert poll.none_since is None
    registry.is_away = False
    poll.poll()
    assert poll.warnings() == ["No version of streamflow_churn is in Production. Run: mlflow run . -e register"]
    assert poll.none_since is not None
