"""One command puts back the version that served before, and names both versions."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from mlflow.tracking import MlflowClient

from configuration import names
from local_stack.settings import Settings
from steps import rollback, warehouse
from steps.cli.errors import NoRollback, NoSuchVersion
from steps.cli.settings import MODEL_NAME
from steps.registry import versions
from steps.runs.entry_points import arguments
from steps.warehouse import Cutover
from tests.steps.states.database import last_run
from tests.steps.states.seals import judge
from tests.steps.states.serving import alias, in_production, make_versions, served


@pytest.fixture
def four_versions(tables: None, empty_registry: None) -> None:
    """In no stage, all passed by the gate; no version ever served."""
    make_versions(4)


@pytest.fixture(autouse=True)
def tables(empty_warehouse: Settings) -> None:
    warehouse.apply_schema()


def roll_back(version: str = "") -> None:
    rollback.main(arguments("rollback", {"version": version}))


def test_the_version_that_served_before_comes_back(
    four_versions: None, tracking: str, capsys: pytest.CaptureFixture[str]
) -> None:
    served("1", "3", "4")
    roll_back()
    assert (in_production(), alias()) == (["3"], "3")
    closing = f"[OK] Rolled {MODEL_NAME} back from version 4 to version 3; version 4 archived."
    assert closing in capsys.readouterr().out
    ended = last_run("rollback", tracking)
    assert ended.info.status == "FINISHED"
    assert (ended.data.tags["from_version"], ended.data.tags["model_version"]) == ("4", "3")


def test_a_second_rollback_goes_forward_again(four_versions: None) -> None:
    served("1", "2", "1")
    roll_back()
    assert in_production() == ["2"]


def test_the_history_decides_and_not_the_highest_number(four_versions: None) -> None:
    served("4", "2", None, "3")
    roll_back()
    assert in_production() == ["2"]


def test_a_version_in_production_that_does_not_serve_yet_is_replaced_too(four_versions: None) -> None:
    served("1", "2")
    MlflowClient().transition_model_version_stage(MODEL_NAME, "3", "Production", archive_existing_versions=True)
    roll_back()
    assert in_production() == ["2"]


def test_with_nothing_in_production_the_last_that_served_comes_back(four_versions: None) -> None:
    served("1", "2")
    MlflowClient().transition_model_version_stage(MODEL_NAME, "2", "Archived")
    roll_back()
    assert in_production() == ["2"]


def test_a_given_version_comes_back_even_if_it_is_not_in_the_history(four_versions: None) -> None:
    served("2")
    roll_back("1")
    assert (in_production(), alias()) == (["1"], "1")


def test_of_two_in_production_the_lower_can_be_put_back_and_is_then_alone(four_versions: None) -> None:
    served("1", "2")
    MlflowClient().transition_model_version_stage(MODEL_NAME, "1", "Production", archive_existing_versions=False)
    roll_back()
    assert in_production() == ["1"]


def test_an_unknown_version_is_an_error_that_lists_the_existing_ones(four_versions: None, tracking: str) -> None:
    served("1")
    with pytest.raises(NoSuchVersion, match=r"has no version 9\. Existing versions: 4, 3, 2, 1"):
        roll_back("9")
    assert last_run("rollback", tracking).info.status == "FAILED"


def test_the_version_in_production_is_no_rollback(four_versions: None) -> None:
    served("1", "2")
    with pytest.raises(NoRollback, match="Version 2 is already in Production"):
        roll_back("2")


def test_without_an_earlier_version_nothing_changes(four_versions: None) -> None:
    served("2")
    with pytest.raises(NoRollback, match=r"Nothing served before version 2.*-P version=N"):
        roll_back()
    assert in_production() == ["2"]


def test_an_empty_history_is_an_error(empty_warehouse: Settings, empty_registry: None) -> None:
    with pytest.raises(NoRollback, match=r"no version ever served\. Run: mlflow run \. -e register"):
        roll_back()


def test_a_version_that_was_deleted_since_is_passed_over_and_named(
    four_versions: None, capsys: pytest.CaptureFixture[str]
) -> None:
    served("1", "2", "3")
    MlflowClient().delete_model_version(MODEL_NAME, "2")
    roll_back()
    assert in_production() == ["1"]
    assert f"Passed over: version 2 of run {'2' * 32} was deleted since." in capsys.readouterr().out


def test_a_new_version_of_a_deleted_models_number_is_not_the_one_that_served(empty_registry: None) -> None:
    make_versions(3)
    served("1", "2")
    MlflowClient().delete_registered_model(MODEL_NAME)
    make_versions(3, first_run=5)  # numbers start again: version 1 is of run 555…
    versions.put_in_stage("3", names.PRODUCTION)
    with pytest.raises(NoRollback, match=f"version 2 of run {'2' * 32} was deleted since; version 1 of run {'1' * 32}"):
        roll_back()
    assert in_production() == ["3"]


def test_a_version_that_was_made_after_the_row_is_not_the_one_that_served(empty_registry: None) -> None:
    """Without a run id, the time decides."""
    make_versions(1)
    version = MlflowClient().get_model_version(MODEL_NAME, "1")
    made = datetime.fromtimestamp(version.creation_timestamp / 1000, UTC)
    row = Cutover(made - timedelta(hours=1), "1", None, None, None, "promotion")
    assert not versions.is_same(version, row)
    assert versions.is_same(version, replace(row, at=made + timedelta(hours=1)))


def refuse(*numbers: str) -> None:
    for number in numbers:
        judge(number, "refused", "AUC 0.6 is below min_auc 0.7")


def test_a_refused_version_does_not_come_back_whether_it_served_or_not(four_versions: None) -> None:
    served("1", "3", "1")
    refuse("2", "3")
    for number in ("2", "3"):
        with pytest.raises(
            NoRollback, match=rf"Version {number} never passed the gate: AUC 0\.6 is below min_auc 0\.7"
        ):
            roll_back(number)
    assert in_production() == ["1"]


def test_a_forced_version_may_come_back(four_versions: None) -> None:
    served("1")
    judge("2", "forced")
    roll_back("2")
    assert in_production() == ["2"]


def test_a_version_that_passed_once_may_come_back_after_a_comparison_it_lost(four_versions: None) -> None:
    served("1")
    judge("2", "refused", lasting="passed")
    roll_back("2")
    assert in_production() == ["2"]


def test_a_version_that_never_passed_is_passed_over_and_named(
    four_versions: None, capsys: pytest.CaptureFixture[str]
) -> None:
    served("1", "2", "3")
    refuse("2")
    roll_back()
    assert in_production() == ["1"]
    assert "Passed over: version 2 never passed the gate: AUC 0.6 is below min_auc 0.7." in capsys.readouterr().out


def test_a_version_without_verdict_and_training_is_refused(empty_registry: None) -> None:
    make_versions(2, gate=None)
    judge("1", "passed")
    versions.put_in_stage("1", names.PRODUCTION)
    with pytest.raises(NoRollback, match=r"training data are unknown.*cannot be registered again"):
        roll_back("2")
    assert MlflowClient().get_model_version(MODEL_NAME, "2").tags["gate"] == "refused"


def test_tags_that_anyone_may_set_do_not_bring_a_refused_version_back(four_versions: None) -> None:
    served("1")
    refuse("2")
    for name in ("gate", "gate_admitted"):
        MlflowClient().set_model_version_tag(MODEL_NAME, "2", name, "passed")
    with pytest.raises(NoRollback, match=r"Version 2 never passed the gate: AUC 0\.6"):
        roll_back("2")


def test_a_version_whose_files_changed_is_passed_over_and_named(
    four_versions: None, capsys: pytest.CaptureFixture[str]
) -> None:
    served("1", "2", "3")
    source = MlflowClient().get_model_version(MODEL_NAME, "2").source.removeprefix("file://")
    (Path(source) / "MLmodel").write_text("# of another")
    roll_back()
    assert in_production() == ["1"]
    assert "Passed over: version 2 cannot be loaded: MLmodel has sha256 " in capsys.readouterr().out
