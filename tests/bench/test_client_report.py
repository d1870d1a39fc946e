"""The tables of reports/reliability.md on slow clients and on many clients."""

from bench.checker import CheckResult
from bench.clients.report import paragraphs
from bench.clients.scenarios import ClientOutcome, rate_of
from bench.load.probes import Probe
from bench.load.recording import Recorder, Recording
from bench.scenarios import Outcome

RIGHT, WRONG = CheckResult(10, 10, ["1"], []), CheckResult(10, 10, ["1"], ["anna: another's"])
QUICK = [Probe("/health", 200, 12.0), Probe("/ready", 200, 34.0)]


def recording(*, retry_after: float | None = 1.0, slowest_s: float = 3.0) -> Recording:
    """Ten right answers in the second before 10.0, and one refusal."""
    recorder = Recorder()
    for nth in range(10):
        recorder.add(nth, 9.0, 9.0, 9.05 + nth / 20, (200, b"{}", None))
    recorder.add(0, 6.0, 9.0, 9.0 + slowest_s, (503, b'{"code": "overloaded"}', retry_after))
    return recorder.recording(10.0)


def report(requests: Recording, *, check: CheckResult = RIGHT, probes: list[Probe] = QUICK, usual: float = 11.0) -> str:
    outcome = Outcome("2,000 at once", requests, check)
    return "\n".join(paragraphs([ClientOutcome(outcome, probes, rate_of(requests, 1.0), usual)]))


def test_a_row_has_every_figure_that_has_a_goal() -> None:
    assert "| 2,000 at once | 0 | 11 | 10 | 0.91 | 1 | 0 | 3000 | 34 | reached |" in report(recording())


def test_each_goal_that_was_not_reached_is_named() -> None:
    assert "| not reached: share |" in report(recording(), usual=12.0)
    assert "| not reached: slowest |" in report(recording(slowest_s=3.2))
    assert "| 1 | 1 | 3000 | 34 | not reached: refusals |" in report(recording(retry_after=None))
    assert "| not reached: probes |" in report(recording(), probes=[*QUICK, Probe("/metrics", 200, 101.0)])
    assert "| not reached: answers |" in report(recording(), check=WRONG)


def test_a_request_that_was_never_sent_hides_no_slow_answer() -> None:
    recorder = Recorder()
    recorder.add(0, 9.0, float("nan"), 10.0, (0, b"no free connection", None))
    recorder.add(1, 6.0, 6.0, 9.9, (200, b"{}", None))
    assert "| 3900 | 34 | not reached: slowest, refusals |" in report(recorder.recording(10.0), usual=1.0)


def test_a_failed_or_missing_probe_misses_the_goal() -> None:
    for probes in ([], [*QUICK, Probe("/ready", 503, 1.0)], [*QUICK, Probe("/health", 0, 1.0)]):
        assert "| inf | not reached: probes |" in report(recording(), probes=probes)


def test_answers_count_from_the_start_of_the_last_client_until_the_end() -> None:
    recorder = Recorder()
    for done in (7.5, 8.5, 9.5, 10.5):
        recorder.add(0, 7.0, 7.0, done, (200, b"{}", None))
    assert rate_of(recorder.recording(10.0), 2.0) == 1.0
