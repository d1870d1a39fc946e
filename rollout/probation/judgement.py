"""When a new version's answers are bad enough to turn back: by their share of failures, or by their time."""

from configuration.answer_report import AnswerCounts
from rollout.settings import Settings

FEWEST_FAILED_CALLS = 3
"""One call can have many users: a single hiccup is no evidence"""
SLOWER = 2.0
"""Times the old version's time: a busy machine slows both"""


def objection(new: AnswerCounts, old: AnswerCounts, settings: Settings) -> str | None:
    """The reason to turn back from the new version, or None. old: all that is known of the version before."""
    if new.answers < settings.probation_answers:
        return None
    before = old if old.answers >= settings.probation_answers else None
    return _too_many_failed(new, before, settings.probation_failed) or _too_slow(
        new, before, settings.probation_latency_s
    )


def _too_many_failed(new: AnswerCounts, old: AnswerCounts | None, bound: float) -> str | None:
    share, before = new.failed / new.answers, old.failed / old.answers if old else 0.0
    if new.failed_calls < FEWEST_FAILED_CALLS or share <= before + bound:
        return None
    return f"{share:.1%} of {new.answers} answers failed{f', {before:.1%} before' if old else ''}"


def _too_slow(new: AnswerCounts, old: AnswerCounts | None, bound_s: float) -> str | None:
    time_s, before_s = new.seconds / new.calls, old.seconds / old.calls if old else 0.0
    if new.calls < FEWEST_FAILED_CALLS or time_s <= max(bound_s, SLOWER * before_s):
        return None
    return f"{new.answers} answers took {time_s:.2f} s on average{f', {before_s:.2f} s before' if old else ''}"
