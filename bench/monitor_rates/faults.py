"""What may be wrong with a month, put into a calm one, and whether the monitor names it."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import pyarrow as pa
import pyarrow.compute as pc

from steps.monitoring.assessment import Subject, compare
from steps.monitoring.effects import Reference, numbers

SHIFTED, SHIFT = "watch_hours_30d", 0.1
FOLD = 66

Fault = Callable[[Subject], Subject]


def with_column(subject: Subject, name: str, values: pa.Array) -> Subject:
    now = subject.now.sample
    return replace(subject, now=replace(subject.now, sample=replace(now, columns={**now.columns, name: values})))


def shifted(subject: Subject) -> Subject:
    """One feature moved, for all users alike, by as much as makes a PSI of SHIFT in this month."""
    column = subject.now.sample.columns[SHIFTED]
    reference, values = Reference(column), numbers(column)
    low, high = 0.0, float(4 * values.std())
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (middle, high) if reference.effect(pa.array(values + middle)).psi < SHIFT else (low, middle)
    return with_column(subject, SHIFTED, pa.array(values + high))


def zeros(subject: Subject) -> Subject:
    return with_column(
        subject, "support_tickets_90d", pc.multiply(subject.now.sample.columns["support_tickets_90d"], 0)
    )


def frozen(subject: Subject) -> Subject:
    assert subject.before  # noqa: S101 - every subject here has a month before
    then, now = subject.before.sample, subject.now.sample
    places = pc.index_in(now.user_ids, value_set=then.user_ids)
    return with_column(subject, "skips_7d", pc.coalesce(then.columns["skips_7d"].take(places), now.columns["skips_7d"]))


def prices(subject: Subject) -> Subject:
    return with_column(subject, "monthly_fee", pc.multiply(subject.now.sample.columns["monthly_fee"], 1.15))


def many_more_users(subject: Subject) -> Subject:
    assert subject.before  # noqa: S101
    before, few = subject.before, subject.before.sample.users // FOLD
    columns = {name: column[:few] for name, column in before.sample.columns.items()}
    small = replace(before.sample, user_ids=before.sample.user_ids[:few], columns=columns)
    return replace(subject, before=replace(before, sample=small))


@dataclass(frozen=True)
class Case:
    """A fault, and what a row must be of to have found it."""

    put_in: Fault
    metric: str
    of: str
    text: str


CASES = (
    Case(shifted, "PSI", SHIFTED, f"{SHIFTED} moved by a PSI of {SHIFT:g}"),
    Case(zeros, "one_value_share", "support_tickets_90d", "support_tickets_90d is 0 for every user"),
    Case(frozen, "unchanged_share", "skips_7d", "skips_7d has every user's value of the month before"),
    Case(prices, "PSI", "monthly_fee", "every monthly_fee rises by 15%"),
    Case(many_more_users, "users_ratio", "all users", f"{FOLD} times the users"),
)


def finds(case: Case, subject: Subject) -> bool:
    return any(
        (row.metric, row.slice) == (case.metric, case.of) and row.verdict in ("watch", "alarm")
        for row in compare(case.put_in(subject))
    )
