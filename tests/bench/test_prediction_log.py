"""The prediction log's part of reports/reliability.md, from figures."""

from bench.prediction_log import Logged, paragraphs


def text(steady_rows: int, killed_rows: int) -> str:
    frozen = Logged("PostgreSQL frozen", 1000, 900, 10.0)
    steady, killed = Logged("steady", 2000, steady_rows, 10.0), Logged("gateway killed", 1000, killed_rows, 10.0)
    return "\n".join(paragraphs(steady, [frozen], killed, 1234, 0))


def test_no_row_may_be_lost_under_steady_load() -> None:
    assert "| steady | 2,000 | 2,000 | 0 | 0 | reached |" in text(2000, 1000)
    assert "| steady | 2,000 | 1,999 | 1 | 0 | not reached |" in text(1999, 1000)


def test_a_kill_may_cost_a_second_of_rows() -> None:
    assert "| gateway killed | 1,000 | 900 | 100 (1.00 s) | 1 s | reached |" in text(2000, 900)
    assert "| gateway killed | 1,000 | 890 | 110 (1.10 s) | 1 s | not reached |" in text(2000, 890)


def test_rows_scored_again_are_counted() -> None:
    assert "1,234 distinct rows, scored again by the version that they name: 0 differ in a bit." in text(2000, 1000)


def test_a_fault_of_postgresql_may_cost_rows() -> None:
    assert "| PostgreSQL frozen | 1,000 | 900 | 100 |  |  |" in text(2000, 1000)
