"""Kills materialize with SIGKILL at random moments. After each kill, all views of all users hold one month; after a
second run they equal the CSV files.

    python -m bench.kills.materialize --kills 20 --store postgres --state .streamflow-scale
"""

import argparse
import os
import random
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any
from unittest import mock

import pandas as pd

from bench.kills.processes import kill_after
from bench.scale.stages import open_state, run
from bench.testbed.redis_server import open_redis
from feature_store.deadline import Deadline
from feature_store.plans import make_plan
from feature_store.readers import open_reader
from local_stack.processes import free_port
from steps.runs.entry_points import arguments

USERS = 2_000
READ_LIMIT_S = 30.0
SNAPSHOTS = ("subscriptions", "usage_agg_30d", "payments_agg_90d", "support_agg_90d")
PLANS = ["plan_stream_tv", "plan_stream_movies"]

Values = Mapping[str, list[Any]]
"""user -> features in the model's order; all None for a user who is not in the store"""


def main() -> None:
    options = parse_args()
    months = Path(options.state).resolve() / "kills"
    count = options.kills + 1
    sizes = ("--users", str(USERS), "--months", str(count), "--seed", "3")
    run(["-m", "steps.sample_months", "--out-dir", str(months), *sizes], {})
    with (
        open_store(options.store) as store,
        mock.patch.dict(os.environ, store),
        open_state(options.state) as environment,
        mock.patch.dict(os.environ, environment),
    ):
        run(["-m", "bench.scale.stock", "empty"], environment)
        days = [as_of for _number, as_of in zip(range(count), month_ends(), strict=False)]
        for number, as_of in enumerate(days):
            folder = str(months / f"month_{number:03d}")
            parameters = {"month_dir": folder, "as_of": str(as_of)}
            run(["-m", "steps.ingest", *arguments("ingest", parameters)], environment)
        kill_and_check(months, days, environment)


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench.kills.materialize", description=__doc__)
    parser.add_argument("--kills", type=int, required=True)
    parser.add_argument("--store", choices=("postgres", "redis"), required=True, help="online store")
    parser.add_argument("--state", required=True, help="state folder, used by nothing else")
    return parser.parse_args()


@contextmanager
def open_store(kind: str) -> Iterator[dict[str, str]]:
    """The settings of the online store. Redis is started for the block."""
    if kind == "postgres":
        yield {"STREAMFLOW_ONLINE_STORE": "postgres"}
        return
    with open_redis(free_port()) as redis:
        yield {"STREAMFLOW_ONLINE_STORE": "redis", "STREAMFLOW_REDIS": redis.url}


def month_ends() -> Iterator[date]:
    for stamp in pd.date_range("2024-01-31", periods=120, freq="ME"):
        yield stamp.date()


def kill_and_check(months: Path, days: list[date], environment: dict[str, str]) -> None:
    """Raises AssertionError when the store holds two months at once, or not the files' values after a second run."""
    seconds, _peak, _output = run(["-m", "steps.materialize", "--as-of", str(days[0])], environment)
    old = in_files(months / "month_000")
    chance, still_old = random.Random(5), 0  # noqa: S311 - repeatable, not secret
    for number, as_of in enumerate(days[1:], start=1):
        new = in_files(months / f"month_{number:03d}")
        after = chance.uniform(0.3, 1.05) * seconds
        kill_after(["-m", "steps.materialize", "--as-of", str(as_of)], environment, after)
        values = online({*old, *new})
        if values not in (expected(old, values), expected(new, values)):
            raise AssertionError(f"{as_of}, killed after {after:.2f} s: two months are online at the same time")
        still_old += values == expected(old, values)
        run(["-m", "steps.materialize", "--as-of", str(as_of)], environment)
        if online(new) != new:
            raise AssertionError(f"{as_of}: after the second run, the online values differ from the files")
        old = new
    kills = len(days) - 1
    print(f"[OK] {kills} kills: the old month {still_old} times, the new month {kills - still_old}, never both")


def expected(month: Values, users: Iterable[str]) -> Values:
    """The month's values of these users; None for users who are not in it."""
    nothing = [None] * len(next(iter(month.values())))
    return {user: month.get(user, nothing) for user in users}


def online(users: Iterable[str]) -> Values:
    """The users' values in the online store, through the gateway's reader."""
    plan, reader, user_ids = make_plan("churn_v1"), open_reader(), list(users)
    try:
        rows = reader.read(plan, user_ids, Deadline.after(READ_LIMIT_S))
        return {user: list(row.features.values()) for user, row in zip(user_ids, rows, strict=True)}
    finally:
        reader.close()


def in_files(folder: Path) -> Values:
    """A month's features, read from its files with pandas alone, independent of the project's own code."""
    names = list(make_plan("churn_v1").names)
    users = pd.read_csv(folder / "users.csv")[["user_id"]]
    for name in SNAPSHOTS:
        users = users.merge(
            pd.read_csv(folder / f"{name}.csv", float_precision="round_trip"),
            on="user_id",
            how="left",
            validate="one_to_one",
        )
    users[PLANS] = users[PLANS].eq(True)  # empty without internet, and so no plan
    return {row["user_id"]: [row[name] for name in names] for row in users.to_dict("records")}


if __name__ == "__main__":
    main()
