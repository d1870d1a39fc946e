"""May a candidate replace the version in Production? The rules, by name, and the words of a verdict. Pure.

    better      the lower end of the gain's 95% interval is above min_gain
    not_worse   the lower end is above -margin

How often each promotes at which true gain: docs/gate-error-rates.md.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from steps.registry.interval import LEVEL, Rows, auc_within_months, gain_interval

Rule = Literal["better", "not_worse"]
RULES: tuple[Rule, ...] = ("better", "not_worse")
CLASS_SHARE = 10  # each class has at least a tenth of min_users


@dataclass(frozen=True)
class Rules:
    rule: Rule
    min_gain: float  # of AUC over Production, for better
    margin: float  # of AUC that may be lost, for not_worse
    min_auc: float  # on the candidate's own validation rows
    min_users: int  # fewer are no comparison
    allow_older: bool  # a candidate of an older month than Production's
    force: bool  # promotes whatever the comparison says; never a version with a defect

    @property
    def bound(self) -> float:
        """What the lower end of the gain's interval has to be above."""
        return self.min_gain if self.rule == "better" else 0.0 - self.margin

    @property
    def demand(self) -> str:
        return f"min_gain {self.bound:g}" if self.rule == "better" else f"{self.bound:g}, the margin"


@dataclass(frozen=True)
class Rival:
    """The version in Production and the candidate on the same rows, which neither was trained on."""

    version: str
    auc: float
    candidate_auc: float
    low: float
    high: float
    rows: int
    users: int
    months: Sequence[str] = ()  # the newest first
    left_out: Mapping[str, int] = field(default_factory=dict)  # rows, by reason

    @property
    def gain(self) -> float:
        return self.candidate_auc - self.auc


@dataclass(frozen=True)
class Evidence:
    """What is known of a candidate."""

    defects: Sequence[str]
    auc: float | None  # on its own validation rows; None when a defect kept it from being scored
    rival: Rival | None
    no_comparison: str | None  # why it was not compared with Production, when there is one
    older: str | None = None  # set when the candidate's month is older than Production's
    alone: str = "nothing is in Production"  # why there is neither a rival nor a reason for having none


@dataclass(frozen=True)
class Verdict:
    status: Literal["passed", "refused", "forced"]
    reason: str

    @property
    def promotes(self) -> bool:
        return self.status != "refused"


def judge(evidence: Evidence, rules: Rules) -> Verdict:
    if evidence.defects:
        return Verdict("refused", "; ".join(evidence.defects))
    objections = _objections(evidence, rules)
    if objections:
        return Verdict("forced" if rules.force else "refused", "; ".join(objections))
    if evidence.rival is None:
        return Verdict("passed", f"{evidence.alone}, and the AUC is at least {rules.min_auc:g}")
    return Verdict(
        "passed",
        f"rule {rules.rule}: the lower end of the gain's interval, {evidence.rival.low:+.4f}, is above {rules.demand}; "
        f"and the AUC is at least {rules.min_auc:g}",
    )


def _objections(evidence: Evidence, rules: Rules) -> list[str]:
    found = []
    if evidence.auc is None or not evidence.auc >= rules.min_auc:
        found.append(f"AUC {figure(evidence.auc)} is below min_auc {rules.min_auc:g}")
    if evidence.older is not None and not rules.allow_older:
        found.append(f"{evidence.older}. To allow it: -P allow_older=true")
    if evidence.no_comparison is not None:
        found.append(evidence.no_comparison)
    if evidence.rival is not None and not evidence.rival.low > rules.bound:
        low = f"{evidence.rival.low:+.4f}"
        found.append(f"rule {rules.rule}: the lower end of the gain's interval, {low}, is not above {rules.demand}")
    return found


def figure(auc: float | None) -> str:
    return "unknown" if auc is None else f"{auc:.4f}"


def shown(evidence: Evidence) -> str:
    """Both figures, the interval, and on whom: sentences."""
    rival = evidence.rival
    if rival is None:
        return f"AUC {figure(evidence.auc)}, compared with nothing."
    return (
        f"AUC {rival.candidate_auc:.4f} against {rival.auc:.4f} of version {rival.version} in Production on the same "
        f"{rival.rows} rows of {rival.users} users that neither was trained on ({', '.join(rival.months)}): "
        f"gain {rival.gain:+.4f} ({LEVEL:.0%} interval {rival.low:+.4f} to {rival.high:+.4f})."
        f" Rows left out: {said(rival.left_out)}."
    )


def said(left_out: Mapping[str, int]) -> str:
    """How many rows for which reason, in words."""
    return ", ".join(f"{rows} {reason.replace('_', ' ')}" for reason, rows in left_out.items() if rows) or "none"


def too_few(rows: Rows, min_users: int) -> str | None:
    """Why these rows are no comparison; None when they are one."""
    truth = rows.truth_of_users
    leaving, staying = int(truth.sum()), int((~truth).sum())
    of_each = max(1, min_users // CLASS_SHARE)
    if len(truth) >= min_users and min(leaving, staying) >= of_each:
        return None
    return (
        f"{len(truth)} users ({leaving} leaving, {staying} staying) can be compared, and min_users {min_users} wants "
        f"{min_users} of them and {of_each} of each. Load more months, or give a smaller one: -P min_users="
    )


def compare(version: str, rows: Rows, months: Sequence[str] = (), left_out: Mapping[str, int] | None = None) -> Rival:
    """months: names, by the numbers in rows.months."""
    low, high = gain_interval(rows)
    theirs, ours = (auc_within_months(rows, scores) for scores in (rows.production, rows.candidate))
    return Rival(version, theirs, ours, low, high, len(rows), len(rows.truth_of_users), months, left_out or {})
