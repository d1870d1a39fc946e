"""Made-up months as the monitor sees them, and what may go wrong with one."""

import itertools
from dataclasses import replace
from datetime import date

import pandas as pd
import pyarrow as pa

from steps.monitoring.samples import Sample
from steps.month.files import FILES
from steps.month.population import monthly_snapshots
from steps.month.rules import AcrossMonths, across_months

DECLARED = {name: rule for schema in FILES.values() for name, rule in across_months(schema).items()}
FEATURES = [
    "months_active", "monthly_fee", "paperless_billing", "plan_stream_tv", "plan_stream_movies", "net_service",
    "watch_hours_30d", "avg_session_mins_7d", "unique_devices_30d", "skips_7d", "rebuffer_events_7d",
    "failed_payments_90d", "support_tickets_90d", "ticket_avg_resolution_hrs_90d",
]  # fmt: skip
ALL_FEATURES = [*FEATURES, "contract_type", "total_paid"]
RULES: dict[str, AcrossMonths] = {name: DECLARED[name] for name in FEATURES}
DAYS = [date(2024 + number // 12, number % 12 + 1, 28) for number in range(60)]


def calm_months(seed: int, months: int, users: int) -> list[Sample]:
    """Consecutive months of one population."""
    snapshots = itertools.islice(monthly_snapshots(seed, 0), months)
    return [sample(rows.head(users), day) for rows, day in zip(snapshots, DAYS, strict=False)]


def sample(rows: pd.DataFrame, as_of: date) -> Sample:
    """rows: the columns of the monthly files; sorted by user, as the warehouse reads them."""
    rows = rows.sort_values("user_id")
    plans = {name: rows[name].fillna(False).astype(bool) for name in ("plan_stream_tv", "plan_stream_movies")}
    rows = rows.assign(**plans)
    columns = {name: pa.array(rows[name].to_numpy()) for name in ALL_FEATURES}
    return Sample("month before", as_of, pa.array(rows["user_id"].to_numpy(str)), columns)


def with_column(month: Sample, name: str, values: pa.Array) -> Sample:
    return replace(month, columns={**month.columns, name: values})
