"""Join features and labels of one month, point in time. In: snapshots and labels in PostgreSQL. Out: dataset.parquet,
dataset.json (sha256, counts, schema) and a data report, as artifacts and tags of this run."""

import argparse
import json
from collections.abc import Mapping, Sequence
from datetime import date
from typing import TYPE_CHECKING, Any

import mlflow
import pandas as pd

from feature_repo import apply_definitions, feature_types, open_store
from steps import console, dataset, parameters, tracking, warehouse
from steps.errors import BadParameter, NoLabels, TooFewToLearn

if TYPE_CHECKING:
    from feast import FeatureStore

IDENTITY = ("as_of", "feature_service", "rows", "dataset_sha256", "month_fingerprint")


def main(argv: Sequence[str] | None = None) -> None:
    args = parse_args(argv)
    params = {"as_of": args.as_of, "feature_service": args.feature_service}
    with tracking.step_run("build_dataset", f"dataset_{args.as_of}", params):
        warehouse.require_month(args.as_of)
        fingerprint = warehouse.month_fingerprint(args.as_of)
        store = open_store()
        apply_definitions(store)
        rows, facts = build(store, args.as_of, args.feature_service)
        publish(rows, {**facts, "month_fingerprint": fingerprint})


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="build_dataset", description=__doc__)
    parser.add_argument("--as-of", type=parameters.as_of, required=True, help="the month's day, YYYY-MM-DD")
    parser.add_argument("--feature-service", required=True, help="a FeatureService of feature_repo/features.py")
    return parser.parse_args(argv)


def build(store: "FeatureStore", as_of: date, service_name: str) -> tuple[pd.DataFrame, dict[str, Any]]:
    """The dataset and what is to be known about it. Raises NoLabels, BadParameter, TooFewToLearn."""
    types = _types(store, service_name)
    labels = warehouse.labels_of(as_of)
    if labels.empty:
        raise NoLabels(
            f"No labels for {as_of}. Complete its labels.csv, then run: "
            f"mlflow run . -e ingest -P month_dir=DIR -P as_of={as_of}"
        )
    with console.timed("join features, point in time"):
        features = _point_in_time(store, as_of, service_name)
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


def _types(store: "FeatureStore", service_name: str) -> dict[str, str]:
    known = sorted(service.name for service in store.list_feature_services())
    if service_name not in known:
        raise BadParameter(f"No FeatureService {service_name!r}. There are: {', '.join(known)}")
    return feature_types(store, service_name)


def _point_in_time(store: "FeatureStore", as_of: date, service_name: str) -> pd.DataFrame:
    job = store.get_historical_features(
        entity_df=warehouse.entities(as_of), features=store.get_feature_service(service_name)
    )
    frame: pd.DataFrame = job.to_df()
    return frame.drop(columns="event_timestamp")


def publish(rows: pd.DataFrame, facts: Mapping[str, Any]) -> None:
    report = dataset.report(rows)
    with tracking.artifact_folder() as folder:
        rows.to_parquet(folder / "dataset.parquet", index=False)
        (folder / "dataset.json").write_text(json.dumps(facts, indent=2) + "\n")
        (folder / "data_report.json").write_text(json.dumps(report, indent=2, default=str) + "\n")
        (folder / "data_report.md").write_text(dataset.report_markdown(facts["as_of"], report))
    constant = [row["column"] for row in report if row["constant"]]
    mlflow.set_tags({**{name: facts[name] for name in IDENTITY}, "constant_columns": ", ".join(constant)})
    mlflow.log_metrics({name: facts[name] for name in ("rows", "users_without_label", "users_missing_features")})
    console.say(
        f"[OK] Dataset {facts['as_of']}: {facts['rows']} rows ({facts['users_without_label']} users without label and "
        f"{facts['users_missing_features']} with missing features left out), categorical columns "
        f"{facts['categorical_cols']}, constant columns {constant}, sha256 {facts['dataset_sha256']}"
    )


if __name__ == "__main__":
    console.run(main)
