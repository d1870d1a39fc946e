"""Candidates compared by cross-validation, and the chosen one trained: the same every time, also after a kill."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import mlflow
import pandas as pd
import pytest
from mlflow.entities import Run
from mlflow.tracking import MlflowClient

from local_stack.settings import ROOT, Settings
from steps import ingest as ingest_step
from steps import select_model
from steps.cli.errors import BadParameter, NoSnapshot, TooFewToLearn
from steps.runs.entry_points import arguments
from tests.conftest import JANUARY
from tests.steps.candidates.test_training_part import first_validating_users
from tests.steps.states.database import empty, execute, last_run
from tests.steps.states.months import month_of, write_month

ALL = "random_forest:churn_v1,hist_gradient_boosting:churn_v1,hist_gradient_boosting:churn_v2"
FEW = {"n_estimators": "8", "max_iter": "8"}


def values(**changed: str) -> list[str]:
    return arguments("select_model", {"as_of": str(JANUARY), **FEW, **changed})


def select(experiment: str, **changed: str) -> Run:
    select_model.main(values(**changed))
    return last_run("select_model", experiment, "FINISHED")


def table(run: Run, name: str = "candidates.csv") -> pd.DataFrame:
    return pd.read_csv(mlflow.artifacts.download_artifacts(run_id=run.info.run_id, artifact_path=name))


def text(run: Run, name: str = "candidates.csv") -> str:
    return Path(mlflow.artifacts.download_artifacts(run_id=run.info.run_id, artifact_path=name)).read_text()


def trials(experiment: str) -> list[Run]:
    runs: list[Run] = MlflowClient().search_runs([experiment], "tags.`streamflow.step` = 'trial'")
    return runs


@pytest.fixture(scope="module")
def january_of_300(server: Settings, tracking: str, sample_months: Path) -> None:
    empty()
    ingest_step.main(arguments("ingest", {"month_dir": str(sample_months / "month_000"), "as_of": str(JANUARY)}))


@pytest.fixture
def experiment(january_of_300: None, request: pytest.FixtureRequest) -> Iterator[str]:
    """An experiment of the test's own, without any trial."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_EXPERIMENT_NAME", request.node.name)
        yield new_experiment(request.node.name)


def new_experiment(name: str) -> str:
    return str(MlflowClient().create_experiment(name))


@pytest.fixture(scope="module")
def selection(january_of_300: None) -> Run:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_EXPERIMENT_NAME", "selection")
        return select(new_experiment("selection"))


def test_each_candidate_has_its_figures(selection: Run) -> None:
    rows = table(selection)
    assert ",".join(rows["candidate"]) == ALL
    folds = rows[[f"AUC_fold_{number}" for number in range(1, 6)]]
    assert folds.mean(axis=1).tolist() == pytest.approx(rows["AUC_cv_mean"].tolist(), abs=1e-12)
    assert folds.std(axis=1).tolist() == pytest.approx(rows["AUC_cv_std"].tolist(), abs=1e-12)
    metrics = selection.data.metrics
    assert metrics["AUC_cv_mean.random_forest.churn_v1"] == pytest.approx(rows["AUC_cv_mean"][0], abs=1e-12)
    assert metrics["rows_train"] == 225
    picture = mlflow.artifacts.download_artifacts(run_id=selection.info.run_id, artifact_path="candidates.png")
    assert Path(picture).read_bytes().startswith(b"\x89PNG")


def test_the_choice_has_a_reason_and_a_training(selection: Run) -> None:
    rows, tags = table(selection), selection.data.tags
    [chosen] = rows[rows["chosen"]]["candidate"]
    assert chosen == rows[rows["within_one_standard_error"]]["candidate"].iloc[0]
    assert tags["candidate"] == chosen
    assert tags["reason"] in tags["mlflow.note.content"]
    training = mlflow.get_run(tags["train_run_id"])
    assert training.info.status == "FINISHED"
    assert training.data.tags["streamflow.step"] == "train"
    assert training.data.tags["mlflow.parentRunId"] == selection.info.run_id
    assert f"{training.data.params['model']}:{training.data.params['feature_service']}" == chosen
    assert tags["mlflow.note.content"].strip("`\n").endswith(f"-e register -P run_id={training.info.run_id}")


def test_each_trial_is_a_child_run_with_the_same_folds(selection: Run) -> None:
    runs = trials(selection.info.experiment_id)
    assert {run.data.tags["mlflow.parentRunId"] for run in runs} == {selection.info.run_id}
    assert {run.data.tags["folds_sha256"] for run in runs} == {selection.data.tags["folds_sha256"]}
    assert {f"{run.data.params['model']}:{run.data.params['feature_service']}" for run in runs} == set(ALL.split(","))
    assert all(run.data.metrics.keys() >= {"AUC_cv_mean", "AUC_cv_std", "AUC_fold_5"} for run in runs)


def test_a_month_that_is_selected_again_uses_the_finished_work(
    selection: Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "selection")
    again = select(selection.info.experiment_id)
    assert again.info.run_id != selection.info.run_id
    assert again.data.tags["train_run_id"] == selection.data.tags["train_run_id"]
    assert again.data.tags["selection_sha256"] == selection.data.tags["selection_sha256"]
    assert (again.data.metrics["trials_computed"], again.data.metrics["trials_reused"]) == (0, 3)
    assert text(again) == text(selection)
    assert "computed before" in capsys.readouterr().out


def test_another_experiment_computes_the_same_bits(selection: Run, experiment: str) -> None:
    other = select(experiment)
    assert other.data.metrics["trials_computed"] == 3
    assert text(other) == text(selection)
    first, second = (mlflow.get_run(run.data.tags["train_run_id"]).data.metrics for run in (selection, other))
    assert {**second, "training_time_s": 0} == {**first, "training_time_s": 0}


