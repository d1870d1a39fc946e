"""A month's six CSV files: their declared schema, and every way in which files can break it.

In: a folder. Out: one DataFrame of text per file, exactly as written (so that no number changes on its way into the
database), with the empty plan columns of users without internet filled in. Raises FaultyMonth with every fault.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import pandas as pd
import pandera.pandas as pa
from pandera.errors import SchemaErrors

from steps.column_rules import day, flag, number, one_of, user_id, whole
from steps.csv_text import Fault, read_text
from steps.errors import FaultyMonth
from steps.month_digest import files_sha256

HOURS_IN_30_DAYS = 30 * 24
MINUTES_IN_A_DAY = 24 * 60
PLANS = ("plan_stream_tv", "plan_stream_movies")
SHOWN_FAULTS = 50


FILES: Mapping[str, pa.DataFrameSchema] = {
    "users": pa.DataFrameSchema(
        {
            "user_id": user_id(),
            "signup_date": day(),
            "user_gender": one_of("Female", "Male"),
            "user_is_senior": flag(),
            "has_family": flag(),
            "has_dependents": flag(),
        }
    ),
    "subscriptions": pa.DataFrameSchema(
        {
            "user_id": user_id(),
            "months_active": whole(high=1200),
            "plan_stream_tv": flag(may_be_empty=True),
            "plan_stream_movies": flag(may_be_empty=True),
            "contract_type": one_of("Month-to-month", "One year", "Two year"),
            "paperless_billing": flag(),
            "monthly_fee": number(high=10_000),
            "total_paid": number(),
            "net_service": one_of("DSL", "Fiber optic", "No"),
        }
    ),
    "usage_agg_30d": pa.DataFrameSchema(
        {
            "user_id": user_id(),
            "watch_hours_30d": number(high=HOURS_IN_30_DAYS),
            "avg_session_mins_7d": number(high=MINUTES_IN_A_DAY),
            "unique_devices_30d": whole(high=10_000),
            "skips_7d": whole(),
            "rebuffer_events_7d": whole(),
        }
    ),
    "payments_agg_90d": pa.DataFrameSchema({"user_id": user_id(), "failed_payments_90d": whole(high=10_000)}),
    "support_agg_90d": pa.DataFrameSchema(
        {
            "user_id": user_id(),
            "support_tickets_90d": whole(high=100_000),
            "ticket_avg_resolution_hrs_90d": number(high=100_000),
        }
    ),
    "labels": pa.DataFrameSchema({"user_id": user_id(), "churn_label": flag()}),
}


@dataclass(frozen=True)
class Month:
    """One month as text: a frame per file, columns in declared order, and the sha256 over the six files' bytes."""

    tables: Mapping[str, pd.DataFrame]
    files_sha256: str


def read_month(folder: Path, as_of: date) -> Month:
    """Raises FaultyMonth, with every fault found in any of the files, unless all of them keep to the schema."""
    faults: list[Fault] = []
    tables: dict[str, pd.DataFrame] = {}
    for name, schema in FILES.items():
        frame, found = read_text(folder / f"{name}.csv", list(schema.columns))
        faults += found
        if frame is not None:
            faults += _broken_rules(f"{name}.csv", schema, frame)
            tables[name] = frame
    faults += _unknown_users(tables) + _unexplained_empty_plans(tables)
    if faults:
        faults.sort(key=lambda fault: (list(FILES).index(fault.file.removesuffix(".csv")), fault.line or 0))
        raise FaultyMonth(_summary(folder, as_of, faults), faults)
    return Month(_with_plans_filled(tables), files_sha256(folder))


def _broken_rules(file: str, schema: pa.DataFrameSchema, frame: pd.DataFrame) -> list[Fault]:
    try:
        schema.validate(frame, lazy=True)
    except SchemaErrors as error:
        cases = error.failure_cases
        return [
            Fault(file, int(line), column, value, "is there twice" if check == "field_uniqueness" else check)
            for line, column, value, check in zip(
                cases["index"], cases["column"], cases["failure_case"], cases["check"], strict=True
            )
        ]
    return []


def _unknown_users(tables: Mapping[str, pd.DataFrame]) -> list[Fault]:
    if "users" not in tables:
        return []
    known = tables["users"]["user_id"]
    return [
        Fault(f"{name}.csv", int(str(line)), "user_id", value, "is not in users.csv")
        for name, frame in tables.items()
        for line, value in frame.loc[~frame["user_id"].isin(known) & (frame["user_id"] != ""), "user_id"].items()
    ]


def _unexplained_empty_plans(tables: Mapping[str, pd.DataFrame]) -> list[Fault]:
    if "subscriptions" not in tables:
        return []
    frame = tables["subscriptions"]
    with_internet = frame[frame["net_service"] != "No"]
    return [
        Fault("subscriptions.csv", int(str(line)), plan, "", "is empty although net_service is not No")
        for plan in PLANS
        for line in with_internet.index[with_internet[plan] == ""]
    ]


def _with_plans_filled(tables: Mapping[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    """Without internet there is no streaming plan: empty means False there (elsewhere it was a fault)."""
    profile = tables["subscriptions"]
    filled = profile.assign(**{plan: profile[plan].replace("", "False") for plan in PLANS})
    return {**tables, "subscriptions": filled}


def _summary(folder: Path, as_of: date, faults: list[Fault]) -> str:
    shown = "\n".join(f"  {fault}" for fault in faults[:SHOWN_FAULTS])
    hidden = len(faults) - SHOWN_FAULTS
    more = f"\n  … and {hidden} more: all of them are in the run's artifact faults.csv" if hidden > 0 else ""
    what = f"{len(faults)} faults in {folder} for {as_of}; nothing was loaded."
    return f"{what} Correct the files and ingest again:\n{shown}{more}"
