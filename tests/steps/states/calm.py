"""Made-up months as the monitor sees them."""

from dataclasses import replace

import pyarrow as pa

from bench.monitor_rates.months import DAYS, RULES, sample
from bench.monitor_rates.months import calm_months as months_of_rows
from steps.monitoring.samples import Sample

__all__ = ["RULES", "calm_months", "with_column"]


def calm_months(seed: int, months: int, users: int) -> list[Sample]:
    """Consecutive months of one population."""
    rows = months_of_rows(seed, months, users)
    return [sample(month, day, "month before,") for month, day in zip(rows, DAYS, strict=False)]


def with_column(month: Sample, name: str, values: pa.Array) -> Sample:
    return replace(month, columns={**month.columns, name: values})
