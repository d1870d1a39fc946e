"""The split of a training set into a training and a validation part, and into folds. Pure.

user: within each class, the quarter of the users with the smallest sha256 of seed and user_id validates. A hash never
changes: except a few at the border, users stay in their part from month to month. With a new random split each month,
three quarters of a later month's validation users were training rows of the previous model.

random: exactly scikit-learn's train_test_split and StratifiedKFold.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from math import ceil
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.model_selection import StratifiedKFold, train_test_split

from steps.cli.errors import TooFewToLearn
from steps.cli.settings import LABEL, RANDOM_STATE, VALIDATION_SHARE

SplitRule = Literal["user", "random"]
SPLIT_RULES: tuple[SplitRule, ...] = ("user", "random")
FOLDS = 5
MIN_PER_CLASS = 2 * FOLDS

Positions = NDArray[np.intp]


@dataclass(frozen=True)
class Split:
    train: pd.DataFrame
    validation: pd.DataFrame


def require_both_classes(rows: pd.DataFrame, as_of: str) -> None:
    """Raises TooFewToLearn unless every part of the split and of the folds can have both classes."""
    leaving, staying = int(rows[LABEL].sum()), int((~rows[LABEL]).sum())
    if min(leaving, staying) < MIN_PER_CLASS:
        raise TooFewToLearn(
            f"{as_of} has {leaving} users who leave and {staying} who stay. "
            f"At least {MIN_PER_CLASS} labelled users of each are needed"
        )


def split(dataset: pd.DataFrame, rule: SplitRule) -> Split:
    """75/25, stratified by the label, deterministic. Both rules give parts of the same sizes."""
    if rule == "random":
        train, validation = train_test_split(
            dataset, test_size=VALIDATION_SHARE, stratify=dataset[LABEL], random_state=RANDOM_STATE
        )
        return Split(train, validation)
    validates = _validates(dataset)
    return Split(dataset[~validates], dataset[validates])


def folds(dataset: pd.DataFrame, rule: SplitRule) -> list[tuple[Positions, Positions]]:
    """Five pairs of row positions, (training rows, held-out rows), stratified by the label."""
    if rule == "random":
        chosen = StratifiedKFold(n_splits=FOLDS, shuffle=True, random_state=RANDOM_STATE)
        return list(chosen.split(dataset, dataset[LABEL]))
    fold = np.empty(len(dataset), dtype=np.intp)
    for rows in _classes_by_hash(dataset):
        fold[rows] = np.arange(len(rows)) * FOLDS // len(rows)
    return [(np.flatnonzero(fold != number), np.flatnonzero(fold == number)) for number in range(FOLDS)]


def user_hash(user_id: str) -> bytes:
    """sha256 of the seed followed by the user's id: "424686-GEFRM"."""
    return hashlib.sha256(f"{RANDOM_STATE}{user_id}".encode()).digest()


def _validates(dataset: pd.DataFrame) -> NDArray[np.bool_]:
    classes = _classes_by_hash(dataset)
    validates = np.zeros(len(dataset), dtype=np.bool_)
    for rows, size in zip(classes, _sizes([len(rows) for rows in classes]), strict=True):
        validates[rows[:size]] = True
    return validates


def _classes_by_hash(dataset: pd.DataFrame) -> list[Positions]:
    """The positions of the rows of each class, the smallest hash first."""
    hashes = np.array([user_hash(user_id) for user_id in dataset["user_id"]], dtype="S32")
    by_hash = np.argsort(hashes, kind="stable")
    leaves = dataset[LABEL].to_numpy()[by_hash]
    return [by_hash[~leaves], by_hash[leaves]]


def _sizes(classes: Iterable[int]) -> list[int]:
    """The number of validating users of each class. The sum is a quarter of all, rounded up as train_test_split does;
    the largest remainders are rounded up."""
    classes = list(classes)
    total = ceil(sum(classes) * Fraction(VALIDATION_SHARE))
    shares = [Fraction(total * size, sum(classes)) for size in classes]
    sizes = [int(share) for share in shares]
    by_remainder = sorted(range(len(shares)), key=lambda number: sizes[number] - shares[number])
    for number in by_remainder[: total - sum(sizes)]:
        sizes[number] += 1
    return sizes
