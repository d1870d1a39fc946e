"""The step monitor: a run with its artifacts, rows that only grow, the version's description; and what it refuses."""

from collections.abc import Callable
from datetime import date
from pathlib import Path

import mlflow
import psycopg
import pytest
from mlflow.entities import Run
from mlflow.tracking import MlflowClient

from steps import ingest, monitor, warehouse
from steps.cli.errors import NoSnapshot, NoSuchVersion
from steps.cli.settings import MODEL_NAME
from steps.runs.entry_points import arguments
from tests.conftest import FEBRUARY, JANUARY
from tests.steps.states.database import execute, fetch, last_run
from tests.steps.states.scores import forget_versions, load_january, register

Monitor = Callable[..., Run]


@pytest.fixture(scope="module")
def version(trainings: dict[str, str], sample_months: Path) -> str:
    """Boosting of 300 made-up users, in Production; January and February are loaded."""
    load_january(sample_months)
    folder = {"month_dir": str(sample_months / "month_001"), "as_of": str(FEBRUARY)}
    ingest.main(arguments("ingest", folder))
    forget_versions()
    number = register(trainings["hist_gradient_boosting"], feature_service="churn_v1")
    MlflowClient().transition_model_version_stage(MODEL_NAME, number, "Production")
    return number


@pytest.fixture
def run(version: str, tracking: str) -> Monitor:
    def step(**values: str) -> Run:
        monitor.main(arguments("monitor", {"as_of": str(FEBRUARY), **values}))
        return last_run("monitor", tracking)

    return step


def test_a_calm_month_of_few_users_is_no_alarm(run: Monitor) -> None:
    done = run()
    assert done.data.tags["verdict"] in ("ok", "watch")
    assert done.data.tags["mlflow.note.content"].partition("\n\nSee also")[0].splitlines()[-1].startswith("NO_ACTION")
    assert done.info.status == "FINISHED"


def test_the_default_is_the_version_in_production(run: Monitor, version: str) -> None:
    assert run().data.tags["model_version"] == version


def test_the_run_has_one_page_with_its_pictures_the_figures_and_the_card(run: Monitor) -> None:
    done = run()
    folder = Path(mlflow.artifacts.download_artifacts(run_id=done.info.run_id, artifact_path=""))
    pictures = {"auc_by_month.png", "drift.png", "distribution.png", "calibration.png"}
    assert pictures | {"report.html", "monitoring.csv", "model_card.md"} <= {path.name for path in folder.iterdir()}
    page = (folder / "report.html").read_text()
    assert page.count('src="data:image/png;base64,') >= len(pictures)
    assert "labelled users never trained on, fewer than 100: no figure" in page


def test_the_rows_are_of_the_month_and_the_version(run: Monitor, version: str) -> None:
    done = run()
    rows = warehouse.monitored(FEBRUARY, version)
    assert {row["month"] for row in rows} == {JANUARY, FEBRUARY}  # realised figures are also those of January
    assert rows[-1]["metric"] == "verdict"
    assert rows[-1]["verdict"] == done.data.tags["verdict"]
    assert len({row["slice"] for row in rows if row["metric"] == "PSI"}) == 15  # the features and the probability
    assert warehouse.monitored_months(version) == [FEBRUARY]
    assert warehouse.monitored(FEBRUARY, "99") == []


@pytest.mark.parametrize(
    "change", ["UPDATE monitoring SET verdict = 'ok'", "DELETE FROM monitoring", "TRUNCATE monitoring"]
)
def test_rows_are_never_changed(run: Monitor, change: str) -> None:
    run()
    before = fetch("SELECT count(*) FROM monitoring")
    with pytest.raises(psycopg.errors.RaiseException, match="monitoring is append-only"):
        execute(change)
    assert fetch("SELECT count(*) FROM monitoring") == before


def test_a_second_run_appends_the_same_rows(run: Monitor, version: str) -> None:
    run()
    first, number = warehouse.monitored(FEBRUARY, version), fetch("SELECT count(*) FROM monitoring")[0][0]
    run()
    assert warehouse.monitored(FEBRUARY, version) == first
    assert fetch("SELECT count(*) FROM monitoring")[0][0] == number + len(first)


def test_the_card_is_in_the_versions_description_beside_other_lines(run: Monitor, version: str) -> None:
    client = MlflowClient()
    client.update_model_version(MODEL_NAME, version, "Not served: it has no seal")
    run()
    run()
    text = client.get_model_version(MODEL_NAME, version).description
    assert text.startswith(f"Not served: it has no seal\n## Model card: {MODEL_NAME} version {version}\n")
    assert text.count("## Model card") == 1


def test_without_labels_there_is_an_estimate_and_no_verdict_on_quality(run: Monitor, version: str) -> None:
    execute("CREATE TABLE kept AS TABLE labels; DELETE FROM labels WHERE period_start = '2024-02-29'")
    try:
        done = run()
    finally:
        execute("TRUNCATE labels; INSERT INTO labels TABLE kept; DROP TABLE kept")
    rows = warehouse.monitored(FEBRUARY, version)
    assert {row["month"] for row in rows if row["metric"] == "AUC"} == {JANUARY}
    assert [row for row in rows if row["metric"] == "target_drift"] == []
    assert done.data.metrics["AUC_estimate"] > 0.5


def test_without_its_training_set_a_version_is_compared_with_the_month_before_alone(run: Monitor, version: str) -> None:
    training = MlflowClient().get_model_version(MODEL_NAME, version).run_id
    assert training
    dataset = mlflow.get_run(training).data.tags["dataset_run_id"]
    MlflowClient().set_tag(training, "dataset_run_id", "0" * 32)
    try:
        reasons = run().data.tags["reasons"]
    finally:
        MlflowClient().set_tag(training, "dataset_run_id", dataset)
    assert "not compared with its training set: the dataset of run 00000" in reasons
    rows = warehouse.monitored(FEBRUARY, version)
    assert {row["reference"] for row in rows if row["metric"] == "PSI"} == {f"month before, {JANUARY}"}
    assert [row["estimate"] for row in rows if (row["metric"], row["slice"]) == ("AUC", "never trained on")] == [
        None
    ] * 2


def test_the_first_month_has_no_month_before(run: Monitor, version: str) -> None:
    run(as_of=str(JANUARY))
    rows = warehouse.monitored(JANUARY, version)
    assert {row["reference"] for row in rows if row["metric"] == "PSI"} == {f"training set of {JANUARY}"}
    assert [row for row in rows if row["metric"] == "unchanged_share"] == []


def test_a_month_that_is_not_loaded_is_refused(run: Monitor) -> None:
    with pytest.raises(NoSnapshot, match="No snapshot for 2024-04-30"):
        run(as_of=str(date(2024, 4, 30)))


def test_a_version_that_does_not_exist_is_refused(run: Monitor) -> None:
    with pytest.raises(NoSuchVersion, match="has no version 99"):
        run(version="99")


def test_quality_is_realised_for_every_labelled_month(run: Monitor, version: str, sample_months: Path) -> None:
    march = date(2024, 3, 31)
    ingest.main(arguments("ingest", {"month_dir": str(sample_months / "month_002"), "as_of": str(march)}))
    run(as_of=str(march))
    rows = warehouse.monitored(march, version)
    for part in ("all users", "never trained on"):
        realised = {row["month"] for row in rows if (row["metric"], row["slice"]) == ("Brier", part)}
        assert realised == {JANUARY, FEBRUARY, march}
    assert {row["month"] for row in rows if "=" in row["slice"]} == {march}
