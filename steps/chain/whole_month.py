"""One month from its folder to a decision: which steps it needs, in which order, and what each is made from."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import date
from functools import cached_property, partial

import mlflow
from mlflow.entities import Run
from mlflow.tracking import MlflowClient

from configuration import names
from steps import warehouse
from steps.chain import attempts, learning, month_folder
from steps.chain.attempts import Beginning
from steps.chain.month_folder import LateLabels, MonthFolder
from steps.chain.options import Options
from steps.chain.retraining import Retraining
from steps.chain.runner import Runner
from steps.cli import dates
from steps.cli.errors import StoppedByRule, TooFewToLearn
from steps.registry import decisions
from steps.runs import descriptions, outcomes, tracking
from steps.training import dataset_runs

FIRST = ("check_month", "ingest", "materialize", "build_dataset", "train", "register")
LATER = ("check_month", "ingest", "score", "monitor", "materialize", "select_model", "register")
NEED_LABELS = ("build_dataset", "train", "select_model", "register")
UNLABELLED = (
    "[OK] {as_of} is loaded and online. It has no labels yet, so nothing was trained. When they arrive: "
    "mlflow run . -e labels -P labels_file=FILE -P as_of={as_of}, then the same command again"
)
TOO_FEW = "[OK] {as_of} is loaded and online. Nothing was trained: {error}"


@contextmanager
def recorded(options: Options) -> Iterator[None]:
    """The run of main, for the block."""
    with tracking.step_run("main", f"chain_{options.as_of}", asdict(options)):
        mlflow.set_tag("as_of", options.as_of)
        yield


def run(options: Options) -> int:
    """Runs what is left to do of the month, inside recorded(). Returns the exit code.

    Raises the errors of the steps, StoppedByRule among them; then the same call continues where this one ended.
    """
    folder = month_folder.read(options.month_dir, options.as_of, warehouse.loaded_months())
    before = attempts.newest(folder)
    if before and attempts.has_finished(before, folder, options.lasting):
        return _already_done(before, folder)
    start = attempts.beginning(before)
    mlflow.set_tags(start.tags(folder, options.lasting))
    try:
        text, code = WholeMonth(options, folder, start).run()
    except StoppedByRule as stop:
        outcomes.record(stop.exit_code)
        raise
    return _finish(text, code, options.as_of)


def _already_done(run: Run, folder: MonthFolder) -> int:
    descriptions.conclude(f"[OK] {folder.as_of}: nothing to do; run {run.info.run_id} has done it with these files.")
    mlflow.set_tags({name: run.data.tags[name] for name in _CARRIED if name in run.data.tags})
    code = attempts.exit_code(run)
    if code:
        outcomes.record(code)
    return code


_CARRIED = (
    attempts.FOLDER_TAG, attempts.CHAMPION_TAG, attempts.OPTIONS_TAG, attempts.TRAINED_TAG, attempts.LABELS_TAG,
    attempts.VERSION_TAG, "files_sha256",
)  # fmt: skip


def _finish(text: str, code: int, as_of: date) -> int:
    descriptions.conclude(text)
    if code:
        outcomes.record(code)
    labels = attempts.labels_fingerprint(as_of)
    # last: a month whose chain did not finish has to run again
    mlflow.set_tags(
        {"files_sha256": warehouse.files_sha256(as_of), **({attempts.LABELS_TAG: labels} if labels else {})}
    )
    return code


class WholeMonth:
    """The steps of a month, and what they follow from."""

    def __init__(self, options: Options, folder: MonthFolder, start: Beginning) -> None:
        self._options, self._folder, self._start = options, folder, start
        self._as_of, self._champion = options.as_of, start.champion
        self._steps = LATER if self._champion.number else FIRST
        self._runner = Runner(len(self._steps) + len(folder.late_labels))

    def run(self) -> tuple[str, int]:
        """The closing line and the exit code."""
        self._load()
        verdict = self._judge() if self._champion.number else None
        self._put_online()
        return self._learn(verdict)

    def _load(self) -> None:
        options, folder = self._options, self._folder
        checked = options.text("month_dir", "as_of", "accept", "confirm_date", "new_categories")
        self._runner.step("check_month", checked, {"folder": folder.sha256, "before": self._months_before()})
        if warehouse.files_sha256(self._as_of) == folder.files_sha256:
            self._runner.skip("ingest", "done before: exactly these files are loaded")
        else:
            self._runner.run("ingest", options.text("month_dir", "as_of", "mix", "confirm_date", "new_categories"))
        for late in folder.late_labels:
            self._load_late(late)

    def _load_late(self, late: LateLabels) -> None:
        """They are known since this month, or today where the month is in the future."""
        known_at = min(self._as_of, max(dates.today(), late.as_of))
        values = {"labels_file": str(late.path), "as_of": str(late.as_of), "known_at": str(known_at)}
        self._runner.step("labels", values, {"file": late.sha256, "loaded": warehouse.loaded_at(late.as_of)})

    def _months_before(self) -> dict[str, str]:
        earlier = [day for day in warehouse.loaded_months() if day < self._as_of]
        return {str(day): warehouse.month_fingerprint(day) for day in earlier[-1:]}

    @cached_property
    def _month(self) -> dict[str, str]:
        """Also when it was loaded: after it was removed and loaded again, its scores and online values are gone."""
        return {"month": warehouse.month_fingerprint(self._as_of), "loaded": str(warehouse.loaded_at(self._as_of))}

    def _judge(self) -> Run:
        """The finished run of the monitor. The month is scored and judged by the version it began with."""
        values = {"as_of": str(self._as_of), "version": str(self._champion.number)}
        made_from = {**self._month, "version": self._champion.identity}
        labels = warehouse.newest_labels_fingerprint(self._as_of)
        self._runner.step("score", values, {**made_from, "labels": labels})
        history = {
            str(day): [str(warehouse.loaded_at(day)), warehouse.newest_labels_fingerprint(day)]
            for day in warehouse.loaded_months()
            if day <= self._as_of
        }
        return self._runner.step("monitor", values, {**made_from, "before": self._months_before(), "history": history})

    def _put_online(self) -> None:
        self._runner.step("materialize", {"as_of": str(self._as_of)}, self._month)

    def _learn(self, verdict: Run | None) -> tuple[str, int]:
        month = learning.newest_labelled()
        decision = learning.decide(self._options, self._champion, verdict, month)
        if month is None or not decision.retrain:
            for step in self._steps:
                if step in NEED_LABELS:
                    self._runner.skip(step, f"not needed: {decision.reason}")
            self._record(decision, verdict)
            return self._closing(decision, verdict), 0
        try:
            training = self._train(month)
        except TooFewToLearn as error:
            self._record(Retraining(False, f"nothing was trained: {error}", "too few users"), verdict)
            return TOO_FEW.format(as_of=self._as_of, error=error), 0
        self._record(decision, verdict)
        mlflow.set_tag(attempts.TRAINED_TAG, training.info.run_id)
        return self._register(training, decision)

    def _closing(self, decision: Retraining, verdict: Run | None) -> str:
        if verdict is None:
            return UNLABELLED.format(as_of=self._as_of)
        return f"[OK] {self._as_of} is loaded, scored and online. {decision.sentence}."

    def _train(self, month: date) -> Run:
        """The first version is the baseline; later ones are chosen among candidates."""
        values, made_from = {"as_of": str(month)}, dataset_runs.data_identity(month, None)
        if self._steps is FIRST:
            self._runner.step("build_dataset", values, made_from)
            return self._runner.step("train", values, made_from)
        selected = self._runner.step("select_model", {**values, "trials": str(self._options.trials)}, made_from)
        return MlflowClient().get_run(selected.data.tags[attempts.SELECTED_TAG])

    def _register(self, training: Run, decision: Retraining) -> tuple[str, int]:
        values = {"run_id": str(training.info.run_id), "promote": self._options.promote, "months": decision.compared_on}
        made_from, still_holds = (
            {"champion": self._champion.identity},
            partial(attempts.is_registered, training=training),
        )
        registered = self._runner.step("register", values, made_from, still_holds).data.tags
        mlflow.set_tag(attempts.VERSION_TAG, registered.get(attempts.VERSION_TAG, ""))
        result = descriptions.text_of(registered)
        text = f"[OK] {self._as_of} is loaded and online. {decision.sentence}. {result}"
        return text, names.WAITS if registered.get(decisions.OUTCOME_TAG) == decisions.WAITS else 0

    def _record(self, decision: Retraining, verdict: Run | None) -> None:
        learning.record(decision, self._options, self._champion, verdict, self._folder.sha256)
