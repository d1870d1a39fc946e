"""The AUCs of two models on the same rows, and the 95% interval of their difference. Pure; the random state is fixed.

Rows may come from several months. Pairs of a leaving and a staying user are formed within a month only, and added up:
months differ in more than the models. With one month this is the ordinary AUC.

The interval is the percentile interval of a bootstrap (Efron and Tibshirani, An Introduction to the Bootstrap, 1993,
chapter 13), paired and stratified as pROC compares two ROC curves (Robin et al., BMC Bioinformatics 12:77, 2011). It
draws users, with all of their rows, because rows of one user are not independent. A draw with replacement has the
observed numbers of leaving and staying users, by their newest row.
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
    """Labels and both models' probabilities, the newest month first: one row per user and month, arrays of one length.

    Each month has both classes. users and months are numbers from 0, in order of appearance.
    """

    truth: Truth  # true: left
    candidate: Probabilities
    production: Probabilities
    users: Codes
    months: Codes

    def __len__(self) -> int:
        return len(self.truth)

    @classmethod
    def of_one_month(cls, truth: Truth, candidate: Probabilities, production: Probabilities) -> "Rows":
        """One row per user."""
        return cls(truth, candidate, production, np.arange(len(truth)), np.zeros(len(truth), dtype=np.intp))

    @property
    def truth_of_users(self) -> Truth:
        """The label of each user's newest row, in the order of `users`."""
        _, newest = np.unique(self.users, return_index=True)
        return self.truth[newest]

    def months_rows(self) -> list[Codes]:
        """The row positions of each month."""
        return [np.flatnonzero(self.months == month) for month in range(int(self.months.max()) + 1)]


def auc(truth: Truth, probability: Probabilities) -> float:
    return float(roc_auc_score(truth, probability))


def auc_within_months(rows: Rows, probability: Probabilities) -> float:
    """The share of correctly ranked pairs (leaving, staying) within months; a tie counts half."""
    months = rows.months_rows()
    pairs = np.array([float(rows.truth[month].sum() * (~rows.truth[month]).sum()) for month in months])
    aucs = np.array([auc(rows.truth[month], probability[month]) for month in months])
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
    """draws x users: how often each user is in each draw. A draw has the observed number of each class."""
    counts = np.zeros((draws, len(truth)))
    for users in (np.flatnonzero(truth), np.flatnonzero(~truth)):
        drawn = chance.integers(0, len(users), size=(draws, len(users)))
        cells = drawn + np.arange(draws)[:, None] * len(users)
        counts[:, users] = np.bincount(cells.ravel(), minlength=draws * len(users)).reshape(draws, len(users))
    return counts


class Ranked:
    """One model's rows sorted by probability, once: then the AUC of any draw takes one pass."""

    def __init__(self, truth: Truth, probability: Probabilities, months: Sequence[Codes] | None = None) -> None:
        one_month = [np.arange(len(truth))]
        self._months = [_RankedMonth(truth, probability, rows) for rows in (one_month if months is None else months)]

    def aucs(self, counts: NDArray[np.float64]) -> NDArray[np.float64]:
        """Per draw, the share of correctly ranked pairs within months; 0.5 for a draw without pairs.

        counts: draws x rows, how often each row is in each draw.
        """
        block = max(1, CACHED_CELLS // counts.shape[1])
        parts = [self._aucs(counts[start : start + block]) for start in range(0, len(counts), block)]
        return np.concatenate(parts)

    def _aucs(self, counts: NDArray[np.float64]) -> NDArray[np.float64]:
        right, pairs = np.zeros(len(counts)), np.zeros(len(counts))
        for month in self._months:  # numbers of pairs are integers: the order of the sums changes no bit
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
        # for each leaving user, how many staying users are below, and how many are not above
        self.below = np.searchsorted(ranked, probability[self.leaving], side="left")
        self.not_above = np.searchsorted(ranked, probability[self.leaving], side="right")

    def pairs(self, counts: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Per draw, the numbers of correctly ranked pairs (leaving, staying), a tie as half, and of all pairs."""
        leaving, passed = counts[:, self.leaving], np.zeros((len(counts), len(self.staying) + 1))
        np.cumsum(counts[:, self.staying], axis=1, out=passed[:, 1:])
        right = (leaving * (passed[:, self.below] + passed[:, self.not_above])).sum(axis=1) / 2
        return right, leaving.sum(axis=1) * passed[:, -1]
