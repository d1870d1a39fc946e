"""The rows that candidates are compared on: the same training users in the same folds for each. Pure.

A validation user of any candidate's dataset is left out, so no figure here rests on a row that later validates the
chosen model.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from steps.cli.settings import LABEL
from steps.training.split import Positions, SplitRule, folds, split


@dataclass(frozen=True)
class TrainingPart:
    rows: Mapping[str, pd.DataFrame]
    """By FeatureService: its training rows, for the same users in the same order"""
    folds: Sequence[tuple[Positions, Positions]]
    sha256: str
    """Of the users, their labels and their folds"""


def training_part(datasets: Mapping[str, pd.DataFrame], rule: SplitRule) -> TrainingPart:
    """datasets: by FeatureService, of one month; see dataset.assemble."""
    parts = {name: split(dataset, rule).train.set_index("user_id") for name, dataset in datasets.items()}
    first, *rest = parts.values()
    users = first.index
    for part in rest:
        users = users.intersection(part.index)
    rows = {name: part.loc[users.sort_values()].reset_index() for name, part in parts.items()}
    learners = next(iter(rows.values()))[["user_id", LABEL]]
    chosen = folds(learners, rule)
    return TrainingPart(rows, chosen, _sha256(learners, chosen))


def _sha256(learners: pd.DataFrame, chosen: Sequence[tuple[Positions, Positions]]) -> str:
    fold_of = {int(row): number for number, (_train, held_out) in enumerate(chosen) for row in held_out}
    digest = hashlib.sha256()
    for row, (user_id, label) in enumerate(zip(learners["user_id"], learners[LABEL], strict=True)):
        digest.update(f"{user_id} {int(label)} {fold_of[row]}\n".encode())
    return digest.hexdigest()
