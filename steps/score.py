"""Score every user of a month. In: its snapshots, and a version of the model. Out: churn_scores in PostgreSQL, and as
artifacts scores.parquet, the users most likely to leave as CSV, and report.html with figures and pictures.

The features are those that `materialize` puts online for the month, the model is loaded as `mlflow models serve` loads
it: a user gets the probability that the gateway would give. Figures of quality are of users that the version was never
trained on.
"""

import argparse
import json
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime
from functools import partial
from pathlib import Path
from typing import Any

import mlflow
import pyarrow as pa

from steps import warehouse
from steps.cli import console, parameters, progress
from steps.cli.errors import NoSuchVersion, TooFewToLearn
from steps.cli.settings import MODEL_NAME
from steps.registry import versions
from steps.registry.trained_on import trained_on
from steps.runs import descriptions, tracking
from steps.scoring import report, scores
from steps.scoring.report import Facts, Subject
from steps.scoring.scores import Model
from steps.training import html_report

ENGINES = ("local", "spark")


def main(argv: Sequence[str] | None = None) -> None:
    args = parse_args(argv)
    params = {"as_of": args.as_of, "version": args.version or "", "top": args.top, "engine": args.engine}
    with tracking.step_run("score", f"score_{args.as_of}", params):
        warehouse.require_month(args.as_of)
        warehouse.apply_schema()
        version = args.version or version_in_production()
        with tracking.artifact_folder() as folder:
            descriptions.conclude(score(args.as_of, version, args.engine, args.top, folder))


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="score", description=__doc__)
    parser.add_argument("--as-of", type=parameters.as_of, required=True, help="the month's day, YYYY-MM-DD")
    parser.add_argument(
        "--version",
        type=parameters.optional(lambda text: str(parameters.whole_number(1, 10**9)(text))),
        required=True,
        help="of the model; '' for the one in Production",
    )
    parser.add_argument("--top", type=parameters.whole_number(1, 10_000_000), required=True, help="rows of the list")
    parser.add_argument("--engine", choices=ENGINES, required=True)
    return parser.parse_args(argv)


def version_in_production() -> str:
    """Raises NoSuchVersion."""
    serving = versions.serving()
    if serving is None:
        raise NoSuchVersion(f"No version of {MODEL_NAME} is in Production. Give one, -P version=…, or register one")
    return serving


def score(as_of: date, version: str, engine: str, top: int, folder: Path) -> str:
    """Scores, stores, reports. Returns the closing line. Raises NoSuchVersion, UnusableVersion, EngineUnavailable,
    TooFewToLearn when nobody can be scored, TrackingUnavailable."""
    trained = trained_on(versions.get(version))
    scored_at = datetime.now(UTC).isoformat()
    with progress.timed("score"), scores.features_of(version, trained) as model:
        predict = scores.local(model) if engine == "local" else scores.spark(version)
        with warehouse.replaced_scores(as_of, version) as store:
            keep = partial(_keep, store, scored_at)
            scored = scores.score_month(model, as_of, predict, keep, folder)
            if not scored.users:
                left_out = scored.left_out
                raise TooFewToLearn(
                    f"No user of {as_of} can be scored with version {version}: {left_out.missing_features} have "
                    f"missing features, {left_out.unknown_category} a category that it does not know"
                )
    with progress.timed("report"):
        subject = subject_of(as_of, version, engine, model)
        facts = report.write(folder, subject, scored, warehouse.newest_labels_of(as_of), top)
    record(folder, {"as_of": str(as_of), "model_version": version, "engine": engine, **facts})
    return summary(subject, facts)


def _keep(store: Callable[[pa.Table, str], None], scored_at: str, rows: pa.Table) -> None:
    store(rows, scored_at)


def subject_of(as_of: date, version: str, engine: str, model: Model) -> Subject:
    says: Mapping[str, Any] = model.opened.served.model_config or {}
    threshold = float(says.get("threshold", versions.THRESHOLD_BEFORE))
    return Subject(str(as_of), version, engine, says.get("calibration"), threshold, model.trained_on.reason)


def record(folder: Path, facts: Facts) -> None:
    """summary.json, and each number as a metric of the run."""
    (folder / "summary.json").write_text(json.dumps(facts, indent=2) + "\n")
    mlflow.log_metrics({name: value for name, value in facts.items() if isinstance(value, int | float)})
    measured_on = facts.get("measured_on", f"nobody: {facts.get('no_quality')}")
    mlflow.set_tags({"as_of": facts["as_of"], "model_version": facts["model_version"], "measured_on": measured_on})


def summary(subject: Subject, facts: Facts) -> str:
    trained = facts["listed_trained_on"]
    rows = "" if trained is None else f" ({trained} of them are training users)"
    unknown = report.unknown(facts)
    category = f", {facts['users_unknown_category']} with a category that the version does not know{unknown}"
    return (
        f"[OK] Scored {subject.as_of} with {MODEL_NAME} version {subject.version}: {facts['users']} users "
        f"({facts['users_missing_features']} with missing features{category if unknown else ''} left out), "
        f"{facts['predicted_to_leave']} are predicted to leave; the {facts['listed']} most likely are in "
        f"top_{facts['listed']}.csv{rows}. {_quality(facts)}"
    )


def _quality(facts: Facts) -> str:
    if "no_quality" in facts:
        return f"No quality figures: {facts['no_quality']}."
    auc = report.figure(facts, "AUC")
    return f"AUC {auc} on the {facts['measured_on']}; more in {html_report.REPORT}."


if __name__ == "__main__":
    console.run(main)
