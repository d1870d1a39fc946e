"""Unneeded artifacts, scores and logs are deleted, and nothing else: on real runs of three months."""

import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from unittest import mock

import mlflow
import pytest
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository
from mlflow.tracking import MlflowClient

from local_stack.settings import Settings
from steps import build_dataset, ingest, lineage, prune, score
from steps.cleanup import leftovers, old_logs
from steps.cli.errors import ArtifactsUnavailable
from steps.registry import loaded_version
from steps.runs import tracking
from steps.runs.entry_points import arguments
from steps.training import dataset_runs
from tests.conftest import FEBRUARY, JANUARY
from tests.steps.states.database import empty, execute, fetch, last_run
from tests.steps.states.scores import register
from tests.steps.states.trainings import model_id, train_quickly
from tests.tracking_store import tracking_store_at

MARCH = date(2024, 3, 31)


@dataclass(frozen=True)
class Year:
    """January has two trainings, and the first is version 1; February and March have one each, in no version. Version 1
    has scored every month."""

    experiment: str
    artifacts: Path
    logs: Path
    trainings: dict[str, str]

    def dataset(self, training: str) -> str:
        return str(mlflow.get_run(self.trainings[training]).data.tags["dataset_run_id"])

    def runs_with_files(self) -> set[str]:
        """The runs that have an artifact of their own or of their model."""
        runs = {path.parts[0] for path in self._files() if path.parts[0] != "models"}
        models = {path.parts[1] for path in self._files() if path.parts[0] == "models"}
        return runs | {run for run in self.trainings.values() if model_id(run) in models}

    def _files(self) -> list[Path]:
        return [path.relative_to(self.artifacts) for path in self.artifacts.rglob("*") if path.is_file()]


@pytest.fixture(scope="module")
def made(
    server: Settings, tracking: str, sample_months: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Year]:
    """In a tracking store of its own: runs of other tests must stay."""
    folder = tmp_path_factory.mktemp("prune")
    uri, logs = f"sqlite:///{folder}/mlflow.db", folder / "logs"
    with mock.patch.dict(os.environ, {"STREAMFLOW_LOGS": str(logs)}), tracking_store_at(uri):
        experiment = mlflow.create_experiment("streamflow", (folder / "artifacts").as_uri())
        yield Year(experiment, folder / "artifacts", logs, play(experiment, sample_months))


def play(experiment: str, sample_months: Path) -> dict[str, str]:
    empty()
    for number, day in enumerate((JANUARY, FEBRUARY, MARCH)):
        month = str(sample_months / f"month_{number:03}")
        ingest.main(arguments("ingest", {"month_dir": month, "as_of": str(day)}))
        build_dataset.main(arguments("build_dataset", {"as_of": str(day)}))
    trained = {
        "january": train_quickly("logistic_regression", experiment),
        "january again": train_quickly("logistic_regression", experiment, C="0.5"),
        "february": train_quickly("logistic_regression", experiment, as_of=str(FEBRUARY)),
        "march": train_quickly("logistic_regression", experiment, as_of=str(MARCH)),
    }
    version = register(trained["january"], feature_service="churn_v1")
    for day in (JANUARY, FEBRUARY, MARCH):
        score.main(arguments("score", {"as_of": str(day), "version": version}))
    return trained


@pytest.fixture
def year(made: Year, tmp_path: Path) -> Iterator[Year]:
    """Restores afterwards what the test deletes."""
    shutil.copytree(made.artifacts, tmp_path / "kept")
    execute("CREATE TABLE kept_scores AS TABLE churn_scores")
    yield made
    shutil.rmtree(made.artifacts)
    shutil.copytree(tmp_path / "kept", made.artifacts)
    shutil.rmtree(made.logs, ignore_errors=True)
    execute("TRUNCATE churn_scores; INSERT INTO churn_scores TABLE kept_scores; DROP TABLE kept_scores")
    for run in MlflowClient().search_runs([made.experiment], f"tags.`{tracking.PRUNED_TAG}` IS NOT NULL"):
        MlflowClient().delete_tag(run.info.run_id, tracking.PRUNED_TAG)


@pytest.fixture
def pruned(year: Year, capsys: pytest.CaptureFixture[str]) -> Callable[..., list[str]]:
    def run(keep_months: int = 1, *, apply: bool = True) -> list[str]:
        capsys.readouterr()
        values = {"keep_months": str(keep_months), "apply": str(apply).lower()}
        prune.main(arguments("prune", values))
        return capsys.readouterr().out.splitlines()

    return run


