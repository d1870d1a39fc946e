"""reports/scale.md: growth of each stage from size to size, with a reason where it is more than linear."""

import re
from pathlib import Path

from bench.scale import report as scale_report
from bench.scale.report import Measured


def measured(stage: str, users: int, seconds: float, way: str = "project", figure: float | None = None) -> Measured:
    return Measured(users, stage, way, seconds, 100.0, figure)


def report(folder: Path, *stages: Measured) -> str:
    scale_report.write(folder, stages)
    assert (folder / "scale.png").stat().st_size
    return (folder / "scale.md").read_text()


def test_growth_is_time_by_users_and_more_than_linear_growth_has_its_reason(tmp_path: Path) -> None:
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


def test_a_stage_is_next_to_its_stock_variant_and_look_ups_name_their_store(tmp_path: Path) -> None:
    text = report(
        tmp_path,
        measured("ingest", 1_000, 1.0),
        measured("ingest", 1_000, 6.0, "stock"),
        measured("look-up", 1_000, 3.0, figure=0.281),
        measured("look-up: redis", 1_000, 3.0, figure=0.2),
    )
    assert "| ingest | 1,000 | 1.0 | 100 | 6,000 | 6.0 | 100 | 6.0 |  |" in text
    assert re.search(r"^Taken on \d{4}-\d\d-\d\d .* cores .* Load average when done: ", text, re.MULTILINE)
    assert "No stage grew more than linearly." in text
    assert "| PostgreSQL | 1,000 | 0.28 |" in text
    assert "| Redis | 1,000 | 0.20 |" in text
