"""Versions that have no verdict: their register was killed, or they were registered with the UI's button. And look-ups
that fail: never told as a fact."""

import os
from pathlib import Path
from unittest import mock

import mlflow
import pytest
from mlflow.entities.model_registry import ModelVersion
from mlflow.tracking import MlflowClient

from local_stack.settings import Settings
from steps import register, rollback, training_sets, versions
from steps.entry_points import arguments
from steps.errors import NoRollback, TrackingUnavailable
from steps.settings import MODEL_NAME

from ..conftest import free_port
from ..tracking_store import tracking_store_at
from . import killed
from .database import last_run
from .scores import load_january
from .serving import in_production
from .trainings import model_id

SMALL = {"min_auc": "0.1", "min_users": "20"}
WHATEVER = {"rule": "not_worse", "margin": "1"}


@pytest.fixture(scope="module")
def runs(trainings: dict[str, str], sample_months: Path) -> dict[str, str]:
    """Trainings of a January that is loaded: of three kinds."""
    load_january(sample_months)
    names = {"forest": "random_forest", "boosting": "hist_gradient_boosting", "linear": "logistic_regression"}
    return {name: trainings[kind] for name, kind in names.items()}


def registered(run_id: str, tracking: str, **given: str) -> ModelVersion:
    register.main(arguments("register", {"run_id": run_id, **SMALL, **given}))
    return MlflowClient().get_model_version(MODEL_NAME, last_run("register", tracking).data.tags["model_version"])


def by_the_button(run_id: str) -> str:
    """A version as the UI makes it: of a logged model, without any tag."""
    client = MlflowClient()
    if not client.search_registered_models(f"name='{MODEL_NAME}'"):
        client.create_registered_model(MODEL_NAME)
    model = model_id(run_id)
    return str(client.create_model_version(MODEL_NAME, f"models:/{model}", model_id=model).version)


def numbers() -> list[str]:
    return sorted(str(version.version) for version in versions.all_versions())


def test_a_register_that_was_killed_before_the_verdict_is_gone_on_with(
    runs: dict[str, str], tracking: str, server: Settings, empty_registry: None
) -> None:
    command = ["steps.register", *arguments("register", {"run_id": runs["forest"], **SMALL})]
    with killed.held(
        "LOCK TABLE schema_migrations IN ACCESS EXCLUSIVE MODE"
    ):  # the gate looks for the schema's version
        process = killed.start(server, *command)
        killed.wait_until_stuck(process)
        killed.kill(process)
    assert (numbers(), "gate" in versions.get("1").tags) == (["1"], False)
    version = registered(runs["forest"], tracking)
    assert (numbers(), version.tags["gate"], in_production()) == (["1"], "passed", ["1"])


def test_a_version_without_verdict_is_examined_before_it_is_rolled_back_to(
    runs: dict[str, str], tracking: str, empty_registry: None
) -> None:
    registered(runs["forest"], tracking)
    number = by_the_button(runs["linear"])
    with pytest.raises(NoRollback, match=f"-P run_id={runs['linear']} -P force=true"):  # 75 users: no comparison
        rollback.main(arguments("rollback", {"version": number}))
    tags = versions.get(number).tags
    assert (in_production(), tags["gate"], tags["run_id"]) == (["1"], "refused", runs["linear"])
    assert "min_users 200" in tags["gate_reason"]
    assert tags["feature_service"] == "churn_v1"


def test_a_version_without_verdict_that_passes_is_rolled_back_to(
    runs: dict[str, str], tracking: str, empty_registry: None
) -> None:
    """Nothing is in Production: an AUC of at least min_auc is enough, and linear models of these users have it."""
    number = by_the_button(runs["linear"])
    auc = mlflow.get_run(runs["linear"]).data.metrics["AUC"]
    assert auc >= 0.7
    rollback.main(arguments("rollback", {"version": number}))
    assert (in_production(), versions.get(number).tags["gate"]) == ([number], "passed")


def test_candidates_are_compared_with_a_version_that_has_no_tags(
    runs: dict[str, str], tracking: str, empty_registry: None
) -> None:
    number = by_the_button(runs["forest"])
    MlflowClient().transition_model_version_stage(MODEL_NAME, number, "Production")
    assert versions.get(number).tags == {}
    version = registered(runs["boosting"], tracking, **WHATEVER)
    assert (version.tags["gate"], version.tags["gate_production_version"], in_production()) == ("passed", "1", ["2"])
    assert float(version.tags["gate_rows_compared"]) == 75
    assert float(version.tags["gate_auc_production"]) == mlflow.get_run(runs["forest"]).data.metrics["AUC"]


def test_the_training_of_a_version_in_production_by_the_button_is_not_registered_again(
    runs: dict[str, str], tracking: str, empty_registry: None, capsys: pytest.CaptureFixture[str]
) -> None:
    number = by_the_button(runs["linear"])
    MlflowClient().transition_model_version_stage(MODEL_NAME, number, "Production")
    version = registered(runs["linear"], tracking)
    assert (numbers(), str(version.version), version.tags["gate"]) == (["1"], "1", "passed")
    assert version.tags["gate_reason"] == "it is itself in Production, and the AUC is at least 0.7"
    assert "is version 1 of streamflow_churn, in Production already (gate: passed)" in capsys.readouterr().out


def test_a_version_whose_tags_name_another_run_is_what_its_model_is(
    runs: dict[str, str], tracking: str, empty_registry: None
) -> None:
    number = by_the_button(runs["forest"])
    for name, value in {"run_id": runs["linear"], "feature_service": "churn_v2"}.items():
        MlflowClient().set_model_version_tag(MODEL_NAME, number, name, value)
    training = versions.training_of(versions.get(number))
    assert training is not None
    assert training.info.run_id == runs["forest"]
    assert versions.open_version(number).feature_service == "churn_v1"


def test_a_look_up_that_fails_is_not_told_as_a_fact(runs: dict[str, str], tracking: str, empty_registry: None) -> None:
    version = registered(runs["linear"], tracking)
    training = mlflow.get_run(runs["linear"])
    no_patience = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0", "MLFLOW_HTTP_REQUEST_TIMEOUT": "2"}
    with mock.patch.dict(os.environ, no_patience), tracking_store_at(f"http://127.0.0.1:{free_port()}"):
        for ask in (
            versions.all_versions,
            lambda: versions.training_of(version),
            lambda: versions.open_version("1"),
            lambda: training_sets.training_set(training),
            lambda: register.find_training(runs["linear"], None),
        ):
            with pytest.raises(TrackingUnavailable, match="could not be asked"):
                ask()


def test_what_mlflow_says_is_not_there_is_not_there(runs: dict[str, str], empty_registry: None) -> None:
    assert versions.look_up(lambda: MlflowClient().get_run("0" * 32)) is None
