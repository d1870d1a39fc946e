"""Choose a model among candidates, and train it. In: the datasets of that as_of for the candidates' FeatureServices
(built if no finished run has them). Out: a run with the AUC of each candidate, the choice and its reason, and a child
run of `train`, whose id is the tag `train_run_id`: register takes that run.

Candidates are compared by cross-validation on the training part, with the same folds for all; no validation user of
any of them takes part. With trials=N, Optuna searches N settings of each candidate's hyperparameters. Everything that
an earlier run finished with the same data, parameters and code is used again: trials, and the training.
"""

import argparse
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

import mlflow
import pandas as pd
from mlflow.entities import Run

from configuration import names
from steps.candidates import report
from steps.candidates.candidate import Candidate, candidates
from steps.candidates.choice import Choice, Setting, best_of, choose
from steps.candidates.search import search as search_settings
from steps.candidates.training_part import TrainingPart, training_part
from steps.candidates.trials import Trials
from steps.cli import console, parameters, progress
from steps.runs import child_runs, descriptions, search, tracking
from steps.runs.inputs import digest
from steps.training import arguments, dataset_runs
from steps.training.split import require_both_classes

DIGEST_TAG, TRAINING_TAG = "selection_sha256", "train_run_id"
MOST_EARLIER_RUNS = 20
MAX_TRIALS, MAX_SEED = 10_000, 2**32 - 1

Datasets = Mapping[str, tuple[pd.DataFrame, dict[str, Any]]]
"""Rows and facts by FeatureService"""


def main(argv: Sequence[str] | None = None) -> None:
    args = parse_args(argv)
    params = {**vars(args), "candidates": ",".join(str(candidate) for candidate in args.candidates)}
    with tracking.step_run("select_model", f"select_{args.as_of}", params):
        datasets = read_datasets(args.as_of, args.candidates, args.labels_known_at)
        part = training_part({name: rows for name, (rows, _facts) in datasets.items()}, args.split)
        facts = {name: facts for name, (_rows, facts) in datasets.items()}
        texts = {name: str(value) for name, value in params.items()}
        sha256 = digest("select_model", {**texts, **inputs(part, facts)})
        mlflow.set_tags({"as_of": args.as_of, DIGEST_TAG: sha256, "folds_sha256": part.sha256})
        choice = compare(args, Trials(part, facts, tracking.code_identity()))
        training = earlier_training(sha256) or train(args, choice.chosen)
        conclude(choice, training)


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="select_model", description=__doc__)
    arguments.add_arguments(parser)
    parser.add_argument(
        "--candidates", type=candidates, required=True, help="MODEL:FEATURE_SERVICE,…, in order of preference"
    )
    parser.add_argument(
        "--trials", type=parameters.whole_number(0, MAX_TRIALS), required=True, help="of each candidate's search"
    )
    parser.add_argument("--seed", type=parameters.whole_number(0, MAX_SEED), required=True, help="of the search")
    return parser.parse_args(argv)


def read_datasets(as_of: date, listed: Sequence[Candidate], labels_known_at: date | None) -> Datasets:
    """Raises NoSnapshot, NoLabels, BadParameter for an undefined FeatureService, TooFewToLearn."""
    services = dict.fromkeys(candidate.feature_service for candidate in listed)
    existing = {name: dataset_runs.find(as_of, name, labels_known_at) for name in services}
    datasets = {}
    for name, run_id in existing.items():
        values = dataset_runs.parameters(as_of, name, labels_known_at)
        rows, facts = dataset_runs.read(run_id or child_runs.run_step("build_dataset", values).info.run_id)
        require_both_classes(rows, str(as_of))
        mlflow.set_tag(f"{names.DATASET_RUN_TAG}.{name}", facts[names.DATASET_RUN_TAG])
        datasets[name] = (rows, facts)
    return datasets


def inputs(part: TrainingPart, facts: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    datasets = {name: of_service[names.DATASET_SHA256_TAG] for name, of_service in facts.items()}
    return {"datasets": datasets, "folds": part.sha256, "code": tracking.code_identity()}


def compare(args: argparse.Namespace, trials: Trials) -> Choice:
    """Evaluates the candidates, and logs the table and the figures."""
    trials.load_finished()
    start = arguments.hyperparameters(args)
    preferred, evaluated = [], []
    with progress.timed("cross-validation"):
        for candidate in args.candidates:
            initial = trials.evaluate(candidate, start, 0)
            searched = search_settings(candidate, start, args.trials, args.seed, trials.evaluate) if args.trials else []
            preferred += [initial, best_of(searched)] if searched else [initial]
            evaluated += [initial, *searched]
    choice = choose(preferred)
    users = len(next(iter(trials.part.rows.values())))
    with tracking.artifact_folder() as folder:
        report.write(folder, str(args.as_of), users, choice, evaluated)
    mlflow.log_metrics(
        {
            **{f"AUC_cv_mean.{_metric_name(setting)}": setting.mean for setting in preferred},
            **{f"AUC_cv_std.{_metric_name(setting)}": setting.std for setting in preferred},
            "AUC_cv_mean": choice.chosen.mean,
            "AUC_cv_std": choice.chosen.std,
            "rows_train": users,
            "trials_computed": trials.computed,
            "trials_reused": len(evaluated) - trials.computed,
        }
    )
    return choice


def _metric_name(setting: Setting) -> str:
    name = f"{setting.candidate.model}.{setting.candidate.feature_service}"
    return f"{name}.searched" if setting.trial else name


def earlier_training(sha256: str) -> Run | None:
    """The training that an earlier run with the same digest has finished, if that run was killed, too."""
    experiment = mlflow.active_run().info.experiment_id
    conditions = [search.tagged(tracking.STEP_TAG, "select_model"), search.tagged(DIGEST_TAG, sha256)]
    for run in search.runs(conditions, [experiment], MOST_EARLIER_RUNS):
        trainings = child_runs.finished_children(run.info.run_id, experiment, "train")
        if trainings:
            console.say(f"  train: reusing run {trainings[0].info.run_id}, same data, parameters and code")
            return trainings[0]
    return None


def train(args: argparse.Namespace, chosen: Setting) -> Run:
    hyperparameters = chosen.hyperparameters.of(chosen.candidate.model)
    values = {
        **dataset_runs.parameters(args.as_of, chosen.candidate.feature_service, args.labels_known_at),
        "model": chosen.candidate.model,
        "split": args.split,
        "calibration": args.calibration,
        "threshold": repr(args.threshold),
        **{name: repr(value) for name, value in hyperparameters.items()},
    }
    return child_runs.run_step("train", values)


def conclude(choice: Choice, training: Run) -> None:
    chosen, run_id = choice.chosen, training.info.run_id
    mlflow.set_tags({"candidate": chosen.candidate, "trial": chosen.trial, "reason": choice.reason})
    mlflow.set_tag(TRAINING_TAG, run_id)
    descriptions.conclude(
        f"[OK] Chose {chosen} of {len(choice.settings)}, AUC={chosen.mean:.4f} (mean of {len(chosen.aucs)} folds, "
        f"standard deviation {chosen.std:.4f}): {choice.reason}. Trained as run {run_id}. "
        f"Next: mlflow run . -e register -P run_id={run_id}"
    )


if __name__ == "__main__":
    console.run(main)
