"""Score every user of a month. In: its snapshots, and a version of the model. Out: churn_scores in PostgreSQL, and as
artifacts scores.parquet, the call list with reasons as CSV, and report.html with figures and pictures; and the table
campaigns.

The features are the ones that `materialize` puts online for the month, and the model is loaded as by `mlflow models
serve`: a user gets the same probability as from the gateway. Quality figures are computed on users that the version was
never trained on.
"""

import argparse
import json
from collections.abc import Sequence
from datetime import UTC, date, datetime
from functools import partial
from pathlib import Path

import mlflow
from mlflow.entities.model_registry import ModelVersion

from steps import warehouse
from steps.campaign import arguments, call_list, page, profit
from steps.campaign.terms import Terms
from steps.cli import console, parameters, progress
from steps.cli.errors import TooFewToLearn
from steps.cli.settings import MODEL_NAME
from steps.registry import versions
from steps.registry.training_sets import trained_on
from steps.runs import descriptions, tracking
from steps.scoring import reasons, report, scores
from steps.scoring.report import Facts, Subject
from steps.scoring.scores import MonthScores, ScoringModel
from steps.training import html_report
from steps.warehouse.records.campaigns import Campaign

ENGINES = ("local", "spark")


def main(argv: Sequence[str] | None = None) -> None:
    args = parse_args(argv)
    with tracking.step_run("score", f"score_{args.as_of}", vars(args)) as run:
        warehouse.require_month(args.as_of)
        warehouse.apply_schema()
        terms = arguments.terms(args, args.as_of)
        call_list.require_free(terms, args.as_of)
        version = versions.get_or_production(args.version)
        campaign = Campaign(terms.campaign, args.as_of, str(version.version), run.info.run_id)
        with tracking.artifact_folder() as folder:
            descriptions.conclude(score(campaign, version, args.engine, terms, folder))


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="score", description=__doc__)
    parameters.add_month_and_version(parser)
    arguments.add(parser)
    parser.add_argument("--engine", choices=ENGINES, required=True)
    return parser.parse_args(argv)


def score(campaign: Campaign, version: ModelVersion, engine: str, terms: Terms, folder: Path) -> str:
    """Scores the month, stores the scores, makes the campaign, and writes the report into the folder. Returns the
    closing line.

    Raises UnusableVersion, EngineUnavailable, TrackingUnavailable; TooFewToLearn when no user can be scored.
    """
    as_of, number = campaign.as_of, campaign.version
    with progress.timed("score"):
        model, scored = score_users(as_of, version, engine, folder)
    labels = warehouse.newest_labels_of(as_of)
    with progress.timed("call list"):
        fees = call_list.fees_of(scored, as_of)
        calls = call_list.make(terms, campaign, scored, fees, partial(reasons.of_users, model, as_of))
    with progress.timed("contributions"):
        means = reasons.means_of_a_sample(model, as_of, scored)
    with progress.timed("report"):
        subject = subject_of(as_of, number, engine, model)
        share = len(calls.rows) / scored.users
        profits = profit.measure(terms, call_list.measured(scored, labels, fees), share)
        warehouse.record_profit(campaign, profit.as_record(profits) if profits else None)
        part = reasons.with_means(page.part(folder, subject, calls, profits), means)
        facts = report.write(folder, subject, scored, labels, part)
    record(folder, {"as_of": str(as_of), "model_version": number, "engine": engine, **facts})
    return " ".join(filter(None, (summary(subject, facts), page.kept(calls))))


def score_users(as_of: date, version: ModelVersion, engine: str, folder: Path) -> tuple[ScoringModel, MonthScores]:
    number = str(version.version)
    with (
        scores.features_of(number, trained_on(version)) as model,
        scores.predictor(engine, model) as predict,
        warehouse.replaced_scores(as_of, number, datetime.now(UTC)) as store,
    ):
        scored = scores.score_month(model, as_of, predict, store, folder)
        if not scored.users:
            left_out = scored.left_out
            raise TooFewToLearn(
                f"No user of {as_of} can be scored with version {number}: {left_out.missing_features} have "
                f"missing features, {left_out.unknown_category} a category that it was not trained on"
            )
    return model, scored


def subject_of(as_of: date, version: str, engine: str, model: ScoringModel) -> Subject:
    loaded, reason = model.loaded, model.trained_on.reason
    return Subject(str(as_of), version, engine, loaded.config.get("calibration"), loaded.threshold, reason)


def record(folder: Path, facts: Facts) -> None:
    """Writes summary.json, and each number as a metric of the run."""
    (folder / "summary.json").write_text(json.dumps(facts, indent=2) + "\n")
    mlflow.log_metrics({name: value for name, value in facts.items() if isinstance(value, int | float)})
    measured_on = facts.get("measured_on", f"no users: {facts.get('no_quality')}")
    mlflow.set_tags({"as_of": facts["as_of"], "model_version": facts["model_version"], "measured_on": measured_on})


def summary(subject: Subject, facts: Facts) -> str:
    trained = facts["listed_trained_on"]
    training = "" if trained is None else f" ({trained} of them are training users)"
    values = report.unknown_values(facts)
    category = f", {facts['users_unknown_category']} with a category that the version was not trained on{values}"
    return (
        f"[OK] Scored {subject.as_of} with {MODEL_NAME} version {subject.version}: {facts['users']} users "
        f"({facts['users_missing_features']} with missing features{category if values else ''} left out), "
        f"{facts['predicted_to_leave']} are predicted to leave. {report.CALL_LIST} has {facts['listed']} users to "
        f"contact{training}; {facts['control']} others are the control group of campaign "
        f"{facts['campaign']}. {_quality(facts)}"
    )


def _quality(facts: Facts) -> str:
    if "no_quality" in facts:
        return f"No quality figures: {facts['no_quality']}."
    auc = report.figure(facts, "AUC")
    return f"AUC {auc} on the {facts['measured_on']}; more in {html_report.REPORT}."


if __name__ == "__main__":
    console.run(main)
