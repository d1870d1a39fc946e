"""Calm made-up months, and a version trained on the first of them, as the monitor sees them; without a database."""

import itertools
from collections.abc import Iterator, Sequence
from datetime import date

import pandas as pd
import pyarrow as pa

from configuration import names
from steps.cli.settings import LABEL
from steps.monitoring.assessment import Month, Subject, Training
from steps.monitoring.performance import LabelledMonth, labelled
from steps.monitoring.reading import BEFORE, TRAINING, rules_of
from steps.monitoring.samples import Sample
from steps.month.population import monthly_snapshots
from steps.scoring.scores import LeftOut, MonthScores
from steps.training import pipelines
from steps.training.split import folds, split

PLANS = ("plan_stream_tv", "plan_stream_movies")
DAYS = [date(2024 + number // 12, number % 12 + 1, 28) for number in range(60)]
HYPERPARAMETERS = pipelines.Hyperparameters(300, 150, 8, 0.05, 1.0)  # the defaults of train
FEATURES = (
    "months_active", "monthly_fee", "paperless_billing", *PLANS, "net_service", "watch_hours_30d",
    "avg_session_mins_7d", "unique_devices_30d", "skips_7d", "rebuffer_events_7d", "failed_payments_90d",
    "support_tickets_90d", "ticket_avg_resolution_hrs_90d",
)  # fmt: skip
RULES = rules_of(dict.fromkeys(FEATURES, ""))


def calm_months(seed: int, months: int, users: int) -> Iterator[pd.DataFrame]:
    """Consecutive months of one population, with the labels, sorted by user as the warehouse reads them."""
    for rows in itertools.islice(monthly_snapshots(seed, 0), months):
        plans = {name: rows[name].fillna(False).astype(bool) for name in PLANS}
        yield rows.assign(**plans).head(users).sort_values("user_id", ignore_index=True)


def sample(rows: pd.DataFrame, as_of: date, name: str, features: Sequence[str] = FEATURES) -> Sample:
    columns = {feature: pa.array(rows[feature].to_numpy()) for feature in features}
    return Sample(name, as_of, pa.array(rows["user_id"].to_numpy(str)), columns)


class Version:
    """Gradient boosting trained on a month, calibrated and split by user as `train` does."""

    def __init__(self, rows: pd.DataFrame) -> None:
        parts = split(rows, "user")
        unfitted = pipelines.pipeline(
            "hist_gradient_boosting", HYPERPARAMETERS, {"net_service": sorted(rows["net_service"].unique())}
        )
        calibrated = pipelines.calibrated(unfitted, "sigmoid", folds(parts.train, "user"))
        self._fitted = pipelines.fit(calibrated, parts.train, FEATURES)
        self._trained = set(parts.train["user_id"])
        left = parts.validation[LABEL].to_numpy(bool)
        probability = self._probability(parts.validation)
        everyone = rows[LABEL].to_numpy(bool)
        self.training = Training(sample(rows, DAYS[0], TRAINING), everyone, probability, left, calibrated=True)

    def _probability(self, rows: pd.DataFrame) -> pipelines.Probabilities:
        return pipelines.churn_probability(self._fitted, rows, FEATURES)

    def month(self, rows: pd.DataFrame, as_of: date, name: str) -> tuple[Month, LabelledMonth]:
        probability = self._probability(rows)
        trained = rows["user_id"].isin(self._trained).to_numpy(bool)
        users = sample(rows, as_of, name)
        scored = MonthScores(
            pa.chunked_array([users.user_ids]), probability, probability > names.FORMER_THRESHOLD, trained, LeftOut()
        )
        labels = pa.table({name: rows[name] for name in ("user_id", LABEL)})
        return Month(users, scored, rows[LABEL].to_numpy(bool)), labelled(scored, labels)


def subjects(seed: int, months: int, users: int) -> Iterator[Subject]:
    """One for each month after the first."""
    snapshots = list(calm_months(seed, months + 1, users))
    version = Version(snapshots[0])
    for number in range(1, months + 1):
        before, _labels = version.month(snapshots[number - 1], DAYS[number - 1], BEFORE)
        now, labels = version.month(snapshots[number], DAYS[number], "")
        yield Subject(now, before, version.training, RULES, {DAYS[number]: labels})
