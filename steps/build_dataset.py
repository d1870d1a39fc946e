"""Join features and labels of one month, point in time. In: snapshots and labels in PostgreSQL. Out: dataset.parquet,
dataset.json (sha256, counts, schema) and a data report, as artifacts and tags of this run.

Each user gets the label that was known first: a later correction changes no earlier training set. With labels_known_at,
users get the labels known on that day, including all corrections up to it.
"""

import argparse
import json
from collections.abc import Mapping, Sequence
from datetime import date
from typing import TYPE_CHECKING, Any

import mlflow
import pandas as pd

from steps import warehouse
from steps.cli import console, parameters, progress
from steps.cli.errors import NoLabels, TooFewToLearn
from steps.features import engines, historical
from steps.runs import descriptions, tracking
from steps.training import dataset, dataset_runs

if TYPE_CHECKING:
    from feast import FeatureStore

TAGS = (
    "as_of", "feature_service", "rows", "dataset_sha256", "month_fingerprint", "labels_fingerprint", "labels_known_at",
    "files_sha256",
)  # fmt: skip


def main(argv: Sequence[str] | None = None) -> None:
    args = parse_args(argv)
    with tracking.step_run("build_dataset", f"dataset_{args.as_of}", vars(args)):
        warehouse.require_month(args.as_of)
        warehouse.apply_schema()
        source = {
            **dataset_runs.data_identity(args.as_of, args.labels_known_at),
            "files_sha256": warehouse.files_sha256(args.as_of),
            "labels_sha256": warehouse.label_files(args.as_of, args.labels_known_at),
        }
        with historical.applied_store() as store:
            rows, facts = build(store, args.as_of, args.feature_service, args.labels_known_at)
        publish(rows, {**facts, **source})


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="build_dataset", description=__doc__)
    parser.add_argument("--as-of", type=parameters.as_of, required=True, help="the month's day, YYYY-MM-DD")
    parser.add_argument(
        "--feature-service",
        type=parameters.feature_service,
        required=True,
        help="a FeatureService of feature_repo/features.py",
    )
    parser.add_argument(
        "--labels-known-at",
        type=parameters.optional(parameters.as_of),
        required=True,
        help="labels as known on that day; '' for each user's first label",
    )
    return parser.parse_args(argv)


def how_to_load(as_of: date) -> str:
    return f"mlflow run . -e labels -P labels_file=FILE -P as_of={as_of}"


def build(
    store: "FeatureStore", as_of: date, service_name: str, labels_known_at: date | None
) -> tuple[pd.DataFrame, dict[str, Any]]:
    """The dataset (see dataset.assemble) and its facts. Raises NoLabels, BadParameter, TooFewToLearn."""
    types = dict(historical.types_of(store, service_name))
    labels = warehouse.labels_of(as_of, labels_known_at).to_pandas()
    if labels.empty:
        state = f"was known on {labels_known_at}" if labels_known_at else "is loaded"
        users = warehouse.count_snapshot(engines.PROFILES, as_of)
        raise NoLabels(f"No label of the {users} users of {as_of} {state}. Load them: {how_to_load(as_of)}")
    with progress.timed("join features, point in time"):
        features = historical.features(store, as_of, service_name)
    rows = dataset.assemble(features, labels, types)
    if rows.empty:
        raise TooFewToLearn(
            f"No user of {as_of} has a label and all features: {dataset.left_out(features, labels, types)}"
        )
    return rows, {
        "as_of": str(as_of),
        "feature_service": service_name,
        "rows": len(rows),
        "dataset_sha256": dataset.sha256(rows),
        "types": types,
        "categorical_cols": [name for name, kind in types.items() if kind == "String"],
        **dataset.left_out(features, labels, types),
    }


def publish(rows: pd.DataFrame, facts: Mapping[str, Any]) -> None:
    """Logs the dataset, its facts and its data report as artifacts, tags and metrics of the active run."""
    report = dataset.report(rows)
    with tracking.artifact_folder() as folder:
        rows.to_parquet(folder / "dataset.parquet", index=False)
        (folder / "dataset.json").write_text(json.dumps(facts, indent=2) + "\n")
        (folder / "data_report.json").write_text(json.dumps(report, indent=2, default=str) + "\n")
        markdown = dataset.report_markdown(facts["as_of"], report)
        (folder / "data_report.md").write_text(markdown, encoding="utf-8")
    constant = [row["column"] for row in report if row["constant"]]
    mlflow.set_tags({**{name: facts[name] for name in TAGS}, "constant_columns": ", ".join(constant)})
    mlflow.set_tag("labels_sha256", ", ".join(facts["labels_sha256"]))
    mlflow.log_metrics({name: facts[name] for name in ("rows", "users_without_label", "users_missing_features")})
    descriptions.conclude(
        f"[OK] Dataset {facts['as_of']}: {facts['rows']} rows ({facts['users_without_label']} users without label and "
        f"{facts['users_missing_features']} with missing features left out), categorical columns "
        f"{facts['categorical_cols']}, constant columns {constant}, sha256 {facts['dataset_sha256']}"
    )
    if facts["users_without_label"]:
        as_of = date.fromisoformat(facts["as_of"])
        console.say(f"  {facts['users_without_label']} labels are missing. Load them: {how_to_load(as_of)}")


if __name__ == "__main__":
    console.run(main)
