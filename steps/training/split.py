"""Who validates: the rule that puts each row of a training set on one side. Pure.

By user: within each class, the quarter of the users with the smallest sha256 of seed and user_id validates. A hash
never changes, so a user stays on one side from month to month, but for a few at the border; a new random split each
month made three quarters of a later month's validation users training rows of the model before.

At random: scikit-learn's train_test_split and StratifiedKFold, to the letter.
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

from steps.cli.settings import LABEL, RANDOM_STATE, VALIDATION_SHARE

SplitRule = Literal["user", "random"]
SPLIT_RULES: tuple[SplitRule, ...] = ("user", "random")
FOLDS = 5

Places = NDArray[np.intp]


@dataclass(frozen=True)
class Split:
    train: pd.DataFrame
    validation: pd.DataFrame


def split(dataset: pd.DataFrame, rule: SplitRule) -> Split:
    """75/25, stratified by the label, the same rows every time. Both rules give parts of the same sizes."""
    if rule == "random":
        train, validation = train_test_split(
            dataset, test_size=VALIDATION_SHARE, stratify=dataset[LABEL], random_state=RANDOM_STATE
        )
        return Split(train, validation)
    validates = _validates(dataset)
    return Split(dataset[~validates], dataset[validates])


def folds(dataset: pd.DataFrame, rule: SplitRule) -> list[tuple[Places, Places]]:
    """Five pairs of row positions, (training rows, held-out rows), stratified by the label."""
    if rule == "random":
        chosen = StratifiedKFold(n_splits=FOLDS, shuffle=True, random_state=RANDOM_STATE)
        return list(chosen.split(dataset, dataset[LABEL]))
    fold = np.empty(len(dataset), dtype=np.intp)
    for rows in _classes_by_hash(dataset):
        fold[rows] = np.arange(len(rows)) * FOLDS // len(rows)
    return [(np.flatnonzero(fold != number), np.flatnonzero(fold == number)) for number in range(FOLDS)]


def user_hash(user_id: str) -> bytes:
    """sha256 of the seed and the user's id, one text after the other: "424686-GEFRM"."""
    return hashlib.sha256(f"{RANDOM_STATE}{user_id}".encode()).digest()


def _validates(dataset: pd.DataFrame) -> NDArray[np.bool_]:
    classes = _classes_by_hash(dataset)
    validates = np.zeros(len(dataset), dtype=np.bool_)
    for rows, size in zip(classes, _sizes([len(rows) for rows in classes]), strict=True):
        validates[rows[:size]] = True
    return validates


def _classes_by_hash(dataset: pd.DataFrame) -> list[Places]:
    """The positions of the rows of each class, the smallest hash first."""
    hashes = np.array([user_hash(user_id) for user_id in dataset["user_id"]], dtype="S32")
    by_hash = np.argsort(hashes, kind="stable")
    leaves = dataset[LABEL].to_numpy()[by_hash]
    return [by_hash[~leaves], by_hash[leaves]]


def _sizes(classes: Iterable[int]) -> list[int]:
    """How many of each class validate: their sum is a quarter of all, rounded up, as train_test_split rounds it; the
    largest remainders get what is left."""
    classes = list(classes)
    total = ceil(sum(classes) * Fraction(VALIDATION_SHARE))
    shares = [Fraction(total * size, sum(classes)) for size in classes]
    sizes = [int(share) for share in shares]
    by_remainder = sorted(range(len(shares)), key=lambda place: sizes[place] - shares[place])
    for place in by_remainder[: total - sum(sizes)]:
        sizes[place] += 1
    return sizes
