"""The AUCs of two models on the same rows, and the 95% interval of their difference. Pure; the random state is fixed.

Rows may come from several months. Pairs of a leaving and a staying user are made within a month only, and added up: two
months differ in more than the models. With one month this is the ordinary AUC.

The interval is the percentile interval of a bootstrap (Efron and Tibshirani, An Introduction to the Bootstrap, 1993,
chapter 13), paired and stratified as pROC compares two ROC curves (Robin et al., BMC Bioinformatics 12:77, 2011). Users
are drawn, each with all of their rows, because rows of one user are no independent evidence: as many who leave and as
many who stay as there are, by their newest row, with replacement.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from steps.cli.settings import RANDOM_STATE

Probabilities = NDArray[np.float64]
Truth = NDArray[np.bool_]
Codes = NDArray[np.intp]

DRAWS = 2000
LEVEL = 0.95
BLOCK_CELLS = 4_000_000  # draws x rows held at once: 32 MB a table
CACHED_CELLS = 65_536  # draws x rows scored at once: they stay in the processor's cache


@dataclass(frozen=True)
class Rows:
    """What two models are compared on, the newest month first: one row a user and month, all arrays of one length.

    Each month has both classes. users and months are numbers from 0 in the order in which they appear.
    """

    truth: Truth
    candidate: Probabilities
    production: Probabilities
    users: Codes
    months: Codes

    def __len__(self) -> int:
        return len(self.truth)

    @classmethod
    def of_one_month(cls, truth: Truth, candidate: Probabilities, production: Probabilities) -> "Rows":
        """Each row is another user's."""
        return cls(truth, candidate, production, np.arange(len(truth)), np.zeros(len(truth), dtype=np.intp))

    @property
    def truth_of_users(self) -> Truth:
        """By the newest row of each user, in the order of `users`."""
        _, newest = np.unique(self.users, return_index=True)
        return self.truth[newest]

    def months_rows(self) -> list[Codes]:
        return [np.flatnonzero(self.months == month) for month in range(int(self.months.max()) + 1)]


def auc(truth: Truth, probability: Probabilities) -> float:
    return float(roc_auc_score(truth, probability))


def auc_within_months(rows: Rows, probability: Probabilities) -> float:
    """Of the pairs (leaving, staying) of one month, the share that is ranked right; a tie counts half."""
    places = rows.months_rows()
    pairs = np.array([float(rows.truth[place].sum() * (~rows.truth[place]).sum()) for place in places])
    aucs = np.array([auc(rows.truth[place], probability[place]) for place in places])
    return float(aucs @ (pairs / pairs.sum()))


def gain_interval(rows: Rows, draws: int = DRAWS) -> tuple[float, float]:
    """The 95% interval of AUC(candidate) - AUC(production)."""
    chance, truth_of_users = np.random.default_rng(RANDOM_STATE), rows.truth_of_users
    ranked = [Ranked(rows.truth, scores, rows.months_rows()) for scores in (rows.candidate, rows.production)]
    block = max(1, min(draws, BLOCK_CELLS // len(rows)))
    gains: list[NDArray[np.float64]] = []
    for start in range(0, draws, block):
        drawn = _draws(chance, truth_of_users, min(block, draws - start))
        counts = drawn if len(truth_of_users) == len(rows) else drawn[:, rows.users]
        gains.append(ranked[0].aucs(counts) - ranked[1].aucs(counts))
    tail = (1 - LEVEL) / 2
    low, high = np.quantile(np.concatenate(gains), [tail, 1 - tail])
    return float(low), float(high)


def _draws(chance: np.random.Generator, truth: Truth, draws: int) -> NDArray[np.float64]:
    """How often each user (column) is in each draw (row); each class as often as it is there."""
    counts = np.zeros((draws, len(truth)))
    for users in (np.flatnonzero(truth), np.flatnonzero(~truth)):
        drawn = chance.integers(0, len(users), size=(draws, len(users)))
        places = drawn + np.arange(draws)[:, None] * len(users)
        counts[:, users] = np.bincount(places.ravel(), minlength=draws * len(users)).reshape(draws, len(users))
    return counts


class Ranked:
    """One model's rows in the order of their probability: sorted once, then any draw is scored in one pass."""

    def __init__(self, truth: Truth, probability: Probabilities, months: Sequence[Codes] | None = None) -> None:
        everything = [np.arange(len(truth))]
        self._months = [_RankedMonth(truth, probability, rows) for rows in (everything if months is None else months)]

    def aucs(self, counts: NDArray[np.float64]) -> NDArray[np.float64]:
        """Per draw, the share of the months' pairs that is ranked right; half where a draw has no pair at all."""
        at_once = max(1, CACHED_CELLS // counts.shape[1])
        parts = [self._aucs(counts[start : start + at_once]) for start in range(0, len(counts), at_once)]
        return np.concatenate(parts)

    def _aucs(self, counts: NDArray[np.float64]) -> NDArray[np.float64]:
        right, pairs = np.zeros(len(counts)), np.zeros(len(counts))
        for month in self._months:  # numbers of pairs are whole: no order of adding them up changes a bit
            more_right, more_pairs = month.pairs(counts)
            right, pairs = right + more_right, pairs + more_pairs
        share: NDArray[np.float64] = np.divide(right, pairs, out=np.full(len(counts), 0.5), where=pairs > 0)
        return share


class _RankedMonth:
    def __init__(self, truth: Truth, probability: Probabilities, rows: Codes) -> None:
        leaving, staying = rows[truth[rows]], rows[~truth[rows]]
        self.leaving = leaving[np.argsort(probability[leaving], kind="stable")]
        self.staying = staying[np.argsort(probability[staying], kind="stable")]
        ranked = probability[self.staying]
        # how many of those who stay are below each one who leaves, and how many are not above
        self.below = np.searchsorted(ranked, probability[self.leaving], side="left")
        self.not_above = np.searchsorted(ranked, probability[self.leaving], side="right")

    def pairs(self, counts: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Per draw, how many pairs (leaving, staying) are ranked right, a tie as half; and how many there are."""
        leaving, passed = counts[:, self.leaving], np.zeros((len(counts), len(self.staying) + 1))
        np.cumsum(counts[:, self.staying], axis=1, out=passed[:, 1:])
        right = (leaving * (passed[:, self.below] + passed[:, self.not_above])).sum(axis=1) / 2
        return right, leaving.sum(axis=1) * passed[:, -1]
