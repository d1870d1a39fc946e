"""Runs the steps of a month by their entry-point names, as child runs in this process, and skips those whose result is
there already."""

import time
from collections.abc import Callable, Mapping

from mlflow.entities import Run

from steps.cli import console
from steps.runs import child_runs, entry_points, inputs, tracking
from steps.runs.inputs import digest


class Runner:
    """Numbers the steps as it runs or skips them. total: how many there are at most."""

    def __init__(self, total: int) -> None:
        self._number, self._total = 0, total

    def step(
        self,
        name: str,
        values: Mapping[str, str],
        made_from: Mapping[str, object],
        still_holds: Callable[[Run], bool] = lambda _run: True,
    ) -> Run:
        """The step's finished run with these values, made from the same inputs with the same code: an earlier one, if
        what it did still holds, or else a new one. Raises the step's errors."""
        arguments = entry_points.arguments(name, values)
        code = tracking.code_identity()
        sha256 = digest(name, {**made_from, "code": code, "arguments": arguments})
        done = tracking.newest_run(name, {inputs.INPUTS_TAG: sha256})
        if done and still_holds(done):
            self.skip(name, f"done before, by run {done.info.run_id}")
            return done
        with inputs.of_next_run(sha256):
            return self.run(name, values)

    def run(self, name: str, values: Mapping[str, str]) -> Run:
        """Runs the step, whatever ran before. Returns its finished run. Raises the step's errors."""
        place = self._next()
        started = time.perf_counter()
        console.say(f"{place} {name}")
        finished = child_runs.run_step(name, values)
        console.say(f"{place} {name} took {time.perf_counter() - started:.1f} s")
        return finished

    def skip(self, name: str, reason: str) -> None:
        console.say(f"{self._next()} {name}: {reason}")

    def _next(self) -> str:
        self._number += 1
        return f"[{self._number}/{self._total}]"
