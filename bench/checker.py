"""Checks every recorded 200 against the offline result of the version and the feature values that it names.

Offline, the trained pipeline, not the served model, computes all rows at once; each row's bits are those of that row
alone. Results must be equal bit for bit.
"""

import json
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
import skops.io
from sklearn.pipeline import Pipeline
from threadpoolctl import threadpool_limits

from bench.load.recording import Recording
from steps.cli.settings import MODEL_NAME
from steps.training.model.fast_path import row_by_row
from steps.training.model.served_model import TRUSTED_TYPES

MOST_SHOWN = 5
DTYPES = {"long": "int64", "double": "float64", "boolean": "bool", "string": "object"}


@dataclass(frozen=True)
class Offline:
    """A version's trained pipeline and its description."""

    pipeline: Pipeline
    types: dict[str, str]
    """Input column -> numpy type, in the model's order"""
    run_id: str
    feature_service: str
    threshold: float

    @classmethod
    def load(cls, version: str) -> "Offline":
        folder = Path(mlflow.artifacts.download_artifacts(f"models:/{MODEL_NAME}/{version}"))
        [file] = folder.rglob("pipeline.skops")
        description = mlflow.models.Model.load(str(folder))
        config = description.flavors["python_function"]["config"]
        types = {column.name: DTYPES[column.type.name] for column in description.get_input_schema().inputs}
        pipeline = skops.io.load(file, trusted=TRUSTED_TYPES)
        return cls(pipeline, types, config["run_id"], config["feature_service"], config["threshold"])

    def answers(self, features: Sequence[dict[str, Any]]) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
        """features: name -> value, per row. Returns predictions and probabilities of leaving, each of length rows."""
        rows = pd.DataFrame(list(features), columns=list(self.types)).astype(self.types)
        with threadpool_limits(limits=1):
            probability = row_by_row(self.pipeline).predict_proba(rows)[:, 1]
        return (probability > self.threshold).astype(np.int64), probability


@dataclass(frozen=True)
class CheckResult:
    checked: int
    """Number of answers"""
    distinct: int
    """Number of distinct answers"""
    versions: list[str]
    wrong: list[str]
    """Descriptions of the first MOST_SHOWN wrong answers"""

    def __str__(self) -> str:
        text = f"{self.checked:,} answers of version {', '.join(self.versions) or 'none'}, "
        return text + (f"WRONG: {'; '.join(self.wrong)}" if self.wrong else "all right")


class Checker:
    """Loads each version once."""

    def __init__(self, load: Callable[[str], Offline] = Offline.load) -> None:
        self._load = load
        self._offline: dict[str, Offline] = {}

    def check(self, recording: Recording, users: Sequence[str]) -> CheckResult:
        """users: the load's list, to which the recording's indexes refer."""
        ok = recording.where(recording.ok)
        pairs = np.unique(np.stack([ok.user, ok.answer]), axis=1).T.tolist()
        wrong: list[str] = []
        of_version: dict[str, list[tuple[str, dict[str, Any]]]] = defaultdict(list)
        for user, answer in pairs:
            body = json.loads(ok.answers[answer])
            if body["user_id"] != users[user]:
                wrong.append(f"{users[user]} received the answer for {body['user_id']}")
            of_version[str(body["model"]["version"])].append((users[user], body))
        for version, answers in of_version.items():
            wrong += self._wrong(version, answers)
        return CheckResult(len(ok), len(pairs), sorted(of_version, key=int), wrong[:MOST_SHOWN])

    def _wrong(self, version: str, answers: Sequence[tuple[str, dict[str, Any]]]) -> list[str]:
        if version not in self._offline:
            self._offline[version] = self._load(version)
        offline = self._offline[version]
        mislabelled = [
            f"{user}: names another run or feature list than version {version} has"
            for user, body in answers
            if (body["model"]["run_id"], body["feature_service"]) != (offline.run_id, offline.feature_service)
            or body["features_used"].keys() != offline.types.keys()
        ]
        if mislabelled:
            return mislabelled
        prediction, probability = offline.answers([body["features_used"] for _user, body in answers])
        served = np.array([[body["prediction"], body["probability"]] for _user, body in answers])
        differs = (served[:, 0] != prediction) | (served[:, 1] != probability)
        return [
            f"{answers[nth][0]}: {served[nth].tolist()}, offline {[int(prediction[nth]), float(probability[nth])]}"
            for nth in np.flatnonzero(differs).tolist()
        ]
