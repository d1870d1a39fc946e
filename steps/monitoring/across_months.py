"""Rules across two months of the same users: what must change, advance, not be empty, and the number of users. Pure.

Each column's rule is declared beside its rule for a file (steps/month/files.py). A rule is broken by evidence, not by
one value: of at least MIN_USERS users, and where chance cannot explain it.
"""

import math
from collections.abc import Iterator, Mapping
from typing import NamedTuple

import numpy as np
import pyarrow.compute as pc

from steps.monitoring.effects import Column, is_number, numbers
from steps.monitoring.rows import ALL, Row, Verdict
from steps.monitoring.samples import Pair, equal
from steps.month.rules import AcrossMonths

Rules = Mapping[str, AcrossMonths]

MIN_USERS = 50
NOT_CHANCE = 1e-6
FEW_ADVANCED, NOT_ALL_ADVANCED = 0.5, 0.95
MANY_UNCHANGED, CONTINUOUS = 0.5, 0.5  # continuous: half as many distinct values as users
MISSING_WATCH, MISSING_ALARM = 0.01, 0.05  # more than a month before
USERS_WATCH, USERS_ALARM = 1.25, 2.0  # times as many, or as few
TURNOVER_WATCH, TURNOVER_ALARM = 0.2, 0.5
NAMED = 5  # new categories in a reason


def check(pair: Pair, rules: Rules) -> list[Row]:
    """rules: of the columns to check. The rows' reference is the earlier sample."""
    rows = list(_users(pair))
    for name, rule in rules.items():
        rows += [_unchanged(pair, name, rule), _missing(pair, name), *_one_value(pair, name), *_categories(pair, name)]
        if rule.advances_by and (isinstance(rule.advances_by, int) or rule.advances_by in pair.now.columns):
            rows.append(_advanced(pair, name, rule.advances_by))
    return rows


def _row(pair: Pair, metric: str, name: str, users: int, value: float | None, **judged: object) -> Row:
    reference = f"{pair.before.name} {pair.before.as_of}"
    return Row(metric, name, users, value, reference=reference, **judged)  # type: ignore[arg-type]


def _unchanged(pair: Pair, name: str, rule: AcrossMonths) -> Row:
    """Share of the users in both months whose value is the same."""
    then, now = pair.values(name)
    if not pair.users:
        return _row(pair, "unchanged_share", name, 0, None)
    share = float(equal(then, now).mean())
    distinct = pc.count_distinct(then).as_py()
    verdict: Verdict = "ok"
    reason = ""
    if pair.users >= MIN_USERS and distinct > 1 and (rule.must_change or rule.advances_by) and pair.months:
        if share == 1:
            verdict, reason = "alarm", f"{name} is frozen: the same value as before for each of {pair.users:,} users"
        elif rule.must_change and share > MANY_UNCHANGED and distinct > CONTINUOUS * pair.users:
            verdict, reason = "watch", f"{name} is the same as before for {share:.1%} of {pair.users:,} users"
    return _row(pair, "unchanged_share", name, pair.users, share, verdict=verdict, reason=reason)


def _advanced(pair: Pair, name: str, advances_by: int | str) -> Row:
    """Share of the users in both months whose value has advanced as declared, within half a step."""
    expected, now = (numbers(column) for column in pair.expected(name, advances_by))
    if not len(now):
        return _row(pair, "advanced_share", name, 0, None)
    step = numbers(pair.values(advances_by)[0]) if isinstance(advances_by, str) else np.full(len(now), advances_by)
    share = float((np.abs(now - expected) <= step * max(1, pair.months) / 2).mean())
    unit = f"by {advances_by}" if isinstance(advances_by, int) else f"by each user's {advances_by}"
    verdict: Verdict = "ok"
    if len(now) >= MIN_USERS and share < NOT_ALL_ADVANCED:
        verdict = "alarm" if share < FEW_ADVANCED else "watch"
    reason = f"{name} must advance {unit} a month, and did for {share:.1%} of {len(now):,} users"
    threshold = NOT_ALL_ADVANCED
    judged = {"verdict": verdict, "threshold": threshold, "reason": "" if verdict == "ok" else reason}
    return _row(pair, "advanced_share", name, len(now), share, **judged)


