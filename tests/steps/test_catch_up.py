"""catch_up: every month that is not done, the oldest first, and no month twice. The months have three users, for whom
nothing is trained."""

from pathlib import Path

import pytest

from steps import catch_up, warehouse
from steps.cli.errors import FaultyMonth
from steps.runs.entry_points import arguments
from tests.conftest import FEBRUARY, JANUARY
from tests.steps.states.database import last_run
from tests.steps.states.months import february_files, write_month

pytestmark = pytest.mark.usefixtures("empty_registry", "empty_warehouse", "tracking")


def run(months: Path) -> int:
    return catch_up.main(arguments("catch_up", {"months_dir": str(months)}))


def closing(experiment: str) -> str:
    return str(last_run("catch_up", experiment).data.tags["mlflow.note.content"]).strip("`\n")


@pytest.fixture
def months(tmp_path: Path) -> Path:
    """January by its number, February by its day; without labels."""
    write_month(tmp_path / "2024-02-29", february_files(), labels=None)
    write_month(tmp_path / "month_000", labels=None)
    return tmp_path


def test_months_are_done_in_order_and_once(months: Path, tracking: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(months) == 0
    assert warehouse.loaded_months() == [JANUARY, FEBRUARY]
    assert closing(tracking).endswith("Run now: 2024-01-31, 2024-02-29.")
    capsys.readouterr()
    assert run(months) == 0
    assert closing(tracking).endswith("is done. Nothing was to be done.")
    assert "[1/" not in capsys.readouterr().out


def test_a_corrected_month_is_done_again_and_the_others_are_not(months: Path, tracking: str) -> None:
    run(months)
    users = months / "month_000" / "users.csv"
    users.write_text(users.read_text().replace("Male", "Female"))
    assert run(months) == 0
    assert closing(tracking).endswith("Run now: 2024-01-31.")


def test_a_late_month_is_done_and_said_to_be_late(
    months: Path, tracking: str, capsys: pytest.CaptureFixture[str]
) -> None:
    late = (months / "month_000").rename(months.parent / "kept_back")
    run(months)
    late.rename(months / "month_000")
    assert run(months) == 0
    output = capsys.readouterr().out
    assert "2024-01-31 in" in output
    assert "which comes after 2024-02-29" in output
    assert "2024-02-29 is online already and newer than 2024-01-31" in output


def test_a_faulty_month_stops_later_ones_and_the_next_run_goes_on(months: Path, tracking: str) -> None:
    users = months / "month_000" / "users.csv"
    text = users.read_text()
    users.write_text(text.replace("Female", "?"))
    with pytest.raises(FaultyMonth, match="user_gender"):
        run(months)
    assert warehouse.loaded_months() == []
    users.write_text(text)
    assert run(months) == 0
    assert warehouse.loaded_months() == [JANUARY, FEBRUARY]


def test_the_second_at_the_same_time_says_so_and_ends_with_0(months: Path, tracking: str) -> None:
    with warehouse.month_lock() as is_free:
        assert is_free
        assert run(months) == 0
    assert closing(tracking).startswith("[OK] Nothing was done. Another run of main or catch_up is under way")
    assert warehouse.loaded_months() == []


@pytest.mark.parametrize(
    ("folders", "reason"),
    [([], "there is no folder month_000"), (["month_000", "2024-01-31"], "2024-01-31 and month_000 are both of")],
)
def test_a_folder_without_a_clear_order_is_an_error(tmp_path: Path, folders: list[str], reason: str) -> None:
    for name in folders:
        write_month(tmp_path / name)
    with pytest.raises(FaultyMonth, match=reason):
        run(tmp_path)


def test_a_folder_of_another_name_is_left_out(months: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (months / "2024-02-30").mkdir()
    run(months)
    assert "[WARNING] 2024-02-30 is left out" in capsys.readouterr().out
