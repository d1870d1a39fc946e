"""One command puts back what served before, and says from what to what."""

import pytest
from mlflow.tracking import MlflowClient

from local_stack.settings import Settings
from steps import rollback, warehouse
from steps.entry_points import arguments
from steps.errors import NoRollback, NoSuchVersion
from steps.settings import MODEL_NAME

from .database import last_run
from .serving import alias, in_production, make_versions, served


@pytest.fixture
def four_versions(empty_warehouse: Settings, empty_registry: None) -> None:
    """In no stage; nothing ever served."""
    warehouse.apply_schema()
    make_versions(4)


def roll_back(version: str = "") -> None:
    rollback.main(arguments("rollback", {"version": version}))


def test_the_version_that_served_before_comes_back(
    four_versions: None, tracking: str, capsys: pytest.CaptureFixture[str]
) -> None:
    served("1", "3", "4")
    roll_back()
    assert (in_production(), alias()) == (["3"], "3")
    said = f"[OK] Rolled {MODEL_NAME} back from version 4 to version 3; version 4 archived."
    assert said in capsys.readouterr().out
    ended = last_run("rollback", tracking)
    assert ended.info.status == "FINISHED"
    assert (ended.data.tags["from_version"], ended.data.tags["model_version"]) == ("4", "3")


def test_a_second_rollback_goes_forward_again(four_versions: None) -> None:
    served("1", "2", "1")
    roll_back()
    assert in_production() == ["2"]


def test_what_counts_is_who_served_and_not_the_highest_number(four_versions: None) -> None:
    served("4", "2", None, "3")
    roll_back()
    assert in_production() == ["2"]


def test_a_version_that_is_in_production_and_does_not_serve_yet_is_left_too(four_versions: None) -> None:
    served("1", "2")
    MlflowClient().transition_model_version_stage(MODEL_NAME, "3", "Production", archive_existing_versions=True)
    roll_back()
    assert in_production() == ["2"]


def test_with_nothing_in_production_the_last_that_served_comes_back(four_versions: None) -> None:
    served("1", "2")
    MlflowClient().transition_model_version_stage(MODEL_NAME, "2", "Archived")
    roll_back()
    assert in_production() == ["2"]


def test_a_given_version_comes_back_even_if_the_history_does_not_know_it(four_versions: None) -> None:
    served("2")
    roll_back("1")
    assert (in_production(), alias()) == (["1"], "1")


def test_of_two_in_production_the_lower_can_be_put_back_and_is_then_alone(four_versions: None) -> None:
    served("1", "2")
    MlflowClient().transition_model_version_stage(MODEL_NAME, "1", "Production", archive_existing_versions=False)
    roll_back()
    assert in_production() == ["1"]


def test_a_version_that_is_not_there_is_named_with_those_that_are(four_versions: None, tracking: str) -> None:
    served("1")
    with pytest.raises(NoSuchVersion, match=r"has no version 9\. There are: 4, 3, 2, 1"):
        roll_back("9")
    assert last_run("rollback", tracking).info.status == "FAILED"


def test_the_version_in_production_is_no_rollback(four_versions: None) -> None:
    served("1", "2")
    with pytest.raises(NoRollback, match="Version 2 is in Production already"):
        roll_back("2")


def test_when_nothing_served_before_it_is_said_and_nothing_changes(four_versions: None) -> None:
    served("2")
    with pytest.raises(NoRollback, match=r"Nothing served before version 2.*-P version=N"):
        roll_back()
    assert in_production() == ["2"]


def test_when_nothing_ever_served_it_is_said_too(empty_warehouse: Settings, empty_registry: None) -> None:
    with pytest.raises(NoRollback, match=r"nothing ever served\. Run: mlflow run \. -e register"):
        roll_back()


def test_a_version_that_was_deleted_since_is_named_and_not_passed_over(four_versions: None) -> None:
    served("1", "2", "3")
    MlflowClient().delete_model_version(MODEL_NAME, "2")
    with pytest.raises(NoRollback, match=r"Version 2 served before, and was deleted since.*There are: 4, 3, 1"):
        roll_back()
    assert in_production() == ["3"]


def test_a_version_that_was_refused_and_never_served_is_no_way_round_the_gate(four_versions: None) -> None:
    served("1", "3")
    for number in ("2", "3"):
        MlflowClient().set_model_version_tag(MODEL_NAME, number, "gate", "refused")
    served("3", "1")
    with pytest.raises(NoRollback, match=r"Version 2 never served, and the gate refused it.*-P force=true"):
        roll_back("2")
    assert in_production() == ["1"]
    roll_back("3")
    assert in_production() == ["3"]