Prune = Callable[..., list[str]]


def scored_months() -> list[str]:
    return [str(row[0].date()) for row in fetch("SELECT DISTINCT as_of FROM churn_scores ORDER BY as_of")]


def test_without_apply_it_lists_and_deletes_nothing(year: Year, pruned: Prune) -> None:
    before = year.runs_with_files()
    lines = pruned(apply=False)
    assert lines[0].startswith(
        f"  artifacts    of runs of months before {MARCH} that no version needs: build_dataset 1, score 2, train 2; "
    )
    assert lines[1].startswith(f"  scores       of months before {MARCH}: 600 rows; ")
    assert lines[-1].endswith(
        "MB can be freed. Nothing was deleted. To delete: mlflow run . -e prune -P keep_months=1 -P apply=true"
    )
    assert before <= year.runs_with_files()
    assert scored_months() == [str(JANUARY), str(FEBRUARY), str(MARCH)]


def test_only_unneeded_artifacts_and_scores_are_deleted(year: Year, pruned: Prune) -> None:
    before, size = year.runs_with_files(), folder_size(year.artifacts)
    lines = pruned()
    gone = before - year.runs_with_files()
    trained = year.trainings
    assert {trained["january again"], trained["february"], year.dataset("february")} <= gone
    assert {trained["january"], trained["march"], year.dataset("january"), year.dataset("march")} & gone == set()
    assert len(gone) == 5
    assert scored_months() == [str(MARCH)]
    mb = float(lines[-1].removeprefix("[OK] Freed ").removesuffix(" MB."))
    assert mb == pytest.approx((size - folder_size(year.artifacts)) / 1e6, abs=0.2)  # and 600 rows of scores


def folder_size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def test_runs_keep_their_metrics_and_the_time_of_the_deletion(year: Year, pruned: Prune) -> None:
    pruned()
    run = mlflow.get_run(year.trainings["february"])
    assert run.info.lifecycle_stage == "active"
    assert run.data.metrics["AUC"] > 0.5
    assert tracking.PRUNED_TAG in run.data.tags


def test_a_version_still_scores_and_has_its_lineage(
    year: Year, pruned: Prune, capsys: pytest.CaptureFixture[str]
) -> None:
    before = fetch("SELECT user_id, probability FROM churn_scores WHERE as_of = '2024-01-31' ORDER BY user_id")
    pruned()
    assert loaded_version.load("1").pipeline is not None
    score.main(arguments("score", {"as_of": str(JANUARY), "version": "1"}))
    assert "on the 75 users never trained on" in capsys.readouterr().out
    after = fetch("SELECT user_id, probability FROM churn_scores WHERE as_of = '2024-01-31' ORDER BY user_id")
    assert after == before
    lineage.main(arguments("lineage", {"version": "1"}))
    assert capsys.readouterr().out.splitlines()[-1].startswith("[OK] Every link holds")


def test_a_deleted_dataset_is_not_reused(year: Year, pruned: Prune) -> None:
    pruned()
    gone = year.dataset("february")
    with tracking.step_run("train", "another", {}):
        assert dataset_runs.find_or_build(JANUARY, "churn_v1", None) == year.dataset("january")
        built = dataset_runs.find_or_build(FEBRUARY, "churn_v1", None)
    assert built != gone
    assert len(dataset_runs.read(built)[0]) == 300
    shutil.rmtree(year.artifacts / built)  # not the next test's


def test_a_second_run_deletes_nothing(year: Year, pruned: Prune) -> None:
    pruned()
    lines = pruned()
    assert "that no version needs: none; 0.0 MB" in lines[0]
    assert lines[-1] == "[OK] Freed 0.0 MB."


def test_the_next_run_finishes_a_killed_one(year: Year, pruned: Prune, monkeypatch: pytest.MonkeyPatch) -> None:
    """It dies between a model's files and its run's: after the marks were made."""
    deleted: list[str] = []
    real = get_artifact_repository

    class Dies:
        def __init__(self, uri: str) -> None:
            self.uri = uri
            self.list_artifacts = real(uri).list_artifacts

        def delete_artifacts(self) -> None:
            if len(deleted) == 3:
                raise KeyboardInterrupt
            deleted.append(self.uri)
            real(self.uri).delete_artifacts()

    with monkeypatch.context() as patched:
        patched.setattr(leftovers, "get_artifact_repository", Dies)
        with pytest.raises(KeyboardInterrupt):
            pruned()
    assert year.trainings["february"] in year.runs_with_files() or year.dataset("february") in year.runs_with_files()
    pruned()
    left = year.runs_with_files()
    assert {year.trainings["january again"], year.trainings["february"], year.dataset("february")} & left == set()
    assert {year.trainings["january"], year.dataset("january")} <= left


