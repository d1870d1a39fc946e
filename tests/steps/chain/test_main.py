"""The chain: six child runs under one parent; after a failing step, no further one."""

from pathlib import Path

import pyarrow as pa
import pytest
from mlflow.entities import Run
from mlflow.tracking import MlflowClient

from local_stack.settings import ROOT, Settings
from steps import approve, warehouse
from steps import main as chain
from steps.chain import whole_month
from steps.cli import console
from steps.cli.errors import FaultyMonth, MonthUnderWay, NoLabels
from steps.cli.settings import MODEL_NAME
from steps.month.digest import files_sha256
from steps.registry import versions
from steps.runs import entry_points
from steps.runs.entry_points import arguments
from steps.sample_months import main as make_sample_months
from tests.conftest import FEBRUARY, JANUARY
from tests.steps.states.database import fetch, last_run
from tests.steps.states.months import FILES, with_cell, write_month
from tests.steps.states.online import in_snapshot, served

pytestmark = pytest.mark.usefixtures("empty_registry")


def run_chain(folder: Path) -> None:
    chain.main(arguments("main", {"month_dir": str(folder), "as_of": "2024-01-31"}))


def run_february(folder: Path, **options: str) -> int:
    values = {"month_dir": str(folder), "as_of": str(FEBRUARY), **options}
    return chain.main(arguments("main", values))


def children(parent: Run) -> list[tuple[str, str]]:
    """Step and status, in their order."""
    runs = MlflowClient().search_runs(
        [parent.info.experiment_id],
        filter_string=f"tags.mlflow.parentRunId = '{parent.info.run_id}'",
        order_by=["attributes.start_time ASC"],
    )
    return [(run.data.tags["streamflow.step"], run.info.status) for run in runs]


