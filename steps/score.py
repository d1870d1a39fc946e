"""Score every user of a month. In: its snapshots, and a version of the model. Out: churn_scores in PostgreSQL, and as
artifacts scores.parquet, the users most likely to leave as CSV, and a summary with pictures.

The features are those that `materialize` puts online for the month, the model is loaded as `mlflow models serve` loads
it: a user gets the probability that the gateway would give.
"""

import argparse
import json
from collections.abc import Sequence
from datetime import UTC, date, datetime
from pathlib import Path

import mlflow

from steps import console, parameters, run_words, scoring, scoring_report, tracking, versions, warehouse
from steps.errors import NoSuchVersion, TooFewToLearn
from steps.settings import MODEL_NAME

ENGINES = ("local", "spark")


def main(argv: Sequence[str] | None = None) -> None:
    args = parse_args(argv)
    params = {"as_of": args.as_of, "version": args.version or "", "top": args.top, "engine": args.engine}
    with tracking.step_run("score", f"score_{args.as_of}", params):
        warehouse.require_month(args.as_of)
        warehouse.apply_schema()
        version = args.version or version_in_production()
        with tracking.artifact_folder() as folder:
            run_words.conclude(score(args.as_of, version, args.engine, args.top, folder))


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
    serving = versions.in_stage("Production")
    if not serving:
        raise NoSuchVersion(f"No version of {MODEL_NAME} is in Production. Give one, -P version=…, or register one")
    return str(serving[0].version)


def score(as_of: date, version: str, engine: str, top: int, folder: Path) -> str:
    """Scores, stores, reports. Returns the closing line. Raises NoSuchVersion, UnusableVersion, EngineUnavailable."""
    versions.get(version)
    scored_at = datetime.now(UTC).isoformat()
    with console.timed("score"), scoring.features_of(version) as model:
        predict = scoring.local(model) if engine == "local" else scoring.spark(version)
        with warehouse.replaced_scores(as_of, version) as store:
            scored = scoring.score_month(model, as_of, predict, lambda scores: store(scores, scored_at), folder)
    if not scored.users:
        raise TooFewToLearn(f"No user of {as_of} has all features of version {version}")
    with console.timed("report"):
        facts = scoring_report.write(folder, scored, warehouse.labels_of(as_of), f"{as_of}, version {version}", top)
    facts = {"as_of": str(as_of), "model_version": version, "engine": engine, **facts}
    (folder / "summary.json").write_text(json.dumps(facts, indent=2) + "\n")
    mlflow.log_metrics({name: value for name, value in facts.items() if isinstance(value, int | float)})
    mlflow.set_tags({"as_of": as_of, "model_version": version})
    return (
        f"[OK] Scored {as_of} with {MODEL_NAME} version {version}: {facts['users']} users "
        f"({facts['users_missing_features']} with missing features left out), {facts['predicted_to_leave']} are "
        f"predicted to leave; the {facts['listed']} most likely are in top_{facts['listed']}.csv"
    )


if __name__ == "__main__":
    console.run(main)
