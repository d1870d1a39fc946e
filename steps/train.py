"""Train one model on one month. In: the dataset of that as_of (built when no finished run has it). Out: a run with
parameters, metrics, pictures and the whole pipeline as a servable model."""

import argparse
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

import mlflow
import pandas as pd
import skops.io
from mlflow.models import ModelSignature
from mlflow.types import ColSpec, DataType, Schema
from sklearn.pipeline import Pipeline

from steps import console, dataset, model, parameters, pictures, tracking, warehouse
from steps.errors import DatasetMismatch
from steps.settings import LABEL, PROJECT_ROOT

MODEL_ARTIFACT = "model"
SERVED_BY = Path(__file__).with_name("served_model.py")
SERVING_PACKAGES = ("mlflow", "scikit-learn", "skops", "pandas", "numpy", "scipy")
COLUMN_TYPES = {
    "Int64": DataType.long,
    "Float64": DataType.double,
    "Bool": DataType.boolean,
    "String": DataType.string,
}
ANSWER = Schema(
    [
        ColSpec(DataType.long, "prediction"),
        ColSpec(DataType.double, "probability"),
        *(ColSpec(DataType.string, name) for name in ("model_name", "model_version", "run_id", "feature_service")),
    ]
)


@dataclass(frozen=True)
class Training:
    """A dataset's rows and facts, and what to do with them."""

    name: str  # of the model: random_forest, …
    hyperparameters: model.Hyperparameters
    rows: pd.DataFrame
    facts: dict[str, Any]

    @property
    def features(self) -> list[str]:
        return list(self.facts["types"])

    @property
    def title(self) -> str:
        return f"{model.TITLES[self.name]} {self.facts['as_of']}"

    def unfitted(self) -> Pipeline:
        categories = {name: sorted(self.rows[name].unique()) for name in self.facts["categorical_cols"]}
        return model.pipeline(self.name, self.hyperparameters, categories)


def main(argv: Sequence[str] | None = None) -> None:
    args = parse_args(argv)
    hyperparameters = model.Hyperparameters(
        args.n_estimators, args.max_iter, args.max_leaf_nodes, args.learning_rate, args.C
    )
    params = {
        "as_of": args.as_of,
        "feature_service": args.feature_service,
        "model": args.model,
        **hyperparameters.of(args.model),
        **model.fixed_settings(args.model),
    }
    with tracking.step_run("train", f"{model.RUN_NAMES[args.model]}_{args.as_of}", params) as run:
        dataset_run = find_or_build_dataset(args)
        rows, facts = load_dataset(dataset_run)
        scores = train(Training(args.model, hyperparameters, rows, facts), run.info.run_id)
        figures = " ".join(f"{name}={scores[name]:.4f}" for name in ("AUC", "F1", "ACC"))
        console.say(f"[OK] Trained {model.TITLES[args.model]}. {figures} (run_id={run.info.run_id})")


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="train", description=__doc__)
    parser.add_argument("--as-of", type=parameters.as_of, required=True, help="the month's day, YYYY-MM-DD")
    parser.add_argument("--feature-service", required=True, help="a FeatureService of feature_repo/features.py")
    parser.add_argument("--model", choices=sorted(model.KNOWN), required=True)
    parser.add_argument("--n-estimators", type=parameters.whole_number(1, 10_000), required=True, help="forest: trees")
    parser.add_argument("--max-iter", type=parameters.whole_number(1, 10_000), required=True, help="boosting: trees")
    parser.add_argument("--max-leaf-nodes", type=parameters.whole_number(2, 10_000), required=True, help="boosting")
    parser.add_argument("--learning-rate", type=parameters.positive_number, required=True, help="boosting")
    parser.add_argument("--C", type=parameters.positive_number, required=True, help="logistic regression")
    return parser.parse_args(argv)


