"""See whether a version is still right in a month. In: the month's snapshots, the month before, the version's training
set, every label that is there, and the campaigns before it. Out: a run with metrics, tags and report.html, and rows in
the table `monitoring`.

The last line says what to do: NO_ACTION or RETRAINING_TRIGGERED, with the figures that decided. Nothing is started.
"""

import argparse
from collections.abc import Sequence
from datetime import date
from functools import partial
from pathlib import Path

import mlflow
from mlflow.entities.model_registry import ModelVersion

from steps import warehouse
from steps.campaign import outcomes
from steps.cli import console, parameters, progress
from steps.monitoring import assessment, reading, verdict
from steps.monitoring.assessment import Subject
from steps.monitoring.report import card, evidently_page, page, plots, record
from steps.monitoring.report.plots import RealisedAuc
from steps.monitoring.rows import UNSEEN, Row
from steps.registry import versions
from steps.runs import descriptions, tracking
from steps.scoring import scores


def main(argv: Sequence[str] | None = None) -> None:
    args = parse_args(argv)
    if args.evidently:
        evidently_page.require()
    with tracking.step_run("monitor", f"monitor_{args.as_of}", vars(args)) as run:
        warehouse.require_month(args.as_of)
        warehouse.apply_schema()
        version = versions.get_or_production(args.version)
        with tracking.artifact_folder() as folder:
            subject = read(args.as_of, version)
            if args.evidently:
                beside(folder, subject)
            text = monitor(subject, version, folder, run.info.run_id)
        descriptions.conclude(text)


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="monitor", description=__doc__)
    parameters.add_month_and_version(parser)
    parser.add_argument(
        "--evidently", type=parameters.yes_or_no, required=True, help="true: Evidently's report, too (an extra)"
    )
    return parser.parse_args(argv)


def monitor(subject: Subject, version: ModelVersion, folder: Path, run_id: str) -> str:
    """Returns the reasons, the effects of campaigns and the closing line."""
    number, as_of = str(version.version), subject.now.sample.as_of
    with progress.timed("compare"):
        effects = outcomes.rows(warehouse.campaign_outcomes(as_of))
        rows = [*assessment.assess(subject), *effects]
    judgement = verdict.judge(rows)
    closing = verdict.last_line(as_of, number, judgement, rows)
    mlflow.set_tags(record.tags(as_of, number, judgement))
    mlflow.log_metrics(record.metrics(rows))
    with progress.timed("report"):
        write(folder, subject, rows, page.page(as_of, number, judgement, closing, rows), number)
    text = card.card(number, versions.training_of(version), as_of, judgement, rows)
    (folder / card.FILE).write_text(text + "\n", encoding="utf-8")
    warehouse.record_monitoring(warehouse.Monitored(as_of, number, run_id), record.figures(as_of, rows, judgement))
    versions.describe(number, partial(card.description, text))
    return "\n".join([*(f"  {reason}" for reason in judgement.reasons), *outcomes.lines(effects), closing])


def write(folder: Path, subject: Subject, rows: Sequence[Row], document: str, version: str) -> None:
    """Writes monitoring.csv, the pictures, and the document with them."""
    record.write(folder, subject.now.sample.as_of, rows)
    pictures = plots.draw_all(folder, subject, rows, realised(version, rows))
    (folder / page.REPORT).write_text(page.with_pictures(document, pictures), encoding="utf-8")


def beside(folder: Path, subject: Subject) -> None:
    """Evidently's report against the training set, or the month before where that is unknown."""
    reference = subject.training or subject.before
    if reference:
        with progress.timed("Evidently"):
            evidently_page.write(folder, reference.sample, subject.now.sample)


def read(as_of: date, version: ModelVersion) -> Subject:
    """Raises UnusableVersion, TrackingUnavailable, TooFewToLearn."""
    with progress.timed("read and score"), tracking.scratch_folder() as scratch:
        rows, trained_on = reading.trained(version)
        with scores.features_of(str(version.version), trained_on) as model:
            return reading.read(model, rows, as_of, scratch)


def realised(version: str, rows: Sequence[Row]) -> list[RealisedAuc]:
    """Of all versions that were monitored before, and of this run."""
    before = [RealisedAuc(*row) for row in warehouse.realised_auc(UNSEEN)]
    now = [
        RealisedAuc(version, row.month, row.estimate, row.low, row.high)
        for row in rows
        if (row.metric, row.slice) == ("AUC", UNSEEN)
        and row.month and row.estimate is not None and row.low is not None and row.high is not None
    ]  # fmt: skip
    months = {(auc.version, auc.month): auc for auc in [*before, *now]}
    return list(months.values())


if __name__ == "__main__":
    console.run(main)
