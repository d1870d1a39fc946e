"""Kills whole months with SIGKILL at random moments, and runs them again until they end. Afterwards warehouse,
versions, stages, decisions and online values are those of the same months that nobody killed.

    python -m bench.kills.month --kills 20 --state .streamflow-kills
"""

import argparse
import json
import os
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

from bench.kills.processes import kill_after
from bench.scale.stages import open_state, run
from configuration.months import day_of
from local_stack.settings import ROOT
from steps.runs.entry_points import arguments

USERS, KILLS_A_MONTH = 600, 5
FIRST_KILL_S, LAST_KILL = 1.0, 0.6  # seconds, and a share of the time without kills: what is done is skipped
Environment = Mapping[str, str]


def main() -> None:
    options = parse_args()
    state = Path(options.state).resolve()
    shutil.rmtree(state, ignore_errors=True)
    months = max(2, -(-options.kills // (KILLS_A_MONTH - 1)))
    sizes = ("--users", str(USERS), "--months", str(months), "--seed", "3")
    run(["-m", "steps.sample_months", "--out-dir", str(state / "months"), *sizes], {})
    with server(state / "clean") as environment:
        seconds = [clean(command(state / "months", number), environment) for number in range(months)]
        expected = end_state(environment)
    with server(state / "killed") as environment:
        kills = kill_all(state / "months", seconds, options.kills, environment)
        after = end_state(environment)
    for name in expected:
        if after[name] != expected[name]:
            raise AssertionError(f"{name} after {kills} kills: {after[name]}\nwithout kills: {expected[name]}")
    made = f"{len(expected['versions'])} versions, {len(expected['decisions'])} decisions"
    print(f"[OK] {kills} kills in {months} months: the same rows, scores, {made} and online values as without kills")


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench.kills.month", description=__doc__)
    parser.add_argument("--kills", type=int, required=True)
    parser.add_argument("--state", required=True, help="state folder, used by nothing else; it is emptied")
    return parser.parse_args()


@contextmanager
def server(state: Path) -> Iterator[Environment]:
    with open_state(str(state)) as environment, mock.patch.dict(os.environ, environment):
        yield environment


def command(months: Path, number: int) -> list[str]:
    """The whole month, with a new training in each."""
    values = {"month_dir": str(months / f"month_{number:03d}"), "as_of": str(day_of(number)), "retrain": "always"}
    return ["-m", "steps.main", *arguments("main", values)]


def clean(month: list[str], environment: Environment) -> float:
    """The seconds that it takes."""
    started = time.monotonic()
    run(month, environment)
    return time.monotonic() - started


def kill_all(months: Path, seconds: list[float], kills: int, environment: Environment) -> int:
    """Kills each month up to KILLS_A_MONTH times, then lets it end. Returns the number of kills."""
    chance, count = random.Random(5), 0  # noqa: S311 - repeatable, not secret
    for number, usual in enumerate(seconds):
        month = command(months, number)
        for _time in range(KILLS_A_MONTH):
            after = chance.uniform(FIRST_KILL_S, LAST_KILL * usual)
            killed = count < kills and kill_after(month, environment, after)
            count += killed
            print(f"  {day_of(number)}: {f'killed after {after:.1f} s' if killed else 'ended'}", flush=True)
            if not killed:
                break
        run(month, environment)
    return count


def end_state(environment: Environment) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-m", "bench.kills.end_state"], env={**os.environ, **environment}, cwd=ROOT, text=True,
        stdout=subprocess.PIPE, check=True,
    )  # fmt: skip
    state: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return state


if __name__ == "__main__":
    main()
