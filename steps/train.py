"""Train one model on one month. In: the dataset of that as_of (built when no finished run has it). Out: a run with
parameters, metrics, pictures and the whole pipeline as a servable model."""

import argparse
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

import mlflow
import pandas as pd
import skops.io
from sklearn.pipeline import Pipeline

from steps import console, dataset_runs, model, parameters, pictures, run_words, tracking
from steps.errors import TooFewToLearn
from steps.settings import LABEL
from steps.signature import signature
from steps.split import FOLDS, SPLIT_RULES, SplitRule, folds, split

MODEL_ARTIFACT = "model"
SERVED_BY = Path(__file__).with_name("served_model.py")
PACKED_FOREST = Path(__file__).with_name("packed_forest.py")
SERVING_PACKAGES = ("mlflow", "scikit-learn", "skops", "pandas", "numpy", "scipy")
MIN_PER_CLASS = 2 * FOLDS


@dataclass(frozen=True)
class Training:
    """A dataset's rows and facts, and what to do with them."""

    name: str  # of the model: random_forest, …
    hyperparameters: model.Hyperparameters
    split: SplitRule
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
        "split": args.split,
        "labels_known_at": args.labels_known_at or "",
        **hyperparameters.of(args.model),
        **model.fixed_settings(args.model),
    }
    with tracking.step_run("train", f"{model.RUN_NAMES[args.model]}_{args.as_of}", params) as run:
        dataset_run = dataset_runs.find_or_build(args.as_of, args.feature_service, args.labels_known_at)
        rows, facts = dataset_runs.load(dataset_run)
        scores = train(Training(args.model, hyperparameters, args.split, rows, facts), run.info.run_id)
        figures = " ".join(f"{name}={scores[name]:.4f}" for name in ("AUC", "F1", "ACC"))
        run_words.conclude(f"[OK] Trained {model.TITLES[args.model]}. {figures} (run_id={run.info.run_id})")


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="train", description=__doc__)
    parser.add_argument("--as-of", type=parameters.as_of, required=True, help="the month's day, YYYY-MM-DD")
    parser.add_argument("--feature-service", required=True, help="a FeatureService of feature_repo/features.py")
    parser.add_argument("--model", choices=sorted(model.KNOWN), required=True)
    parser.add_argument("--split", choices=SPLIT_RULES, required=True, help="who validates: see steps/split.py")
    parser.add_argument("--labels-known-at", type=parameters.optional(parameters.as_of), required=True, help="a day")
    parser.add_argument("--n-estimators", type=parameters.whole_number(1, 10_000), required=True, help="forest: trees")
    parser.add_argument("--max-iter", type=parameters.whole_number(1, 10_000), required=True, help="boosting: trees")
    parser.add_argument("--max-leaf-nodes", type=parameters.whole_number(2, 10_000), required=True, help="boosting")
    parser.add_argument("--learning-rate", type=parameters.positive_number, required=True, help="boosting")
    parser.add_argument("--C", type=parameters.positive_number, required=True, help="logistic regression")
    return parser.parse_args(argv)


def require_both_classes(rows: pd.DataFrame, as_of: str) -> None:
    """Raises TooFewToLearn unless each class can be in every part of the split and of the folds."""
    leaving, staying = int(rows[LABEL].sum()), int((~rows[LABEL]).sum())
    if min(leaving, staying) < MIN_PER_CLASS:
        raise TooFewToLearn(
            f"{as_of} has {leaving} users who leave and {staying} who stay. "
            f"Give a month with at least {MIN_PER_CLASS} labelled users of each"
        )


def train(training: Training, run_id: str) -> dict[str, float]:
    """Fits, scores, logs. Returns the scores on the validation part."""
    require_both_classes(training.rows, training.facts["as_of"])
    parts = split(training.rows, training.split)
    started = time.perf_counter()
    with console.timed("fit"):
        fitted = model.fit(training.unfitted(), parts.train, training.features)
    seconds = time.perf_counter() - started
    probability = model.churn_probability(fitted, parts.validation, training.features)
    scores = model.scores(parts.validation[LABEL], probability)
    with console.timed(f"{FOLDS} folds"):
        aucs = model.cross_validate(
            training.unfitted(),
            training.rows,
            training.features,
            folds(training.rows, training.split),
            partial(console.progress, "folds", FOLDS),
        )
    mlflow.log_metrics(
        {
            **scores,
            "training_time_s": seconds,
            "AUC_cv_mean": fmean(aucs),
            "AUC_cv_std": stdev(aucs),
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
    with tracking.scratch_folder() as folder:
        path = folder / "pipeline.skops"
        skops.io.dump(fitted, path)
        mlflow.pyfunc.log_model(
            name=MODEL_ARTIFACT,
            python_model=str(SERVED_BY),
            artifacts={"pipeline": str(path), "packed_forest": str(PACKED_FOREST)},
            model_config={
                "features": training.features,
                "feature_service": training.facts["feature_service"],
                "run_id": run_id,
            },
            signature=signature(training.facts["types"]),
            input_example=training.rows[training.features].head(1),
            pip_requirements=[f"{package}=={version(package)}" for package in SERVING_PACKAGES],
        )


if __name__ == "__main__":
    console.run(main)
