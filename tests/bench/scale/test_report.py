"""What the report says of growth: by stage, from size to size, and why where it is worse than a straight line."""

from pathlib import Path

from bench.scale import report as scale_report
from bench.scale.report import Measured


def measured(stage: str, users: int, seconds: float, way: str = "ours", figure: float | None = None) -> Measured:
    return Measured(users, stage, way, seconds, 100.0, figure)


def report(folder: Path, *found: Measured) -> str:
    scale_report.write(folder, found)
    assert (folder / "scale.png").stat().st_size
    return (folder / "scale.md").read_text()


def test_growth_is_time_by_users_and_what_is_worse_is_named_with_its_reason(tmp_path: Path) -> None:
    text = report(
        tmp_path,
        measured("ingest", 1_000, 1.0),
        measured("ingest", 10_000, 20.0),
        measured("score", 1_000, 1.0),
        measured("score", 10_000, 5.0),
    )
    assert "| ingest | 10,000 | 20.0 | 100 | 3,000 |  |  |  | 2.00 |" in text
    assert "- ingest at 10,000: the tables no longer fit" in text
    assert "- score" not in text


def test_stock_stands_beside_and_look_ups_by_their_store(tmp_path: Path) -> None:
    text = report(
        tmp_path,
        measured("ingest", 1_000, 1.0),
        measured("ingest", 1_000, 6.0, "stock"),
        measured("look-up", 1_000, 3.0, figure=0.281),
        measured("look-up: redis", 1_000, 3.0, figure=0.2),
    )
    assert "| ingest | 1,000 | 1.0 | 100 | 6,000 | 6.0 | 100 | 6.0 |  |" in text
    assert "Nothing grew worse than a straight line." in text
    assert "| PostgreSQL | 1,000 | 0.28 |" in text
    assert "| Redis | 1,000 | 0.20 |" in text