def _missing(pair: Pair, name: str) -> Row:
    before, now = (_share_missing(sample.columns[name]) for sample in (pair.before, pair.now))
    verdict: Verdict = "ok"
    if pair.now.users >= MIN_USERS and now - before > MISSING_WATCH:
        verdict = "alarm" if now - before > MISSING_ALARM else "watch"
    reason = "" if verdict == "ok" else f"{name} is missing for {now:.1%} of the users, {before:.1%} before"
    threshold = before + MISSING_WATCH
    return _row(pair, "missing_share", name, pair.now.users, now, verdict=verdict, threshold=threshold, reason=reason)


def _share_missing(column: Column) -> float:
    return column.null_count / len(column) if len(column) else 0.0


def _one_value(pair: Pair, name: str) -> Iterator[Row]:
    """A column with one value for all users, most often zero, where the month before had others too."""
    before, now = pair.before.columns[name].drop_null(), pair.now.columns[name].drop_null()
    distinct = pc.unique(now)
    if len(distinct) != 1 or not len(before):
        return
    equal_before = pc.sum(pc.equal(before, distinct[0])).as_py() or 0
    chance = _log_chance(equal_before / len(before), len(now))
    if len(now) < MIN_USERS or chance > math.log(NOT_CHANCE):
        return
    reason = (
        f"{name} is {distinct[0].as_py()} for each of {len(now):,} users; it was for {equal_before / len(before):.1%}"
    )
    yield _row(pair, "one_value_share", name, len(now), 1.0, verdict="alarm", reason=reason)


def _log_chance(share: float, users: int) -> float:
    """Of the chance that so many users all have a value that this share had."""
    return users * math.log(share) if share else -math.inf


def _categories(pair: Pair, name: str) -> Iterator[Row]:
    """Values of text that nobody had before."""
    before, now = pair.before.columns[name], pair.now.columns[name]
    if is_number(now) or not len(before):
        return
    new = pc.value_counts(now.filter(pc.invert(pc.is_in(now, value_set=pc.unique(before.drop_null())))).drop_null())
    counts = sorted(
        ((str(value["values"]), value["counts"]) for value in new.to_pylist()), key=lambda item: (-item[1], item[0])
    )
    users = sum(count for _value, count in counts)
    listed = ", ".join(f"{value!r} ({count:,})" for value, count in counts[:NAMED])
    more = f" and {len(counts) - NAMED} more" if len(counts) > NAMED else ""
    verdict: Verdict = "watch" if users else "ok"
    reason = f"{name} has values that no user had before: {listed}{more}" if users else ""
    yield _row(pair, "new_category_share", name, len(now), users / max(1, len(now)), verdict=verdict, reason=reason)


def _users(pair: Pair) -> Iterator[Row]:
    before, now, day = pair.before.users, pair.now.users, pair.before.as_of
    ratio = now / before if before else math.inf
    factor = max(ratio, 1 / ratio) if ratio else math.inf
    limits = Limits(factor, USERS_WATCH, USERS_ALARM)
    yield _judged(pair, "users_ratio", (now, ratio), limits, f"{now:,} users, where {day} had {before:,}")
    gone, new = before - pair.users, now - pair.users
    limits = Limits(gone / max(1, before), TURNOVER_WATCH, TURNOVER_ALARM)
    yield _judged(pair, "users_gone_share", (before, limits.value), limits, f"{gone:,} of {before:,} users are gone")
    limits = Limits(new / max(1, now), TURNOVER_WATCH, TURNOVER_ALARM)
    yield _judged(pair, "users_new_share", (now, limits.value), limits, f"{new:,} of {now:,} users are new")


class Limits(NamedTuple):
    """The value to judge, from which it is a watch, and from which an alarm."""

    value: float
    watch: float
    alarm: float


def _judged(pair: Pair, metric: str, figure: tuple[int, float], limits: Limits, reason: str) -> Row:
    """figure: users and estimate of the row."""
    verdict: Verdict = "ok"
    if max(pair.before.users, pair.now.users) >= MIN_USERS and limits.value > limits.watch:
        verdict = "alarm" if limits.value > limits.alarm else "watch"
    reason = "" if verdict == "ok" else reason
    return _row(pair, metric, ALL, *figure, verdict=verdict, threshold=limits.watch, reason=reason)
