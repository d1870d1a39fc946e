"""The text of reports/benchmarks.md, from figures."""

from bench.speed_report import Figures, paragraphs


def figures(p50: float, rate: float) -> Figures:
    return {"p50": p50, "p99": 2 * p50, "rate": rate, "failed": 0.0}


MEASURED = {
    ("published", 1): [figures(40, 25), figures(30, 30), figures(36, 27)],
    ("gateway", 1): [figures(4, 250), figures(2, 400), figures(4, 240)],
    ("published", 64): [figures(2000, 25), figures(2000, 20), figures(2000, 30)],
    ("gateway", 64): [figures(25, 2400), figures(26, 2300), figures(24, 2700)],
    ("without_log", 64): [figures(24, 2500), figures(25, 2500), figures(23, 2700)],
    ("empty", 64): [figures(12, 5000), figures(12, 4800), figures(12, 5000)],
    ("empty_stock", 64): [figures(24, 2500), figures(24, 2400), figures(24, 2600)],
}
SPENT = {
    1: [{"gateway": 1.0, "watcher": 2.0, "load generator": 0.1}],
    64: [{"gateway": 0.3, "watcher": 0.1, "load generator": 0.1}],
}


def report(many: list[float]) -> str:
    return "\n".join(paragraphs(machine="", measured=MEASURED, many=many, cpu=SPENT, seconds=1, rounds=3))


def test_a_ratio_is_the_median_of_those_within_the_rounds() -> None:
    text = report([90.0, 100.0, 110.0])
    at_64 = "| requests/s at 64 connections, gateway /"
    assert "| p50 at 1 connection, published / gateway | 10 or more | 10.0 | reached | 10.0, 15.0, 9.0 |" in text
    assert f"{at_64} published | 100 or more | 96.0 | not reached | 96.0, 115.0, 90.0 |" in text
    assert f"{at_64} without_log | 0.95 or more | 0.96 | reached | 0.96, 0.92, 1.00 |" in text
    assert f"{at_64} empty | 0.5 or more | 0.48 | not reached | 0.48, 0.48, 0.54 |" in text
    assert f"{at_64} empty_stock | 0.5 or more | 0.96 | reached | 0.96, 0.96, 1.04 |" in text
    assert "| 1,000 users in one request, ms | under 400 | 100 | reached | 90, 100, 110 |" in text


def test_a_ratio_of_the_two_servers_has_no_goal() -> None:
    assert "| requests/s at 64 connections, empty / empty_stock |  | 2.00 |  | 2.00, 2.00, 1.92 |" in report([90.0])


def test_one_slow_round_of_many_users_is_not_hidden() -> None:
    assert "| under 400 | 100 | not reached | 90, 100, 500 |" in report([90.0, 100.0, 500.0])
    assert "| not reached | 90, nan, 100 |" in report([90.0, float("nan"), 100.0])


def test_the_limits_follow_from_the_processor_time() -> None:
    text = report([90.0])
    assert "| together | 3.10 | 0.50 |" in text
    assert "cannot exceed 3333 requests/s" in text
    assert "3.00 ms of work make up the answer's time except for hand-overs, and 67% of them" in text
