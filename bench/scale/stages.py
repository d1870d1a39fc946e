"""Measures ingest, materialize, training sets on each engine, train, register, score, monitor, look-up and the pages of
the console for months of growing size, next to their stock variants -> reports/scale.md. Each stage runs in its own
process, so its memory is its own.

    python -m bench.scale --sizes 7043,100000,1000000 --stock-up-to 100000 --state .streamflow-scale
"""

import argparse
import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

from bench.scale import report
from bench.scale.pages import PAGES
from bench.scale.report import Measured
from bench.testbed import redis_server
from local_stack import chain
from local_stack.database import postgres
from local_stack.processes import free_port
from local_stack.settings import ROOT, Settings
from steps.runs import entry_points

AS_OF, NEXT_MONTH = "2024-01-31", "2024-02-29"
WIDE = "churn_v2"  # the FeatureService of 16 features
IN_REDIS = {"STREAMFLOW_ONLINE_STORE": "redis"}
STOCK, CONSOLE = ["-m", "bench.scale.stock"], ["-m", "bench.scale.pages"]


@dataclass(frozen=True)
class Stage:
    """One measured Python process."""

    name: str
    way: str
    """`project` or `stock`"""
    command: list[str]
    extra: Mapping[str, str]
    """Environment variables of this stage"""


def main() -> None:
    options = parse_args()
    sizes = [int(size) for size in options.sizes.split(",")]
    with open_state(options.state) as environment, redis_if_installed() as redis:
        measured: list[Measured] = []
        try:
            for size in sizes:
                stock = size <= options.stock_up_to
                for stage in measure_size(size, {**environment, **redis}, Path(options.state), stock=stock):
                    measured.append(stage)  # one by one, because an error must not lose the stages before it
        finally:
            if measured:
                report.write(ROOT / "reports", measured)


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench.scale", description=__doc__)
    parser.add_argument("--sizes", required=True, help="numbers of users, separated by commas")
    parser.add_argument("--stock-up-to", type=int, required=True, help="largest size measured with the stock variants")
    parser.add_argument("--state", required=True, help="state folder, used by nothing else")
    return parser.parse_args()


@contextmanager
def open_state(state: str) -> Iterator[dict[str, str]]:
    """A running PostgreSQL with MLflow's tables, on the environment's port. Yields the variables that clients need."""
    with mock.patch.dict(os.environ, {"STREAMFLOW_STATE": state}):
        settings = Settings.from_env()
        postgres.start(settings)
        try:
            chain.prepare_tracking(settings)
            yield settings.child_environment()
        finally:
            postgres.stop(settings)


@contextmanager
def redis_if_installed() -> Iterator[dict[str, str]]:
    """A running Redis, if it is installed. Yields the variable with its address, or nothing."""
    if redis_server.missing():
        yield {}
        return
    with redis_server.open_redis(free_port()) as redis:
        yield {"STREAMFLOW_REDIS": redis.url}


def measure_size(size: int, environment: dict[str, str], state: Path, *, stock: bool) -> Iterator[Measured]:
    months = state.resolve() / f"users_{size}"
    run(
        ["-m", "steps.sample_months", "--out-dir", str(months), "--users", str(size), "--months", "2", "--seed", "42"],
        {},
    )
    run([*STOCK, "empty"], environment)
    for stage in stages(months / "month_000", months / "month_001"):
        if stage.way == "stock" and not stock:
            continue
        if stage.extra == IN_REDIS and redis_server.missing():
            continue
        seconds, peak_mb, output = run(stage.command, {**environment, **stage.extra})
        figure = float(output.split("figure=")[1].split()[0]) if "figure=" in output else None
        print(
            f"{size:>9} {stage.name:<28} {stage.way:<7} {seconds:8.1f} s {peak_mb:7.0f} MB {figure or ''}", flush=True
        )
        yield Measured(size, stage.name, stage.way, seconds, peak_mb, figure)


def stages(month: Path, next_month: Path) -> list[Stage]:
    def step(name: str, entry_point: str, extra: Mapping[str, str] | None = None, **parameters: str) -> Stage:
        arguments = entry_points.arguments(entry_point, {"as_of": AS_OF, **parameters})
        return Stage(name, "project", ["-m", f"steps.{entry_point}", *arguments], extra or {})

    def stock(name: str, *arguments: str) -> Stage:
        return Stage(name, "stock", [*STOCK, *arguments], {})

    joins = {
        engine: step(f"training set: {engine}", "build_dataset", {"STREAMFLOW_OFFLINE_ENGINE": engine})
        for engine in ("postgres", "duckdb", "spark")
    }
    return [
        stock("ingest", "ingest", str(month)),
        step("ingest", "ingest", month_dir=str(month)),
        step("ingest again", "ingest", month_dir=str(month)),
        stock("materialize", "materialize", AS_OF),
        step("materialize", "materialize"),
        step("materialize: redis", "materialize", IN_REDIS),
        stock("training set: postgres", "training-set", AS_OF),
        joins["postgres"],
        joins["duckdb"],
        step("train", "train", model="hist_gradient_boosting"),
        step("register", "register", min_auc="0.5", force="true"),
        step("score", "score"),
        step("train: 16 features", "train", model="hist_gradient_boosting", feature_service=WIDE),
        step("register: 16 features", "register", min_auc="0.5", force="true"),
        step("ingest: the next month", "ingest", as_of=NEXT_MONTH, month_dir=str(next_month)),
        step("monitor: 16 features", "monitor", as_of=NEXT_MONTH),
        Stage("look-up", "project", [*STOCK, "look-up", str(month)], {}),
        Stage("look-up: redis", "project", [*STOCK, "look-up", str(month)], IN_REDIS),
        *(Stage(f"{report.PAGE}{page}", "project", [*CONSOLE, str(month), page], {}) for page in PAGES),
        *([joins["spark"]] if report.spark_is_installed() else []),
    ]  # fmt: skip


def run(arguments: list[str], environment: Mapping[str, str]) -> tuple[float, float, str]:
    """Runs a Python process. Returns seconds, peak memory in MB and its output. Raises RuntimeError when it fails."""
    started = time.monotonic()
    process = subprocess.Popen(  # noqa: S603 - our own modules
        [sys.executable, *arguments], env={**os.environ, **environment}, cwd=ROOT, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, text=True, start_new_session=True,
    )  # fmt: skip
    assert process.stdout  # noqa: S101 - opened as a pipe
    with contextlib.closing(process.stdout) as out:
        output = out.read()
    _pid, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    peak_mb = usage.ru_maxrss / 1024
    if process.returncode:
        raise RuntimeError(f"{' '.join(arguments)} failed:\n{output[-3000:]}")
    return time.monotonic() - started, peak_mb, output
