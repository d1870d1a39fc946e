"""Versions without a verdict: their register was killed, or they were registered in the UI. And failed look-ups, which
are errors and no facts."""

import os
from pathlib import Path
from unittest import mock

import mlflow
import pytest
from mlflow.entities.model_registry import ModelVersion
from mlflow.tracking import MlflowClient

from local_stack.settings import Settings
from steps import examine, register, rollback, warehouse
from steps.cli.errors import NoRollback, TrackingUnavailable
from steps.cli.settings import MODEL_NAME
from steps.registry import loaded_version, training_sets, versions
from steps.runs import search
from steps.runs.entry_points import arguments
from tests.conftest import free_port
from tests.steps.states import killed
from tests.steps.states.database import last_run
from tests.steps.states.scores import load_january
from tests.steps.states.serving import in_production
from tests.steps.states.trainings import model_id
from tests.tracking_store import tracking_store_at

SMALL = {"min_auc": "0.1", "min_users": "20"}
ANY_INTERVAL = {"rule": "not_worse", "margin": "1"}


@pytest.fixture(scope="module")
def runs(trainings: dict[str, str], sample_months: Path) -> dict[str, str]:
    """Trainings of a January that is loaded: of three kinds."""
    load_january(sample_months)
    names = {"forest": "random_forest", "boosting": "hist_gradient_boosting", "linear": "logistic_regression"}
    return {name: trainings[kind] for name, kind in names.items()}


def registered(run_id: str, tracking: str, **values: str) -> ModelVersion:
    register.main(arguments("register", {"run_id": run_id, **SMALL, **values}))
    return MlflowClient().get_model_version(MODEL_NAME, last_run("register", tracking).data.tags["model_version"])


def registered_in_the_ui(run_id: str) -> str:
    """A version of a logged model as the UI makes it, without tags."""
    client = MlflowClient()
    if not client.search_registered_models(f"name='{MODEL_NAME}'"):
        client.create_registered_model(MODEL_NAME)
    model = model_id(run_id)
    return str(client.create_model_version(MODEL_NAME, f"models:/{model}", model_id=model).version)


def numbers() -> list[str]:
    return sorted(str(version.version) for version in versions.all_versions())


def test_register_continues_a_version_of_a_killed_register(
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


def test_a_rollback_first_evaluates_a_version_without_verdict(
    runs: dict[str, str], tracking: str, empty_registry: None
) -> None:
    registered(runs["forest"], tracking)
    number = registered_in_the_ui(runs["linear"])
    with pytest.raises(NoRollback, match=f"-P run_id={runs['linear']} -P force=true"):  # 75 users: no comparison
        rollback.main(arguments("rollback", {"version": number}))
    tags = versions.get(number).tags
    assert (in_production(), tags["gate"], tags["run_id"]) == (["1"], "refused", runs["linear"])
    assert "min_users 200" in tags["gate_reason"]
    assert tags["feature_service"] == "churn_v1"


def test_a_rollback_accepts_a_version_that_passes_then(
    runs: dict[str, str], tracking: str, empty_registry: None
) -> None:
    """With nothing in Production an AUC of at least min_auc is enough; the linear model has it."""
    number = registered_in_the_ui(runs["linear"])
    auc = mlflow.get_run(runs["linear"]).data.metrics["AUC"]
    assert auc >= 0.7
    rollback.main(arguments("rollback", {"version": number}))
    assert (in_production(), versions.get(number).tags["gate"]) == ([number], "passed")


def test_an_examination_is_a_decision_of_the_gate_and_a_second_one_is_none(
    runs: dict[str, str], tracking: str, empty_registry: None
) -> None:
    number = registered_in_the_ui(runs["linear"])
    before = len(warehouse.decisions(MODEL_NAME))
    for _ in range(2):
        examine.main(arguments("examine", {"version": number}))
    [decision] = warehouse.decisions(MODEL_NAME)[before:]
    assert (decision.kind, decision.outcome, decision.version, str(decision.as_of), decision.decided_by) == (
        "gate",
        "passed",
        number,
        "2024-01-31",
        "gate",
    )
    assert decision.reason == f"The gate passed it: {versions.get(number).tags['gate_reason']}"
    assert decision.figures["auc_candidate"] == mlflow.get_run(runs["linear"]).data.metrics["AUC"]


def test_candidates_are_compared_with_a_version_without_tags(
    runs: dict[str, str], tracking: str, empty_registry: None
) -> None:
    number = registered_in_the_ui(runs["forest"])
    MlflowClient().transition_model_version_stage(MODEL_NAME, number, "Production")
    assert versions.get(number).tags == {}
    version = registered(runs["boosting"], tracking, **ANY_INTERVAL)
    assert (version.tags["gate"], version.tags["gate_production_version"], in_production()) == ("passed", "1", ["2"])
    assert float(version.tags["gate_rows_compared"]) == 75
    assert float(version.tags["gate_auc_production"]) == mlflow.get_run(runs["forest"]).data.metrics["AUC"]


def test_the_training_of_a_version_promoted_in_the_ui_is_not_registered_again(
    runs: dict[str, str], tracking: str, empty_registry: None, capsys: pytest.CaptureFixture[str]
) -> None:
    number = registered_in_the_ui(runs["linear"])
    MlflowClient().transition_model_version_stage(MODEL_NAME, number, "Production")
    version = registered(runs["linear"], tracking)
    assert (numbers(), str(version.version), version.tags["gate"]) == (["1"], "1", "passed")
    assert version.tags["gate_reason"] == "it is itself in Production, and the AUC is at least 0.7"
    assert "is version 1 of streamflow_churn, already in Production (gate: passed)" in capsys.readouterr().out


def test_a_versions_model_decides_over_its_tags(runs: dict[str, str], tracking: str, empty_registry: None) -> None:
    number = registered_in_the_ui(runs["forest"])
    for name, value in {"run_id": runs["linear"], "feature_service": "churn_v2"}.items():
        MlflowClient().set_model_version_tag(MODEL_NAME, number, name, value)
    training = versions.training_of(versions.get(number))
    assert training is not None
    assert training.info.run_id == runs["forest"]
    assert loaded_version.load(number).feature_service == "churn_v1"


def test_a_failed_look_up_is_an_error(runs: dict[str, str], tracking: str, empty_registry: None) -> None:
    version = registered(runs["linear"], tracking)
    training = mlflow.get_run(runs["linear"])
    no_retries = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0", "MLFLOW_HTTP_REQUEST_TIMEOUT": "2"}
    with mock.patch.dict(os.environ, no_retries), tracking_store_at(f"http://127.0.0.1:{free_port()}"):
        for query in (
            versions.all_versions,
            lambda: versions.training_of(version),
            lambda: loaded_version.load("1"),
            lambda: training_sets.training_set(training),
            lambda: register.find_training(runs["linear"], None),
        ):
            with pytest.raises(TrackingUnavailable, match="does not answer"):
                query()


def test_an_object_missing_in_mlflow_is_none(runs: dict[str, str], empty_registry: None) -> None:
    assert search.look_up(lambda: MlflowClient().get_run("0" * 32)) is None
