"""May a candidate replace the version in Production? Two AUCs on the same rows, how sure their difference is, and the
rules. Pure; the random state is fixed.

The interval is the percentile interval of a bootstrap (Efron and Tibshirani, An Introduction to the Bootstrap, 1993,
chapter 13), paired and stratified as pROC compares two ROC curves (Robin et al., BMC Bioinformatics 12:77, 2011): each
draw takes as many who leave and as many who stay as there are, with replacement, and scores both models on that draw.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from steps.settings import RANDOM_STATE

Probabilities = NDArray[np.float64]
Truth = NDArray[np.bool_]

DRAWS = 2000
LEVEL = 0.95
BLOCK_CELLS = 4_000_000  # draws x rows held at once: 32 MB a table


@dataclass(frozen=True)
class Rules:
    min_gain: float  # of AUC over Production; 0.0 means not worse
    min_auc: float
    force: bool  # promotes whatever the comparison says; never a version with a defect


@dataclass(frozen=True)
class Rival:
    """The version in Production on the candidate's validation rows; gain is the candidate's AUC minus this one's."""

    version: str
    auc: float
    candidate_auc: float
    low: float
    high: float
    rows: int

    @property
    def gain(self) -> float:
        return self.candidate_auc - self.auc


@dataclass(frozen=True)
class Evidence:
    """What is known of a candidate. auc is None when a defect kept it from being scored."""

    defects: Sequence[str]
    auc: float | None
    rival: Rival | None
    no_comparison: str | None  # why Production could not be scored, when there is one that could not


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
        return Verdict("passed", f"nothing is in Production, and the AUC is at least {rules.min_auc:g}")
    return Verdict("passed", f"gain of at least {rules.min_gain:g}, and an AUC of at least {rules.min_auc:g}")


def _objections(evidence: Evidence, rules: Rules) -> list[str]:
    found = []
    if evidence.auc is None or not evidence.auc >= rules.min_auc:
        found.append(f"AUC {figure(evidence.auc)} is below min_auc {rules.min_auc:g}")
    if evidence.no_comparison is not None:
        found.append(evidence.no_comparison)
    if evidence.rival is not None and not evidence.rival.gain >= rules.min_gain:
        found.append(f"gain {evidence.rival.gain:+.4f} is below min_gain {rules.min_gain:g}")
    return found


def figure(auc: float | None) -> str:
    return "unknown" if auc is None else f"{auc:.4f}"


def shown(evidence: Evidence) -> str:
    """Both figures and the interval, as a sentence."""
    rival = evidence.rival
    if rival is None:
        return f"AUC {figure(evidence.auc)}, compared with nothing."
    return (
        f"AUC {rival.candidate_auc:.4f} against {rival.auc:.4f} of version {rival.version} in Production on the same "
        f"{rival.rows} rows: gain {rival.gain:+.4f} ({LEVEL:.0%} interval {rival.low:+.4f} to {rival.high:+.4f})."
    )


def compare(version: str, truth: Truth, candidate: Probabilities, production: Probabilities) -> Rival:
    """All three of one length; truth has both classes."""
    low, high = gain_interval(truth, candidate, production)
    return Rival(version, auc(truth, production), auc(truth, candidate), low, high, len(truth))


def auc(truth: Truth, probability: Probabilities) -> float:
    return float(roc_auc_score(truth, probability))


def gain_interval(truth: Truth, candidate: Probabilities, production: Probabilities) -> tuple[float, float]:
    """The 95% interval of AUC(candidate) - AUC(production)."""
    chance = np.random.default_rng(RANDOM_STATE)
    ranked = [_Ranked(truth, probability) for probability in (candidate, production)]
    block = max(1, min(DRAWS, BLOCK_CELLS // len(truth)))
    gains: list[NDArray[np.float64]] = []
    for start in range(0, DRAWS, block):
        counts = _draws(chance, truth, min(block, DRAWS - start))
        gains.append(ranked[0].aucs(counts) - ranked[1].aucs(counts))
    tail = (1 - LEVEL) / 2
    low, high = np.quantile(np.concatenate(gains), [tail, 1 - tail])
    return float(low), float(high)


def _draws(chance: np.random.Generator, truth: Truth, draws: int) -> NDArray[np.float64]:
    """How often each row (column) is in each draw (row); each class as often as it is there."""
    counts = np.zeros((draws, len(truth)))
    for rows in (np.flatnonzero(truth), np.flatnonzero(~truth)):
        drawn = chance.integers(0, len(rows), size=(draws, len(rows)))
        places = drawn + np.arange(draws)[:, None] * len(rows)
        counts[:, rows] = np.bincount(places.ravel(), minlength=draws * len(rows)).reshape(draws, len(rows))
    return counts


class _Ranked:
    """One model's rows in the order of their probability: sorted once, then any draw is scored in one pass."""

    def __init__(self, truth: Truth, probability: Probabilities) -> None:
        leaving, staying = np.flatnonzero(truth), np.flatnonzero(~truth)
        self.leaving = leaving[np.argsort(probability[leaving], kind="stable")]
        self.staying = staying[np.argsort(probability[staying], kind="stable")]
        ranked = probability[self.staying]
        # how many of those who stay are below each one who leaves, and how many are not above
        self.below = np.searchsorted(ranked, probability[self.leaving], side="left")
        self.not_above = np.searchsorted(ranked, probability[self.leaving], side="right")

    def aucs(self, counts: NDArray[np.float64]) -> NDArray[np.float64]:
        """Per draw, the share of (leaving, staying) pairs ranked rightly; an equal pair counts half."""
        return np.array([self._auc(one) for one in counts])

    def _auc(self, counts: NDArray[np.float64]) -> float:
        leaving = counts.take(self.leaving)
        passed = np.concatenate([[0.0], counts.take(self.staying).cumsum()])
        right = (leaving @ passed.take(self.below) + leaving @ passed.take(self.not_above)) / 2
        return float(right / (leaving.sum() * passed[-1]))