def test_with_few_months_nothing_is_old(year: Year, pruned: Prune) -> None:
    before = year.runs_with_files()
    lines = pruned(keep_months=3)
    assert lines[0] == "  months     at most 3 are loaded: no artifacts and no scores are old"
    assert before <= year.runs_with_files()
    assert scored_months() == [str(JANUARY), str(FEBRUARY), str(MARCH)]


def test_a_running_run_keeps_its_dataset(year: Year, pruned: Prune) -> None:
    client = MlflowClient()
    tags = {tracking.STEP_TAG: "train", "as_of": str(FEBRUARY), "dataset_run_id": year.dataset("february")}
    under_way = client.create_run(year.experiment, tags=tags)
    try:
        pruned()
        assert year.dataset("february") in year.runs_with_files()
    finally:
        client.delete_run(under_way.info.run_id)


def test_a_version_made_meanwhile_keeps_its_training(year: Year) -> None:
    by_run = {leftover.run.info.run_id: leftover for leftover in leftovers.leftovers(MARCH)}
    registered = register(year.trainings["february"], feature_service="churn_v1")
    try:
        assert leftovers.delete(by_run[year.trainings["february"]]) == 0
        assert year.trainings["february"] in year.runs_with_files()
        assert year.dataset("february") not in {leftover.run.info.run_id for leftover in leftovers.leftovers(MARCH)}
    finally:
        MlflowClient().delete_model_version("streamflow_churn", registered)


def test_runs_of_other_programs_stay(year: Year, pruned: Prune) -> None:
    with mlflow.start_run(experiment_id=year.experiment) as foreign:
        mlflow.set_tag("as_of", str(JANUARY))
        mlflow.log_text("mine", "notes.txt")
    pruned()
    assert mlflow.artifacts.load_text(f"runs:/{foreign.info.run_id}/notes.txt") == "mine"


def test_a_refusing_artifact_store_is_one_line(year: Year, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuses(place: str) -> None:
        raise PermissionError(f"no right to read {place}")

    monkeypatch.setattr(leftovers, "get_artifact_repository", refuses)
    with pytest.raises(ArtifactsUnavailable, match=r"The artifacts of run \w+ cannot be read or deleted: no right to"):
        leftovers.leftovers(MARCH)


def test_a_store_that_cannot_list_is_said_to_be_one(year: Year, monkeypatch: pytest.MonkeyPatch) -> None:
    def cannot(_place: str) -> None:
        raise NotImplementedError

    monkeypatch.setattr(leftovers, "get_artifact_repository", cannot)
    with pytest.raises(ArtifactsUnavailable, match=r"cannot be read or deleted: this kind of store cannot do it"):
        leftovers.leftovers(MARCH)


def test_logs_keep_their_newest_part_and_go_on_being_written(year: Year, pruned: Prune) -> None:
    year.logs.mkdir()
    log, small = year.logs / "gateway.log", year.logs / "mlflow.log"
    lines = [f"{number:08} a line of a request that was answered\n" for number in range(60_000)]
    log.write_text("".join(lines))
    small.write_text("started\n")
    with log.open("ab") as writer:  # as a server has it open
        [planned] = [line for line in pruned(apply=False) if line.startswith("  logs ")]
        assert "beyond their newest 1 MB: gateway.log; " in planned
        pruned()
        writer.write(b"written after\n")
    kept = log.read_text().splitlines(keepends=True)
    assert kept == [*lines[-len(kept) + 1 :], "written after\n"]
    assert 900_000 < log.stat().st_size <= old_logs.KEPT_BYTES + 20
    assert small.read_text() == "started\n"


def test_the_run_of_prune_lists_what_it_found(year: Year, pruned: Prune) -> None:
    pruned(apply=False)
    run = last_run("prune", year.experiment)
    rows = mlflow.artifacts.load_text(f"runs:/{run.info.run_id}/artifacts.csv").splitlines()
    assert rows[0] == "run_id,step,as_of,bytes"
    assert {row.split(",")[0] for row in rows[1:]} >= {year.trainings["february"], year.dataset("february")}
    assert run.data.metrics["mb_to_free"] > 0
