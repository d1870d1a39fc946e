"""A month that is cut off in the middle of a step: one line says why and what to do, and the same command ends it."""

import shutil
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from local_stack.database import postgres
from local_stack.settings import Settings
from steps import build_dataset, warehouse
from steps import main as chain
from steps.chain import checking
from steps.cli import console
from steps.cli.settings import MODEL_NAME
from steps.features import lake, online_month
from steps.monitoring import assessment
from steps.registry import versions
from steps.registry.examination import validation
from steps.runs import entry_points
from steps.scoring import scores
from steps.training import pipelines
from tests.conftest import FEBRUARY, JANUARY, open_folder, small_disk
from tests.steps.states.database import empty
from tests.steps.states.scores import forget_versions
from tests.steps.states.small import quick_project

IN_THE_MIDDLE: dict[str, tuple[Any, str]] = {
    "check_month": (checking, "across"),
    "ingest": (lake, "write_month"),
    "score": (scores, "score_month"),
    "monitor": (assessment, "assess"),
    "materialize": (online_month, "put_online"),
    "build_dataset": (build_dataset, "publish"),
    "select_model": (pipelines, "cross_validate"),
    "register": (validation, "evaluate"),
}
"""A function that the step calls when its work has begun"""


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(entry_points, "PROJECT_ROOT", quick_project(tmp_path_factory.mktemp("project")))
        yield


@pytest.fixture(scope="module")
def january(server: Settings, tracking: str, sample_months: Path, project: None) -> str:
    """The version of January, in Production."""
    empty()
    forget_versions()
    assert run(sample_months / "month_000", JANUARY) == 0
    return str(versions.in_production())


@pytest.fixture
def before_february(january: str) -> None:
    """The warehouse as after January, and January's version in Production."""
    if FEBRUARY in warehouse.loaded_months():
        warehouse.remove_month(FEBRUARY)


def run(folder: Path, as_of: object = FEBRUARY, **options: str) -> int:
    values = {"month_dir": str(folder), "as_of": str(as_of), "retrain": "always", **options}
    return chain.main(entry_points.arguments("main", values))


def exit_code(folder: Path) -> int:
    try:
        console.run(lambda: run(folder), bad_parameter=1)
    except SystemExit as ended:
        return int(ended.code or 0)
    return 0


def once(interruption: Callable[[], object], work: Callable[..., Any]) -> Callable[..., Any]:
    """The work, with the interruption before its first call."""
    left = [interruption]

    def interrupted(*args: Any, **kwargs: Any) -> Any:
        if left:
            left.pop()()
        return work(*args, **kwargs)

    return interrupted


@pytest.fixture
def february(before_february: None, sample_months: Path, tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    """Other values for each test: steps that another test has finished are not done."""
    folder = Path(shutil.copytree(sample_months / "month_001", tmp_path / "month_001"))
    usage = pd.read_csv(folder / "usage_agg_30d.csv", dtype=str, keep_default_na=False)
    usage.loc[0, "watch_hours_30d"] = f"{1 + zlib.crc32(request.node.name.encode()) / 2**32:.6f}"
    usage.to_csv(folder / "usage_agg_30d.csv", index=False)
    return folder


@pytest.mark.parametrize("step", IN_THE_MIDDLE)
def test_postgresql_stops_in_the_middle_of_a_step(
    step: str, february: Path, server: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    module, name = IN_THE_MIDDLE[step]
    monkeypatch.setattr(module, name, once(lambda: postgres.stop(server), getattr(module, name)))
    try:
        code = exit_code(february)
    finally:
        postgres.start(server)
    [line] = [line for line in capsys.readouterr().err.splitlines() if line.startswith("[ERROR]")]
    assert code == 1
    assert "does not answer: start it and run the same command again" in line
    assert run(february) == 0
    assert warehouse.loaded_months()[-1] == FEBRUARY
    assert len({made.inputs_sha256 for made in decided()}) == len(decided())


def decided() -> list[warehouse.RecordedDecision]:
    return warehouse.decisions(MODEL_NAME, FEBRUARY)


def test_a_full_disk_is_named_and_with_room_the_month_ends(
    february: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with open_folder() as folder, small_disk(folder / "lake", "16k") as full, monkeypatch.context() as elsewhere:
        elsewhere.setenv("STREAMFLOW_LAKE", str(full))
        assert exit_code(february) == 1
    assert f"The disk of {full} is full" in capsys.readouterr().err
    assert FEBRUARY not in warehouse.loaded_months()
    assert run(february, retrain="never") == 0


def test_a_folder_that_is_deleted_in_the_middle_is_named_and_put_back_the_month_ends(
    february: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    kept = february.with_name("kept")
    monkeypatch.setattr(checking, "across", once(lambda: february.rename(kept), checking.across))
    assert exit_code(february) == 1
    [line] = [line for line in capsys.readouterr().err.splitlines() if line.startswith("[ERROR]")]
    assert str(february) in line
    assert FEBRUARY not in warehouse.loaded_months()
    kept.rename(february)
    assert run(february, retrain="never") == 0
