"""A run becomes a version; exactly one version is in Production."""

import mlflow
import pytest
from mlflow.tracking import MlflowClient

from steps import register, train
from steps.cli.errors import BadParameter, NoSnapshot, NoTraining
from steps.cli.settings import MODEL_NAME
from steps.runs.entry_points import arguments
from tests.steps.states.database import last_run

pytestmark = pytest.mark.usefixtures("empty_registry")  # another test's version in Production may be a duplicate


def registered(tracking: str, **values: str) -> str:
    """The number of the training's version; forced, as these tests are not about the gate."""
    register.main(arguments("register", {"force": "true", **values}))
    return str(last_run("register", tracking).data.tags["model_version"])


def stages() -> dict[str, str]:
    return {str(v.version): v.current_stage for v in MlflowClient().search_model_versions(f"name='{MODEL_NAME}'")}


def in_production() -> list[str]:
    return [version for version, stage in stages().items() if stage == "Production"]


def alias() -> str:
    return str(MlflowClient().get_model_version_by_alias(MODEL_NAME, "Production").version)


def test_after_several_registers_exactly_the_last_is_in_production(trainings: dict[str, str], tracking: str) -> None:
    made = [registered(tracking, run_id=run_id) for run_id in trainings.values()]
    assert in_production() == [made[-1]]
    assert [stages()[version] for version in made[:-1]] == ["Archived", "Archived"]
    assert alias() == made[-1]


def test_registering_the_same_run_twice_makes_one_version(
    trainings: dict[str, str], tracking: str, capsys: pytest.CaptureFixture[str]
) -> None:
    run_id = trainings["random_forest"]
    first, before = registered(tracking, run_id=run_id), stages()
    capsys.readouterr()
    assert registered(tracking, run_id=run_id) == first
    assert stages() == before
    closing = f"[OK] Run {run_id} is version {first} of {MODEL_NAME}, already in Production"
    assert closing in capsys.readouterr().out


def test_a_run_whose_version_was_archived_gets_that_version_back(trainings: dict[str, str], tracking: str) -> None:
    first = registered(tracking, run_id=trainings["random_forest"])
    second = registered(tracking, run_id=trainings["logistic_regression"])
    existing = set(stages())
    assert registered(tracking, run_id=trainings["random_forest"]) == first
    assert (in_production(), stages()[second], set(stages())) == ([first], "Archived", existing)


def test_two_versions_in_production_become_one(trainings: dict[str, str], tracking: str) -> None:
    first = registered(tracking, run_id=trainings["random_forest"])
    second = registered(tracking, run_id=trainings["logistic_regression"])
    # what a promotion in the UI does when the box is not ticked
    MlflowClient().transition_model_version_stage(MODEL_NAME, first, "Production", archive_existing_versions=False)
    assert set(in_production()) == {first, second}
    third = registered(tracking, run_id=trainings["hist_gradient_boosting"])
    assert in_production() == [third]


@pytest.mark.parametrize("stage", ["None", "Staging"])
def test_another_stage_leaves_production_alone(trainings: dict[str, str], tracking: str, stage: str) -> None:
    before = registered(tracking, run_id=trainings["random_forest"])
    version = registered(tracking, run_id=trainings["logistic_regression"], stage=stage)
    assert stages()[version] == stage
    assert (in_production(), alias()) == ([before], before)


def test_the_newest_training_of_the_month_is_taken(trainings: dict[str, str], tracking: str) -> None:
    newest = last_run("train", tracking, "FINISHED", "params.as_of = '2024-01-31'")
    version = registered(tracking, as_of="2024-01-31")
    assert MlflowClient().get_model_version(MODEL_NAME, version).run_id == newest.info.run_id


def test_a_version_has_the_tags_of_its_training(trainings: dict[str, str], tracking: str) -> None:
    run_id = trainings["hist_gradient_boosting"]
    version = MlflowClient().get_model_version(MODEL_NAME, registered(tracking, run_id=run_id))
    tags = mlflow.get_run(run_id).data.tags
    copied = (
        "as_of",
        "feature_service",
        "dataset_sha256",
        "streamflow.git_commit",
        "streamflow.lock_sha256",
        "streamflow.python",
    )
    expected = {**{name: tags[name] for name in copied}, "run_id": run_id}
    assert {name: version.tags[name] for name in expected} == expected


def test_the_closing_line_names_both_versions(
    trainings: dict[str, str], tracking: str, capsys: pytest.CaptureFixture[str]
) -> None:
    run_id = trainings["random_forest"]
    before = registered(tracking, run_id=trainings["logistic_regression"])
    version = registered(tracking, run_id=run_id)
    out = capsys.readouterr().out
    assert f"[OK] {MODEL_NAME} version {version} from run {run_id} is in Production; version {before} archived." in out


def failed(tracking: str) -> bool:
    return bool(last_run("register", tracking).info.status == "FAILED")


def test_a_run_of_another_step_is_refused(trainings: dict[str, str], tracking: str) -> None:
    run_id = mlflow.get_run(trainings["random_forest"]).data.tags["dataset_run_id"]
    registered(tracking, run_id=trainings["random_forest"])
    before = stages()
    with pytest.raises(
        BadParameter, match=rf"{run_id} is not a finished training run \(step build_dataset, status FINISHED"
    ):
        register.main(arguments("register", {"run_id": run_id}))
    assert failed(tracking)
    assert stages() == before


def test_a_training_that_failed_is_refused(trainings: dict[str, str], tracking: str) -> None:
    with pytest.raises(NoSnapshot):
        train.main(arguments("train", {"as_of": "2031-01-31"}))
    with pytest.raises(BadParameter, match=r"step train, status FAILED"):
        register.main(arguments("register", {"run_id": last_run("train", tracking).info.run_id}))


def test_an_unknown_run_is_refused(trainings: dict[str, str], tracking: str) -> None:
    with pytest.raises(BadParameter, match=f"There is no run {'0' * 32}"):
        register.main(arguments("register", {"run_id": "0" * 32}))
    assert failed(tracking)


def test_a_month_without_training_is_an_error_with_the_command(trainings: dict[str, str], tracking: str) -> None:
    with pytest.raises(NoTraining, match=r"mlflow run \. -e train -P as_of=2031-01-31"):
        register.main(arguments("register", {"as_of": "2031-01-31"}))
    assert failed(tracking)


@pytest.mark.parametrize("values", [{}, {"run_id": "0" * 32, "as_of": "2024-01-31"}])
def test_neither_or_both_of_run_and_month_are_refused_before_anything_starts(
    values: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        register.main(arguments("register", values))
    assert "give either run_id or as_of" in capsys.readouterr().err
