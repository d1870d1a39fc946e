"""Queries of tests to PostgreSQL and MLflow, past the steps."""

from typing import Any

from mlflow.entities import Run
from mlflow.tracking import MlflowClient

from tests.sql import empty, execute, fetch

__all__ = ["empty", "execute", "fetch"]  # tests of the steps import them from here
SNAPSHOTS = (
    "subscriptions_profile_snapshots",
    "usage_agg_30d_snapshots",
    "payments_agg_90d_snapshots",
    "support_agg_90d_snapshots",
)
TABLES = ("months", "users", *SNAPSHOTS, "labels")


def contents() -> dict[str, list[tuple[Any, ...]]]:
    """Every row of every table, with its address and its transaction: every write shows."""
    return {table: fetch(f"SELECT ctid::text, xmin::text, * FROM {table} ORDER BY 1") for table in TABLES}  # noqa: S608


def rewrite_in_another_order() -> None:
    """Moves the rows: a query without ORDER BY returns them in another order."""
    for table in (*SNAPSHOTS, "labels"):
        execute(
            f"CREATE TEMP TABLE kept AS SELECT * FROM {table}; TRUNCATE {table};"  # noqa: S608
            f"INSERT INTO {table} SELECT * FROM kept ORDER BY md5(user_id || 'another'); ANALYZE {table}"
        )


def last_run(step: str, experiment: str, status: str = "", having: str = "") -> Run:
    """The newest run of the step. status: empty for any. having: another condition for MLflow."""
    conditions = "".join(f" AND {part}" for part in (status and f"attributes.status = '{status}'", having) if part)
    runs = MlflowClient().search_runs(
        [experiment],
        filter_string=f"tags.`streamflow.step` = '{step}'{conditions}",
        order_by=["attributes.start_time DESC"],
        max_results=1,
    )
    run: Run = runs[0]
    return run
