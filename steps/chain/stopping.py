"""Which alarms of the rules across months stop a month, and what a person is told. Pure.

The rules say that the files are wrong, not that the model is: a new training on them would learn the fault. A rule is
accepted by its name.
"""

import argparse
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from steps.chain.file_samples import file_of
from steps.chain.month_folder import MonthFolder
from steps.monitoring.rows import Row

RULES = {
    "frozen": "unchanged_share",
    "not_advanced": "advanced_share",
    "one_value": "one_value_share",
    "missing": "missing_share",
    "users": "users_ratio",
    "users_gone": "users_gone_share",
    "users_new": "users_new_share",
}
"""The name of a rule -> the monitor's metric of it (steps/monitoring/across_months.py)"""
SEPARATOR = ","


@dataclass(frozen=True)
class Alarm:
    rule: str
    column: str
    figure: float | None
    reason: str


def accepted(text: str) -> str:
    """An argparse type: names of rules, with commas between them; '' for none. Returns them in the order of RULES."""
    names = rules_in(text)
    if unknown := sorted(names - RULES.keys()):
        wrong = ", ".join(map(repr, unknown))
        raise argparse.ArgumentTypeError(f"{text!r}: no such rule as {wrong}. Allowed are: {', '.join(RULES)}")
    return SEPARATOR.join(name for name in RULES if name in names)


def rules_in(text: str) -> frozenset[str]:
    return frozenset(name.strip() for name in text.split(SEPARATOR) if name.strip())


def alarms(rows: Sequence[Row]) -> list[Alarm]:
    """In the order of RULES. A frozen column does not advance, and a column with one value may be frozen at it: the
    first rule that a column breaks counts."""
    names = {metric: rule for rule, metric in RULES.items()}
    order = list(RULES)
    broken = [row for row in rows if row.verdict == "alarm" and row.metric in names]
    first: dict[str, Alarm] = {}
    for row in sorted(broken, key=lambda row: order.index(names[row.metric])):
        rule = names[row.metric]
        key = rule if rule.startswith("users") else row.slice
        first.setdefault(key, Alarm(rule, row.slice, row.estimate, row.reason))
    return list(first.values())


def rules_of(broken: Iterable[Alarm]) -> list[str]:
    """The names of the broken rules, each once."""
    return list(dict.fromkeys(alarm.rule for alarm in broken))


def figures(broken: Iterable[Alarm]) -> dict[str, float | int | str | None]:
    """For the table of decisions."""
    return {f"{alarm.rule} {alarm.column}": alarm.figure for alarm in broken}


def message(folder: MonthFolder, broken: Sequence[Alarm], accept: frozenset[str]) -> str:
    """What is wrong, where to look, and how to go on. accept: rules that a person has already accepted."""
    stopping = [alarm for alarm in broken if alarm.rule not in accept]
    faults = "; ".join(f"{alarm.reason} [{alarm.rule}]" for alarm in stopping)
    files = ", ".join(dict.fromkeys(str(folder.path / file_of(alarm.column)) for alarm in stopping))
    names = SEPARATOR.join(name for name in RULES if name in {*accept, *rules_of(stopping)})
    return (
        f"{folder.as_of} is not loaded and does not go online: {faults}. Look at {files}. Correct the files and run "
        f"the same command again; or, if they are right, add -P accept={names}. The month that is online goes on "
        "being served"
    )
