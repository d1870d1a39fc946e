"""Train one model on one month. In: the dataset of that as_of (built if no finished run has it). Out: a run with
parameters, metrics, plots and the whole pipeline as a servable model."""

import argparse
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from statistics import fmean, stdev
from typing import Any

import mlflow
import pandas as pd
from sklearn.pipeline import Pipeline

from steps.cli import console, parameters, progress
from steps.cli.settings import LABEL
from steps.registry import seals
from steps.runs import descriptions, tracking
from steps.training import arguments, dataset_runs, evaluation, pipelines, report
from steps.training.model import logged_model
from steps.training.model.input_example import input_example
from steps.training.split import FOLDS, Split, SplitRule, folds, require_both_classes, split


@dataclass(frozen=True)
class Training:
    """A dataset's rows and facts, and how to train on them."""

    name: str  # of the model: random_forest, …
    hyperparameters: pipelines.Hyperparameters
    split: SplitRule
    calibration: pipelines.Calibration
    threshold: float
    rows: pd.DataFrame
    facts: dict[str, Any]

    @property
    def features(self) -> list[str]:
        return list(self.facts["types"])

    @property
    def title(self) -> str:
        return f"{pipelines.TITLES[self.name]} {self.facts['as_of']}"

    def unfitted(self) -> Pipeline:
        return pipelines.unfitted(self.name, self.hyperparameters, self.rows, self.facts["categorical_cols"])

    def fitted(self, rows: pd.DataFrame) -> Pipeline:
        """Fitted to these rows, and calibrated on folds of them by the split rule."""
        pairs = folds(rows, self.split) if self.calibration != "none" else []
        return pipelines.fit(pipelines.calibrated(self.unfitted(), self.calibration, pairs), rows, self.features)


def main(argv: Sequence[str] | None = None) -> None:
    args = parse_args(argv)
    hyperparameters = arguments.hyperparameters(args)
    logged = ("as_of", "feature_service", "model", "split", "labels_known_at", "calibration", "threshold")
    params = {
        **{name: getattr(args, name) for name in logged},
        **hyperparameters.of(args.model),
        **pipelines.fixed_settings(args.model),
    }
    with tracking.step_run("train", f"{pipelines.RUN_NAMES[args.model]}_{args.as_of}", params) as run:
        dataset_run = dataset_runs.find_or_build(args.as_of, args.feature_service, args.labels_known_at)
        rows, facts = dataset_runs.load(dataset_run)
        training = Training(args.model, hyperparameters, args.split, args.calibration, args.threshold, rows, facts)
        scores = train(training, run.info.run_id)
        figures = " ".join(f"{name}={scores[name]:.4f}" for name in ("AUC", "F1", "ACC"))
        descriptions.conclude(f"[OK] Trained {pipelines.TITLES[args.model]}. {figures} (run_id={run.info.run_id})")


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="train", description=__doc__)
    arguments.add_arguments(parser)
    parser.add_argument(
        "--feature-service",
        type=parameters.feature_service,
        required=True,
        help="a FeatureService of feature_repo/features.py",
    )
    parser.add_argument("--model", choices=sorted(pipelines.HYPERPARAMETERS), required=True)
    return parser.parse_args(argv)


def train(training: Training, run_id: str) -> dict[str, float]:
    """Fits, validates, logs and seals the model. Returns the logged metrics."""
    require_both_classes(training.rows, training.facts["as_of"])
    parts = split(training.rows, training.split)
    started = time.perf_counter()
    with progress.timed("fit"):
        fitted = training.fitted(parts.train)
    seconds = time.perf_counter() - started
    with progress.timed(f"{FOLDS} folds"):
        aucs = pipelines.cross_validate(
            training.unfitted(),
            training.rows,
            training.features,
            folds(training.rows, training.split),
            partial(progress.track, "folds", FOLDS),
        )
    validated = validate(training, fitted, parts.validation)
    metrics = {
        **validated.figures,
        "training_time_s": seconds,
        "AUC_cv_mean": fmean(aucs),
        "AUC_cv_std": stdev(aucs),
        "rows": len(training.rows),
        "rows_train": len(parts.train),
        "rows_validation": len(parts.validation),
    }
    mlflow.log_metrics(metrics)
    mlflow.set_tags({"calibration": training.calibration, "threshold": training.threshold})
    with progress.timed("plots"):
        log_plots(training, fitted, parts, validated, metrics)
    with progress.timed("log the model"):
        means = pipelines.column_means(fitted, parts.train, training.features)
        logged = log_pipeline(training, fitted, run_id, means)
        facts = training.facts
        seals.seal_model(
            logged.model_id, run_id, facts["feature_service"], facts["dataset_sha256"], check=logged.require_stored
        )
    return metrics


def validate(training: Training, fitted: Pipeline, rows: pd.DataFrame) -> evaluation.Validated:
    return evaluation.Validated(
        rows[LABEL].to_numpy(dtype=bool),
        pipelines.churn_probability(fitted, rows, training.features),
        pipelines.churn_probability(pipelines.uncalibrated(fitted), rows, training.features),
        training.calibration,
        training.threshold,
    )


def log_plots(
    training: Training,
    fitted: Pipeline,
    parts: Split,
    validated: evaluation.Validated,
    figures: Mapping[str, float],
) -> None:
    """Logs the plots, report.html with all of them, and feature_schema.json as artifacts."""
    leaving = pipelines.fast_churn_probability(fitted, training.features)
    importances = evaluation.importances(leaving, parts.validation, training.features)
    numeric = [name for name in training.features if name not in training.facts["categorical_cols"]]
    with tracking.artifact_folder() as folder:
        report.write(folder, training.title, validated, importances, figures)
        schema = {"categorical_cols": training.facts["categorical_cols"], "numeric_cols": numeric}
        (folder / "feature_schema.json").write_text(json.dumps(schema, indent=2) + "\n")


def log_pipeline(training: Training, fitted: Pipeline, run_id: str, means: Any = None) -> logged_model.LoggedModel:
    config = {
        "features": training.features,
        "feature_service": training.facts["feature_service"],
        "run_id": run_id,
        "calibration": training.calibration,
        "threshold": training.threshold,
        "column_means": means,
    }
    return logged_model.log(fitted, config, training.facts["types"], input_example(training.rows[training.features]))


if __name__ == "__main__":
    console.run(main)