def find_or_build_dataset(args: argparse.Namespace) -> str:
    """The run id of a finished build_dataset with the same data and the same code; builds one when there is none."""
    warehouse.require_month(args.as_of)
    wanted = {
        "as_of": str(args.as_of),
        "feature_service": args.feature_service,
        "month_fingerprint": warehouse.month_fingerprint(args.as_of),
        tracking.CODE_TAG: tracking.code_version()[tracking.CODE_TAG],
    }
    found = tracking.newest_run("build_dataset", wanted)
    if found:
        console.say(f"  dataset: reusing run {found.info.run_id}, same data and same code")
        return str(found.info.run_id)
    console.say("  dataset: no finished run with this data and code; building it")
    given = {"as_of": str(args.as_of), "feature_service": args.feature_service}
    built = mlflow.projects.run(str(PROJECT_ROOT), "build_dataset", parameters=given, env_manager="local")
    return str(built.run_id)


def load_dataset(run_id: str) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Rows and facts of a build_dataset run. Raises DatasetMismatch when the rows are not the ones it recorded."""
    folder = Path(mlflow.artifacts.download_artifacts(run_id=run_id, artifact_path=""))
    rows = pd.read_parquet(folder / "dataset.parquet")
    facts = json.loads((folder / "dataset.json").read_text())
    found = dataset.sha256(rows)
    if found != facts["dataset_sha256"]:
        raise DatasetMismatch(
            f"dataset.parquet of run {run_id} has sha256 {found}, recorded was {facts['dataset_sha256']}. "
            f"Run: mlflow run . -e build_dataset -P as_of={facts['as_of']}"
        )
    source = str(folder / "dataset.parquet")
    named = mlflow.data.from_pandas(
        rows, source=source, targets=LABEL, name=f"churn_{facts['as_of']}", digest=found[:36]
    )
    mlflow.log_input(named, context="training")
    identity = {name: facts[name] for name in ("as_of", "feature_service", "dataset_sha256")}
    mlflow.set_tags({**identity, "dataset_run_id": run_id})
    return rows, {**facts, "dataset_run_id": run_id}


def train(training: Training, run_id: str) -> dict[str, float]:
    """Fits, scores, logs. Returns the scores on the validation part."""
    parts = dataset.split(training.rows)
    started = time.perf_counter()
    with console.timed("fit"):
        fitted = model.fit(training.unfitted(), parts.train, training.features)
    seconds = time.perf_counter() - started
    probability = model.churn_probability(fitted, parts.validation, training.features)
    scores = model.scores(parts.validation[LABEL], probability)
    with console.timed(f"{model.FOLDS} folds"):
        folds = model.cross_validate(training.unfitted(), training.rows, training.features)
    mlflow.log_metrics(
        {
            **scores,
            "training_time_s": seconds,
            "AUC_cv_mean": fmean(folds),
            "AUC_cv_std": stdev(folds),
            "rows": len(training.rows),
            "rows_train": len(parts.train),
            "rows_validation": len(parts.validation),
        }
    )
    with console.timed("pictures"):
        log_pictures(training, fitted, parts.validation, probability)
    with console.timed("log the model"):
        log_pipeline(training, fitted, run_id)
    return scores


def log_pictures(training: Training, fitted: Pipeline, rows: pd.DataFrame, probability: Any) -> None:
    importances = model.importances(fitted, rows, training.features)
    numeric = [name for name in training.features if name not in training.facts["categorical_cols"]]
    with tracking.artifact_folder() as folder:
        pictures.draw_all(folder, training.title, rows[LABEL].astype(int), probability, importances)
        schema = {"categorical_cols": training.facts["categorical_cols"], "numeric_cols": numeric}
        (folder / "feature_schema.json").write_text(json.dumps(schema, indent=2) + "\n")


def log_pipeline(training: Training, fitted: Pipeline, run_id: str) -> None:
    inputs = Schema([ColSpec(COLUMN_TYPES[kind], name) for name, kind in training.facts["types"].items()])
    with tracking.scratch_folder() as folder:
        path = folder / "pipeline.skops"
        skops.io.dump(fitted, path)
        mlflow.pyfunc.log_model(
            name=MODEL_ARTIFACT,
            python_model=str(SERVED_BY),
            artifacts={"pipeline": str(path)},
            model_config={
                "features": training.features,
                "feature_service": training.facts["feature_service"],
                "run_id": run_id,
            },
            signature=ModelSignature(inputs=inputs, outputs=ANSWER),
            input_example=training.rows[training.features].head(1),
            pip_requirements=[f"{package}=={version(package)}" for package in SERVING_PACKAGES],
        )


if __name__ == "__main__":
    console.run(main)