@pytest.mark.parametrize("changed", [{"threshold": "0.4"}, {"labels_known_at": "2024-01-31"}])
def test_another_training_of_the_same_choice_needs_no_new_trials(
    selection: Run, monkeypatch: pytest.MonkeyPatch, changed: dict[str, str]
) -> None:
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "selection")
    other = select(selection.info.experiment_id, **changed)
    assert other.data.metrics["trials_computed"] == 0
    assert other.data.tags["train_run_id"] != selection.data.tags["train_run_id"]
    training = mlflow.get_run(other.data.tags["train_run_id"])
    assert training.data.params.items() >= changed.items()


def test_labels_of_validation_users_do_not_change_the_choice(
    selection: Run, experiment: str, sample_months: Path
) -> None:
    users = read_parquet(selection, "churn_v1")
    certain = users.loc[first_validating_users(users), "user_id"]
    names = ", ".join(f"'{user}'" for user in certain)
    # the label of the next of them, in the order of the ids
    execute(
        f"""UPDATE labels SET churn_label = turned.label FROM (
          SELECT user_id, coalesce(lead(churn_label) OVER ids, first_value(churn_label) OVER ids) AS label
          FROM labels WHERE user_id IN ({names}) WINDOW ids AS (ORDER BY user_id)
        ) AS turned WHERE labels.user_id = turned.user_id"""  # noqa: S608
    )
    try:
        other = select(experiment)
    finally:
        ingest_step.main(arguments("ingest", {"month_dir": str(sample_months / "month_000"), "as_of": str(JANUARY)}))
    assert not read_parquet(other, "churn_v1")["churn_label"].equals(users["churn_label"])
    assert other.data.metrics["trials_computed"] == 3
    assert text(other) == text(selection)


def read_parquet(run: Run, service: str) -> pd.DataFrame:
    """The dataset that the candidates of a feature service were compared on."""
    dataset_run = run.data.tags[f"dataset_run_id.{service}"]
    return pd.read_parquet(mlflow.artifacts.download_artifacts(run_id=dataset_run, artifact_path="dataset.parquet"))


SEARCH = {"candidates": "logistic_regression:churn_v1,hist_gradient_boosting:churn_v1", "trials": "12", "seed": "3"}


def test_a_search_killed_in_the_middle_ends_as_if_it_had_never_stopped(
    experiment: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    killed = subprocess.Popen(
        [sys.executable, "-m", "steps.select_model", *values(**SEARCH)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    assert killed.stdout
    next(line for line in killed.stdout if "hist_gradient_boosting:churn_v1 (trial 2)" in line)
    os.kill(killed.pid, signal.SIGKILL)
    killed.stdout.close()
    killed.wait()
    resumed = select(experiment, **SEARCH)
    assert resumed.data.metrics["trials_reused"] >= 16
    assert resumed.data.metrics["trials_computed"] >= 9
    assert last_run("select_model", experiment, "FAILED").info.run_id != resumed.info.run_id
    assert {run.info.status for run in trials(experiment)} <= {"FINISHED", "FAILED"}

    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "never stopped")
    uninterrupted = select(new_experiment("never stopped"), **SEARCH)
    assert uninterrupted.data.metrics["trials_computed"] == 26
    assert text(resumed, "trials.csv") == text(uninterrupted, "trials.csv")
    assert text(resumed) == text(uninterrupted)
    assert resumed.data.tags["selection_sha256"] == uninterrupted.data.tags["selection_sha256"]


def test_a_longer_search_begins_with_the_trials_of_the_shorter_one(experiment: str) -> None:
    line = {"candidates": "logistic_regression:churn_v1"}
    shorter, longer = (select(experiment, **line, trials=number) for number in ("2", "4"))
    assert text(longer, "trials.csv").startswith(text(shorter, "trials.csv"))
    assert longer.data.metrics["trials_computed"] == 2


def test_a_training_that_was_finished_before_the_kill_is_not_repeated(
    experiment: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def kill(*_arguments: object) -> None:
        raise KeyboardInterrupt

    line = {"candidates": "logistic_regression:churn_v1"}
    with monkeypatch.context() as patch:
        patch.setattr(select_model, "conclude", kill)
        with pytest.raises(KeyboardInterrupt):
            select_model.main(values(**line))
    finished = last_run("train", experiment, "FINISHED")
    assert select(experiment, **line).data.tags["train_run_id"] == finished.info.run_id
    assert last_run("train", experiment).info.run_id == finished.info.run_id


def test_an_undefined_feature_service_is_refused(experiment: str) -> None:
    with pytest.raises(BadParameter, match=r"No FeatureService 'churn_v9'\. Allowed are: churn_v1, churn_v2"):
        select_model.main(values(candidates="random_forest:churn_v1,random_forest:churn_v9"))


def test_an_unknown_month_is_an_error_with_the_command(experiment: str) -> None:
    with pytest.raises(NoSnapshot, match=r"-e ingest -P month_dir=DIR -P as_of=2030-01-31"):
        select_model.main(values(as_of="2030-01-31"))


def test_a_month_with_too_few_leaving_users_is_an_error(experiment: str, tmp_path: Path) -> None:
    month = month_of([f"user-{number:03d}" for number in range(100)])
    month["labels"] = month["labels"].replace("False", "True", 9)
    folder = str(write_month(tmp_path / "month", month))
    ingest_step.main(arguments("ingest", {"month_dir": folder, "as_of": "2024-03-31", "mix": "true"}))
    with pytest.raises(TooFewToLearn, match="2024-03-31 has 9 users who leave"):
        select_model.main(values(as_of="2024-03-31"))
