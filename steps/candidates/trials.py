"""The trials of a choice: a candidate's hyperparameters, cross-validated. Each has a child run.

A finished trial of the same rows, folds, hyperparameters, code and packages is not computed again.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import mlflow

from configuration import names
from steps.candidates.candidate import Candidate
from steps.candidates.choice import Setting
from steps.candidates.training_part import TrainingPart
from steps.cli import console, progress
from steps.runs import child_runs, inputs, search, tracking
from steps.training import pipelines
from steps.training.pipelines import Hyperparameters
from steps.training.split import FOLDS

STEP = "trial"
DIGEST_TAG, FOLDS_TAG = "trial_sha256", "folds_sha256"
RUNS_AT_ONCE = 1000


@dataclass
class Trials:
    """facts: by FeatureService, of its dataset (see build_dataset)."""

    part: TrainingPart
    facts: Mapping[str, Mapping[str, Any]]
    code: Mapping[str, str]
    """See tracking.code_identity"""
    computed: int = 0
    _aucs: dict[str, tuple[float, ...]] = field(default_factory=dict)
    """By digest, of finished trials"""

    def load_finished(self) -> None:
        """Of earlier runs in the active run's experiment. Raises TrackingUnavailable."""
        tags = {tracking.STEP_TAG: STEP, FOLDS_TAG: self.part.sha256, **self.code}
        conditions = [search.FINISHED, *(search.tagged(name, value) for name, value in tags.items())]
        experiments, token = [mlflow.active_run().info.experiment_id], None
        while True:
            page = search.runs(conditions, experiments, RUNS_AT_ONCE, token)
            for run in page:
                metrics = run.data.metrics
                self._aucs[run.data.tags[DIGEST_TAG]] = tuple(metrics[_metric(fold)] for fold in range(1, FOLDS + 1))
            token = page.token
            if not token:
                return

    def evaluate(self, candidate: Candidate, hyperparameters: Hyperparameters, trial: int) -> Setting:
        """trial: its number in the candidate's search, 0 for the hyperparameters of the parameters."""
        digest = self._digest(candidate, hyperparameters)
        started, done_before = time.perf_counter(), digest in self._aucs
        if not done_before:
            self._aucs[digest] = self._computed(candidate, hyperparameters, trial, digest)
            self.computed += 1
        setting = Setting(candidate, hyperparameters, trial, self._aucs[digest])
        duration = "computed before" if done_before else f"{time.perf_counter() - started:.1f} s"
        chosen = ", ".join(f"{name}={_short(value)}" for name, value in hyperparameters.of(candidate.model).items())
        console.say(f"  {setting}, {chosen}: AUC={setting.mean:.4f}, {FOLDS} folds, {duration}")
        return setting

    def _digest(self, candidate: Candidate, hyperparameters: Hyperparameters) -> str:
        return inputs.digest(
            STEP,
            {
                "candidate": str(candidate),
                "dataset": self.facts[candidate.feature_service][names.DATASET_SHA256_TAG],
                "folds": self.part.sha256,
                "hyperparameters": hyperparameters.of(candidate.model),
                "code": dict(self.code),
            },
        )

    def _computed(
        self, candidate: Candidate, hyperparameters: Hyperparameters, trial: int, digest: str
    ) -> tuple[float, ...]:
        facts = self.facts[candidate.feature_service]
        params = {
            "as_of": facts["as_of"],
            "model": candidate.model,
            "feature_service": candidate.feature_service,
            "trial": trial,
            **hyperparameters.of(candidate.model),
        }
        tags = {DIGEST_TAG: digest, FOLDS_TAG: self.part.sha256, **self.code}
        with child_runs.part(STEP, f"trial_{trial}_{candidate}_{facts['as_of']}", params, tags):
            rows = self.part.rows[candidate.feature_service]
            unfitted = pipelines.unfitted(candidate.model, hyperparameters, rows, facts["categorical_cols"])
            with progress.clock(f"{candidate}, trial {trial}"):
                aucs = tuple(pipelines.cross_validate(unfitted, rows, list(facts["types"]), self.part.folds))
            per_fold = {_metric(fold): auc for fold, auc in enumerate(aucs, start=1)}
            setting = Setting(candidate, hyperparameters, trial, aucs)
            mlflow.log_metrics({**per_fold, "AUC_cv_mean": setting.mean, "AUC_cv_std": setting.std})
        return aucs


def _metric(fold: int) -> str:
    return f"AUC_fold_{fold}"


def _short(value: float) -> str:
    return f"{value:.4g}"
