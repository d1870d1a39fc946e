"""Twelve months of 3,000 users as they arrive in a folder. From June on other customers leave than before: those who
skip often. March is exported with a column of zeros, April arrives after May, the labels of July come with August,
September is corrected twice, and users leave and come all the time."""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd

from configuration.months import day_of
from steps.month.population import monthly_snapshots
from steps.sample_months import write_months

MONTHS, USERS, SEED = 12, 3_000, 11
FEBRUARY, MARCH, APRIL, MAY, JUNE, JULY, AUGUST, SEPTEMBER = range(1, 9)
SKIPS, SPREAD, LEAVING = 5.05, 1.2, -1.2  # mean of skips_7d; how sharply they divide; log-odds of the mean user


def drifting(seed: int, chunk: int) -> Iterator[pd.DataFrame]:
    """The months of sample_months, with other reasons to leave from June on."""
    chance = np.random.default_rng(seed)
    for number, month in enumerate(monthly_snapshots(seed, chunk)):
        if number < JUNE:
            yield month
            continue
        leaves = 1 / (1 + np.exp(-(LEAVING + SPREAD * (month["skips_7d"] - SKIPS))))
        yield month.assign(churn_label=chance.random(len(month)) < leaves)


@dataclass(frozen=True)
class Arrivals:
    """made: all months as they should be. months: the folder that catch_up watches."""

    made: Path
    months: Path

    @classmethod
    def write(cls, folder: Path) -> "Arrivals":
        write_months(folder / "made", USERS, MONTHS, SEED, drifting)
        (folder / "months").mkdir()
        return cls(folder / "made", folder / "months")

    def arrive(self, number: int) -> Path:
        """The month as it should be; replaces what is there."""
        folder = self.months / self._name(number)
        shutil.rmtree(folder, ignore_errors=True)
        return Path(shutil.copytree(self.made / self._name(number), folder))

    def arrive_with_zeros(self, number: int) -> None:
        self._change(self.arrive(number) / "support_agg_90d.csv", "support_tickets_90d", slice(None), "0")

    def arrive_without_labels(self, number: int) -> None:
        (self.arrive(number) / "labels.csv").unlink()

    def arrive_with_labels_of(self, number: int, earlier: int) -> None:
        late = self.arrive(number) / f"labels_{day_of(earlier)}.csv"
        shutil.copy(self.made / self._name(earlier) / "labels.csv", late)

    def correct(self, number: int, users: int) -> None:
        """The first users paid more."""
        file = self.months / self._name(number) / "subscriptions.csv"
        self._change(file, "monthly_fee", slice(0, users - 1), "99.95")

    def rows(self, number: int) -> pd.DataFrame:
        """The made month, with its labels."""
        folder = self.made / self._name(number)
        rows = pd.read_csv(folder / "users.csv")
        for name in ("subscriptions", "usage_agg_30d", "payments_agg_90d", "support_agg_90d", "labels"):
            rows = rows.merge(pd.read_csv(folder / f"{name}.csv"), on="user_id", validate="one_to_one")
        plans = {name: rows[name].eq(True) for name in ("plan_stream_tv", "plan_stream_movies")}
        return rows.assign(**plans).sort_values("user_id", ignore_index=True)

    @staticmethod
    def day(number: int) -> date:
        return day_of(number)

    @staticmethod
    def _name(number: int) -> str:
        return f"month_{number:03d}"

    @staticmethod
    def _change(file: Path, column: str, users: slice, value: str) -> None:
        rows = pd.read_csv(file, dtype=str, keep_default_na=False)
        rows.loc[users, column] = value
        rows.to_csv(file, index=False)
