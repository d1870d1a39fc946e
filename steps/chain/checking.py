"""Checks a month's folder before anything of it is loaded: the files, late labels, and the rules across months."""

from collections.abc import Sequence
from dataclasses import dataclass

from steps import warehouse
from steps.chain import file_samples, stopping
from steps.chain.month_folder import MonthFolder
from steps.chain.stopping import Alarm
from steps.cli import progress
from steps.cli.errors import StoppedByRule
from steps.cli.settings import MODEL_NAME
from steps.monitoring import across_months
from steps.monitoring.rows import Row
from steps.monitoring.samples import Pair
from steps.month.digest import origin_of
from steps.month.files import CheckedMonth
from steps.registry import versions
from steps.runs.inputs import digest

SAME_USERS_SHARE = 0.1  # of one company's months; made-up and real months have no user in common
BEFORE = "month before,"


@dataclass(frozen=True)
class Checked:
    """rows: of the rules across months; none for the first month, and for a month of other customers."""

    folder: MonthFolder
    rows: Sequence[Row]
    compared_with: str = "no earlier month"


def across(month: CheckedMonth, folder: MonthFolder) -> Checked:
    """Compares the month's files with the newest loaded month before it."""
    earlier = [day for day in warehouse.loaded_months() if day < folder.as_of]
    if not earlier:
        return Checked(folder, [])
    with progress.timed("compare with the month before"):
        before = file_samples.loaded(earlier[-1], BEFORE)
        pair = Pair(before, file_samples.in_files(month, folder.as_of, file_samples.types_of(before)))
        if _are_of_other_people(pair, folder):
            return Checked(folder, [])
        rows = across_months.check(pair, file_samples.rules())
    return Checked(folder, rows, f"{earlier[-1]} {warehouse.month_fingerprint(earlier[-1])}")


def _are_of_other_people(pair: Pair, folder: MonthFolder) -> bool:
    """Made-up months beside real ones: ingest decides whether they may meet."""
    same_users = pair.users >= SAME_USERS_SHARE * pair.now.users
    return not same_users and pair.before.as_of in warehouse.months_of_another_origin(origin_of(folder.path))


def decide(checked: Checked, accept: frozenset[str], person: str) -> list[Alarm]:
    """Returns the alarms, all of which are accepted, and records who accepted them.

    Raises StoppedByRule, after recording it, where an alarm is not.
    """
    broken = stopping.alarms(checked.rows)
    if not broken:
        return []
    stopped = [alarm for alarm in broken if alarm.rule not in accept]
    text = stopping.message(checked.folder, broken, accept) if stopped else accepted_text(broken)
    _record(checked, stopped or broken, text, "" if stopped else person)
    if stopped:
        raise StoppedByRule(text)
    return broken


def accepted_text(broken: Sequence[Alarm]) -> str:
    reasons = "; ".join(f"{alarm.reason} [{alarm.rule}]" for alarm in broken)
    return f"Accepted: {reasons}"


def _record(checked: Checked, broken: Sequence[Alarm], text: str, person: str) -> None:
    """person: who accepted the alarms; '' where they stop the month."""
    warehouse.apply_schema()
    rules = stopping.SEPARATOR.join(stopping.rules_of(broken))
    decision = warehouse.Decision(
        kind="accept" if person else "stop",
        outcome="accepted" if person else "stopped",
        as_of=checked.folder.as_of,
        version=versions.in_production(),
        reason=text,
        figures=stopping.figures(broken),
        decided_by=person or f"rule: {rules}",
        inputs_sha256=digest("check_month", {"folder": checked.folder.sha256, "before": checked.compared_with,
                                             "rules": rules}),
    )  # fmt: skip
    warehouse.record_decision(MODEL_NAME, decision)
