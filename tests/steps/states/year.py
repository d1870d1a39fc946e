"""A small company's year: eight months of 400 users who come and go, labels that last, and what real months do.

Labels come a month late; the month of April arrives after that of May; March is corrected in June, its features and its
labels; from June on some users have a kind of internet that nobody had before.
"""

import hashlib
import shutil
from calendar import monthrange
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from steps import sample_months

MONTHS, USERS = 8, 400
KEPT = 0.98  # of the labels, from one month to the next
NEW_CATEGORY, NEW_SHARE, NEW_FROM = "Satellite", 0.06, 5
Array = np.ndarray[Any, np.dtype[Any]]
FILES = ("users", "subscriptions", "usage_agg_30d", "payments_agg_90d", "support_agg_90d")


def as_of(month: int) -> date:
    return date(2024, month + 1, monthrange(2024, month + 1)[1])


@dataclass(frozen=True)
class Month:
    """One month's folder (without labels) and, beside it, the labels that come later."""

    folder: Path
    labels_file: Path
    as_of: date

    @cached_property
    def rows(self) -> pd.DataFrame:
        """Every user with every column and the label, read from the files by pandas alone."""
        frames = [pd.read_csv(self.folder / f"{name}.csv") for name in FILES]
        rows = frames[0]
        for frame in frames[1:]:
            rows = rows.merge(frame, on="user_id", validate="one_to_one")
        plans = {name: rows[name].eq(True) for name in ("plan_stream_tv", "plan_stream_movies")}
        labels = pd.read_csv(self.labels_file)
        return rows.assign(**plans).merge(labels, on="user_id", validate="one_to_one").sort_values("user_id")


def write_year(folder: Path) -> list[Month]:
    """Makes the eight months below the folder."""
    made = folder / "made"
    sizes = ["--users", str(USERS), "--months", str(MONTHS), "--seed", "11"]
    sample_months.main(["--out-dir", str(made), *sizes])
    chance = np.random.default_rng(5)
    months: list[Month] = []
    lasting: dict[str, bool] = {}
    for number in range(MONTHS):
        month = Month(folder / f"month_{number:03d}", folder / f"labels_{number:03d}.csv", as_of(number))
        month.folder.mkdir()
        for name in FILES:
            shutil.copy(made / f"month_{number:03d}" / f"{name}.csv", month.folder)
        lasting = lasting_labels(pd.read_csv(made / f"month_{number:03d}" / "labels.csv"), lasting, chance)
        pd.DataFrame(lasting.items(), columns=["user_id", "churn_label"]).to_csv(month.labels_file, index=False)
        if number >= NEW_FROM:
            give_some_the_new_category(month.folder / "subscriptions.csv")
        months.append(month)
    return months


def lasting_labels(drawn: pd.DataFrame, before: Mapping[str, bool], chance: np.random.Generator) -> dict[str, bool]:
    """Who was there keeps the label of the month before, but for 2%; who is new has the one that was drawn."""
    flipped = (chance.random(len(drawn)) > KEPT).tolist()
    users, labels = drawn["user_id"].tolist(), drawn["churn_label"].tolist()
    return {
        user: bool(before[user]) != flip if user in before else bool(label)
        for user, label, flip in zip(users, labels, flipped, strict=True)
    }


def give_some_the_new_category(file: Path) -> None:
    """Chosen by their ids, so that they keep it."""
    rows = pd.read_csv(file, dtype=str, keep_default_na=False)
    chosen = [
        int(hashlib.sha256(f"new {user}".encode()).hexdigest()[:8], 16) / 16**8 < NEW_SHARE for user in rows["user_id"]
    ]
    with_internet = rows["net_service"] != "No"
    rows.loc[np.array(chosen) & with_internet, "net_service"] = NEW_CATEGORY
    rows.to_csv(file, index=False)


def corrected(month: Month, folder: Path) -> Month:
    """The month as it was corrected: 20 users paid more, ten labels were wrong."""
    shutil.copytree(month.folder, folder)
    paid = pd.read_csv(folder / "subscriptions.csv", dtype=str, keep_default_na=False)
    paid.loc[:19, "monthly_fee"] = "99.95"
    paid.to_csv(folder / "subscriptions.csv", index=False)
    labels = pd.read_csv(month.labels_file)
    labels.loc[:9, "churn_label"] = ~labels.loc[:9, "churn_label"]
    labels.to_csv(folder.with_suffix(".csv"), index=False)
    return Month(folder, folder.with_suffix(".csv"), month.as_of)


def validators(rows: pd.DataFrame) -> set[str]:
    """Within each class the users with the smallest sha256 of seed and id, written down anew: a quarter, rounded up."""
    size = -(-len(rows) // 4)
    leaving = int(rows["churn_label"].sum())
    exact = size * leaving / len(rows)
    per_class = {True: int(exact), False: int(size - exact)}
    if sum(per_class.values()) < size:
        per_class[exact % 1 > (size - exact) % 1] += 1
    chosen: set[str] = set()
    for label, count in per_class.items():
        users = rows.loc[rows["churn_label"] == label, "user_id"]
        chosen |= set(sorted(users, key=lambda user: hashlib.sha256(f"42{user}".encode()).hexdigest())[:count])
    return chosen


def months_auc(parts: list[tuple[Array, Array]]) -> float:
    """Share of (leaving, staying) pairs of one month ranked right, over all months' pairs; a tie counts half."""
    right = pairs = 0.0
    for truth, score in parts:
        leaving, staying = score[truth][:, None], score[~truth][None, :]
        right += float((leaving > staying).sum() + (leaving == staying).sum() / 2)
        pairs += leaving.size * staying.size
    return right / pairs
