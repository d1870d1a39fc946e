"""Is every answer right? Each recorded 200 against what the version it names computes offline from the values it names.

The pipeline itself computes, not the served model: the same file that was trained, all rows at once, bit for bit.
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
from steps.training.served_model import TRUSTED_TYPES

MOST_SHOWN = 5
DTYPES = {"long": "int64", "double": "float64", "boolean": "bool", "string": "object"}


@dataclass(frozen=True)
class Offline:
    """A version as it was trained."""

    pipeline: Pipeline
    types: dict[str, str]  # of its inputs, in its order
    run_id: str
    feature_service: str
    threshold: float

    @classmethod
    def load(cls, version: str) -> "Offline":
        folder = Path(mlflow.artifacts.download_artifacts(f"models:/{MODEL_NAME}/{version}"))
        [file] = folder.rglob("pipeline.skops")
        known = mlflow.models.Model.load(str(folder))
        config = known.flavors["python_function"]["config"]
        types = {column.name: DTYPES[column.type.name] for column in known.get_input_schema().inputs}
        pipeline = skops.io.load(file, trusted=TRUSTED_TYPES)
        return cls(pipeline, types, config["run_id"], config["feature_service"], config.get("threshold", 0.5))

    def answers(self, features: Sequence[dict[str, Any]]) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
        """(prediction, probability of leaving) per row."""
        rows = pd.DataFrame(list(features), columns=list(self.types)).astype(self.types)
        with threadpool_limits(limits=1):
            found = self.pipeline.predict_proba(rows)
        return (found[:, 1] > self.threshold).astype(np.int64), found[:, 1]


@dataclass(frozen=True)
class Verdict:
    checked: int
    """Answers, every one of them"""
    distinct: int
    versions: list[str]
    wrong: list[str]
    """What is wrong with the first few"""

    def __str__(self) -> str:
        said = f"{self.checked:,} answers of version {', '.join(self.versions) or 'none'}, "
        return said + (f"WRONG: {'; '.join(self.wrong)}" if self.wrong else "every one right")


class Checker:
    """Loads each version once."""

    def __init__(self, load: Callable[[str], Offline] = Offline.load) -> None:
        self._load = load
        self._offline: dict[str, Offline] = {}

    def check(self, recording: Recording, users: Sequence[str]) -> Verdict:
        """users: by the places that the recording has of them."""
        ok = recording.where(recording.ok)
        pairs = np.unique(np.stack([ok.user, ok.answer]), axis=1).T.tolist()
        wrong: list[str] = []
        of_version: dict[str, list[tuple[str, dict[str, Any]]]] = defaultdict(list)
        for user, answer in pairs:
            body = json.loads(ok.answers[answer])
            if body["user_id"] != users[user]:
                wrong.append(f"{users[user]} was given the answer for {body['user_id']}")
            of_version[str(body["model"]["version"])].append((users[user], body))
        for version, answers in of_version.items():
            wrong += self._wrong(version, answers)
        return Verdict(len(ok), len(pairs), sorted(of_version, key=int), wrong[:MOST_SHOWN])

    def _wrong(self, version: str, answers: Sequence[tuple[str, dict[str, Any]]]) -> list[str]:
        if version not in self._offline:
            self._offline[version] = self._load(version)
        offline = self._offline[version]
        named = [
            f"{user}: names another run or feature list than version {version} has"
            for user, body in answers
            if (body["model"]["run_id"], body["feature_service"]) != (offline.run_id, offline.feature_service)
            or body["features_used"].keys() != offline.types.keys()
        ]
        if named:
            return named
        prediction, probability = offline.answers([body["features_used"] for _user, body in answers])
        given = np.array([[body["prediction"], body["probability"]] for _user, body in answers])
        differs = (given[:, 0] != prediction) | (given[:, 1] != probability)
        return [
            f"{answers[nth][0]}: {given[nth].tolist()}, offline {[int(prediction[nth]), float(probability[nth])]}"
            for nth in np.flatnonzero(differs).tolist()
        ]