@pytest.fixture
def few_trees(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """MLproject, except few trees, and a gate that is forced."""
    text = (ROOT / "MLproject").read_text()
    for default, changed in {
        'default: "300"': 'default: "8"',
        'force: {type: string, default: "false"}': 'force: {type: string, default: "true"}',
    }.items():
        assert text.count(default) == 1
        text = text.replace(default, changed)
    (tmp_path / "MLproject").write_text(text)
    monkeypatch.setattr(entry_points, "PROJECT_ROOT", tmp_path)


def test_one_command_puts_a_months_model_into_production(
    empty_warehouse: Settings,
    tmp_path: Path,
    tracking: str,
    few_trees: None,
    capsys: pytest.CaptureFixture[str],
) -> None:
    # users of its own: a step that another test has run on the same data is not run again
    make_sample_months(["--out-dir", str(tmp_path), "--users", "300", "--months", "1", "--seed", "62"])
    folder = tmp_path / "month_000"
    run_chain(folder)
    parent = last_run("main", tracking)
    steps = ["check_month", "ingest", "materialize", "build_dataset", "train", "register"]
    assert parent.info.status == "FINISHED"
    assert children(parent) == [(step, "FINISHED") for step in steps]
    assert (parent.data.tags["as_of"], parent.data.tags["files_sha256"]) == ("2024-01-31", files_sha256(folder))
    (production,) = MlflowClient().search_model_versions(f"name='{MODEL_NAME}' AND tag.`as_of` = '2024-01-31'")[:1]
    assert production.current_stage == "Production"
    assert production.run_id == last_run("train", tracking).info.run_id
    january = in_snapshot(JANUARY)
    assert served(list(january)) == january
    out = capsys.readouterr().out
    assert [f"[{number}/6] {step} took" in out for number, step in enumerate(steps, start=1)] == [True] * 6


def test_a_failing_step_fails_the_chain_and_stops_it(
    empty_warehouse: Settings, tmp_path: Path, tracking: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    no_labels = pa.table({"user_id": pa.array([], pa.string()), "churn_label": pa.array([], pa.bool_())})
    monkeypatch.setattr(warehouse, "labels_of", lambda *_arguments: no_labels)
    with pytest.raises(NoLabels):
        run_chain(write_month(tmp_path / "month"))
    parent = last_run("main", tracking)
    assert parent.info.status == "FAILED"
    assert children(parent) == [
        ("check_month", "FINISHED"),
        ("ingest", "FINISHED"),
        ("materialize", "FINISHED"),
        ("build_dataset", "FAILED"),
    ]
    assert "files_sha256" not in parent.data.tags


def test_a_month_without_labels_goes_online_and_trains_nothing(
    empty_warehouse: Settings, tmp_path: Path, tracking: str, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = write_month(tmp_path / "month", labels=None)
    run_chain(folder)
    parent = last_run("main", tracking)
    assert parent.info.status == "FINISHED"
    assert children(parent) == [("check_month", "FINISHED"), ("ingest", "FINISHED"), ("materialize", "FINISHED")]
    assert parent.data.tags["files_sha256"] == files_sha256(folder)
    assert served(["anna"]) == {"anna": in_snapshot(JANUARY)["anna"]}
    assert "mlflow run . -e labels -P labels_file=FILE -P as_of=2024-01-31" in capsys.readouterr().out


def test_a_faulty_month_ends_the_chain_at_its_first_step(
    empty_warehouse: Settings, tmp_path: Path, tracking: str
) -> None:
    with pytest.raises(FaultyMonth):
        run_chain(write_month(tmp_path / "month", labels=with_cell(FILES["labels"], 2, "churn_label", "?")))
    assert children(last_run("main", tracking)) == [("check_month", "FAILED")]
    tables = "SELECT tablename FROM pg_tables WHERE schemaname IN ('public', 'feast_online')"
    assert {name for (name,) in fetch(tables)} <= {"seals"}  # those of earlier tests' models


def test_a_month_that_is_killed_after_its_promotion_ends_as_if_it_was_not(
    empty_warehouse: Settings, sample_months: Path, few_trees: None, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    run_chain(sample_months / "month_000")
    february = sample_months / "month_001"
    with monkeypatch.context() as killing:
        killing.setattr(whole_month, "_finish", lambda *_arguments: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            run_february(february, retrain="always")
    before = warehouse.decisions(MODEL_NAME)
    assert (versions.in_production(), len(versions.all_versions())) == ("2", 2)
    capsys.readouterr()
    assert run_february(february, retrain="always") == 0
    assert capsys.readouterr().out.count("done before") == 7
    assert (versions.in_production(), len(versions.all_versions())) == ("2", 2)
    assert warehouse.decisions(MODEL_NAME) == before
    assert warehouse.scores_of_month(FEBRUARY).keys() == {"1"}  # the version that the month began with


def test_with_promote_ask_a_month_waits_for_a_person_until_they_decide(
    empty_warehouse: Settings, sample_months: Path, few_trees: None, tracking: str
) -> None:
    run_chain(sample_months / "month_000")
    options = {"retrain": "always", "promote": "ask"}
    assert run_february(sample_months / "month_001", **options) == 2
    assert versions.in_production() == "1"
    assert last_run("main", tracking).data.tags["streamflow.exit_code"] == "2"
    assert run_february(sample_months / "month_001", **options) == 2
    approve.main(arguments("approve", {"version": "2", "by": "Ada"}))
    assert run_february(sample_months / "month_001", **options) == 0
    assert versions.in_production() == "2"


def test_only_one_process_runs_months(
    empty_warehouse: Settings, tmp_path: Path, tracking: str, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = write_month(tmp_path / "month")
    with warehouse.month_lock(), pytest.raises(MonthUnderWay, match="Another run of main or catch_up is under way"):
        run_chain(folder)
    assert warehouse.loaded_months() == []


@pytest.mark.parametrize("option", ["retrain=sometimes", "accept=zeros", "as_of=February"])
def test_an_invalid_parameter_is_a_fault_and_not_a_wait(tmp_path: Path, option: str) -> None:
    name, value = option.split("=")
    values = {"month_dir": str(tmp_path), name: value}
    with pytest.raises(SystemExit) as ended:
        console.run(lambda: chain.main(arguments("main", values)), bad_parameter=chain.FAULT)
    assert ended.value.code == 1
