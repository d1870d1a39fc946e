"""The text of reports/reasons.md, from figures."""

from dataclasses import replace

from bench.reasons import CONNECTIONS, Figures, Requests, paragraphs

MEASURED = [
    Figures("hist_gradient_boosting", {1: (0.9, 0.1), 32: (0.05, 0.01)}, 0.5, [
        Requests(1, 100.0, 60.0, 0), Requests(1, 100.0, 40.0, 0), Requests(1, 200.0, 90.0, 2),
        Requests(64, 100.0, 50.0, 0),
    ]),
    Figures("random_forest", {1: (21.0, 2.0)}, 9.0, []),
]  # fmt: skip


def test_shares_are_of_one_round_and_goals_of_each_kind() -> None:
    text = "\n".join(paragraphs("", MEASURED[:1], seconds=1, rounds=3))
    assert "| hist_gradient_boosting | 1 | 0.90 | 0.100 | 1 | met |" in text
    assert "| hist_gradient_boosting | 1 | 60.0 | 100.0 | 0.45 | 0.60, 0.40, 0.45 | 2 |" in text


def test_a_goal_that_is_missed_is_said() -> None:
    gateway = [Requests(connections, 100.0, 50.0, 0) for connections in CONNECTIONS]
    text = "\n".join(paragraphs("", [replace(MEASURED[1], requests=gateway)], seconds=1, rounds=1))
    assert "| random_forest | 1 | 21.00 | 2.000 | 10 | missed |" in text
    assert "| random_forest | 9.00 |" in text
