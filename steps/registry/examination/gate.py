"""The gate's judgement: may a candidate replace the version in Production? Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from steps.registry.examination.interval import LEVEL, Rows, auc_within_months, gain_interval
from steps.registry.examination.rules import Rules

MIN_CLASS_SHARE = 10  # each class has at least a tenth of min_users
STATUS_TEXTS = {"passed": "The gate passed it", "refused": "The gate refused it", "forced": "Forced past the gate"}
# tag of the last verdict except lost comparisons: a version that once passed may return to Production
LASTING_VERDICT = "gate_admitted"


@dataclass(frozen=True)
class Comparison:
    """The candidate and the version in Production on the same rows, which neither was trained on."""

    version: str  # in Production
    production_auc: float
    candidate_auc: float
    low: float  # ends of the gain's interval
    high: float
    rows: int
    users: int
    months: Sequence[str] = ()  # the newest first
    left_out: Mapping[str, int] = field(default_factory=dict)  # rows, by reason

    @property
    def gain(self) -> float:
        return self.candidate_auc - self.production_auc

    def metrics(self) -> dict[str, float]:
        return {
            "auc_candidate": self.candidate_auc,
            "auc_production": self.production_auc,
            "auc_gain": self.gain,
            "auc_gain_low": self.low,
            "auc_gain_high": self.high,
            "rows_compared": float(self.rows),
            "users_compared": float(self.users),
            "months_compared": float(len(self.months)),
            **{f"left_out_{reason}": float(rows) for reason, rows in self.left_out.items()},
        }


@dataclass(frozen=True)
class Evidence:
    """Facts about a candidate."""

    blocking_issues: Sequence[str]
    auc: float | None  # on its own validation rows; None when a blocking issue prevents scoring
    comparison: Comparison | None
    no_comparison: str | None  # why it was not compared with the version in Production
    older: str | None = None  # set when the candidate's month is older than Production's
    alone: str = "nothing is in Production"  # why no comparison is needed


@dataclass(frozen=True)
class Verdict:
    status: Literal["passed", "refused", "forced"]
    reason: str

    @property
    def promotes(self) -> bool:
        return self.status != "refused"


@dataclass(frozen=True)
class GateResult:
    """A verdict, and the evidence and the rules that it follows from."""

    verdict: Verdict
    evidence: Evidence
    rules: Rules

    def explained(self) -> str:
        """The verdict, its reason, both figures and the interval."""
        text = f"{STATUS_TEXTS[self.verdict.status]}: {self.verdict.reason}."
        if self.evidence.blocking_issues:
            return f"{text} This cannot be forced."
        override = " To promote it all the same: -P force=true." if self.verdict.status == "refused" else ""
        return f"{text} {figures_text(self.evidence)}{override}"

    def tags(self) -> dict[str, str]:
        """Of the version and of the run that judged it; the verdict last."""
        tags = {"gate_rule": self.rules.rule, "gate_reason": self.verdict.reason, "gate": self.verdict.status}
        if self.verdict.promotes or self.evidence.blocking_issues:
            tags = {LASTING_VERDICT: self.verdict.status, **tags}
        if self.evidence.comparison is not None:
            tags = {"gate_months": ", ".join(self.evidence.comparison.months), **tags}
        return tags

    def metrics(self) -> dict[str, float]:
        auc, comparison = self.evidence.auc, self.evidence.comparison
        own = {} if auc is None else {"auc_candidate": auc, "auc_own_validation": auc}
        return own if comparison is None else {**own, **comparison.metrics()}


def evaluate(evidence: Evidence, rules: Rules) -> GateResult:
    return GateResult(judge(evidence, rules), evidence, rules)


def judge(evidence: Evidence, rules: Rules) -> Verdict:
    if evidence.blocking_issues:
        return Verdict("refused", "; ".join(evidence.blocking_issues))
    objections = _objections(evidence, rules)
    if objections:
        return Verdict("forced" if rules.force else "refused", "; ".join(objections))
    if evidence.comparison is None:
        return Verdict("passed", f"{evidence.alone}, and the AUC is at least {rules.min_auc:g}")
    return Verdict(
        "passed",
        f"rule {rules.rule}: the lower end of the gain's interval, {evidence.comparison.low:+.4f}, is above "
        f"{rules.bound_text}; and the AUC is at least {rules.min_auc:g}",
    )


def _objections(evidence: Evidence, rules: Rules) -> list[str]:
    objections = []
    if evidence.auc is None or not evidence.auc >= rules.min_auc:
        objections.append(f"AUC {_auc_text(evidence.auc)} is below min_auc {rules.min_auc:g}")
    if evidence.older is not None and not rules.allow_older:
        objections.append(f"{evidence.older}. To allow it: -P allow_older=true")
    if evidence.no_comparison is not None:
        objections.append(evidence.no_comparison)
    if evidence.comparison is not None and not evidence.comparison.low > rules.bound:
        low = f"{evidence.comparison.low:+.4f}"
        objections.append(
            f"rule {rules.rule}: the lower end of the gain's interval, {low}, is not above {rules.bound_text}"
        )
    return objections


def _auc_text(auc: float | None) -> str:
    return "unknown" if auc is None else f"{auc:.4f}"


def figures_text(evidence: Evidence) -> str:
    """Sentences: both AUCs, the interval, and the rows that they were computed on."""
    comparison = evidence.comparison
    if comparison is None:
        return f"AUC {_auc_text(evidence.auc)}, without a comparison."
    return (
        f"AUC {comparison.candidate_auc:.4f} against {comparison.production_auc:.4f} of version {comparison.version} "
        f"in Production on the same {comparison.rows} rows of {comparison.users} users that neither was trained on "
        f"({', '.join(comparison.months)}): gain {comparison.gain:+.4f} "
        f"({LEVEL:.0%} interval {comparison.low:+.4f} to {comparison.high:+.4f})."
        f" Rows left out: {left_out_text(comparison.left_out)}."
    )


def left_out_text(left_out: Mapping[str, int]) -> str:
    """The number of rows for each reason."""
    return ", ".join(f"{rows} {reason.replace('_', ' ')}" for reason, rows in left_out.items() if rows) or "none"


def too_few(rows: Rows, min_users: int) -> str | None:
    """Why these rows are too few for a comparison; None when they are enough."""
    truth = rows.truth_of_users
    leaving, staying = int(truth.sum()), int((~truth).sum())
    per_class = max(1, min_users // MIN_CLASS_SHARE)
    if len(truth) >= min_users and min(leaving, staying) >= per_class:
        return None
    return (
        f"{len(truth)} users ({leaving} leaving, {staying} staying) can be compared; min_users {min_users} requires "
        f"{min_users} users and {per_class} of each class. Load more months, or set a smaller number: -P min_users=N"
    )


def compare(
    version: str, rows: Rows, months: Sequence[str] = (), left_out: Mapping[str, int] | None = None
) -> Comparison:
    """months: names, indexed by the numbers in rows.months."""
    low, high = gain_interval(rows)
    production, candidate = (auc_within_months(rows, scores) for scores in (rows.production, rows.candidate))
    return Comparison(
        version, production, candidate, low, high, len(rows), len(rows.truth_of_users), months, left_out or {}
    )
