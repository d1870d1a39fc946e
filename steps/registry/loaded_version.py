"""A version loaded as `mlflow models serve` loads it, and the fitted pipeline inside it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
import skops.io
from mlflow.tracking import MlflowClient
from mlflow.types import Schema
from sklearn.compose import ColumnTransformer
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder

from configuration import names
from steps.cli.disk import disk_full
from steps.cli.errors import UnusableVersion
from steps.cli.settings import MODEL_NAME
from steps.registry import seals
from steps.runs import search
from steps.training.model.fast_path import row_by_row
from steps.training.model.served_model import TRUSTED_TYPES


@dataclass(frozen=True)
class LoadedVersion:
    """A model version: its number and tags, the model as it is served, its pipeline and its input example."""

    number: str
    tags: Mapping[str, str]
    served: Any  # mlflow's PyFuncModel
    pipeline: Pipeline | None
    example: pd.DataFrame | None

    @property
    def config(self) -> Mapping[str, Any]:
        """The settings that the model was logged with; empty for a model without any."""
        return self.served.model_config or {}

    @property
    def inputs(self) -> Schema | None:
        signature = self.served.metadata.signature
        return signature.inputs if signature else None

    @property
    def threshold(self) -> float:
        """The version predicts that a user leaves above this probability."""
        return float(self.config.get("threshold", names.FORMER_THRESHOLD))

    @property
    def feature_service(self) -> str:
        """From the model itself; from the version's tag, which anyone may set, only for a model without it."""
        return str(self.config.get("feature_service") or self.tags.get(names.FEATURE_SERVICE_TAG, ""))

    def answers(self, rows: pd.DataFrame) -> pd.DataFrame:
        """The answers of /invocations: prediction, probability and model_version, indexed as the rows.

        Raises UnusableVersion when the model raises, or answers anything but probabilities.
        """
        try:
            served: pd.DataFrame = self.served.predict(rows)
            answers = served[["prediction", "probability", "model_version"]].set_axis(rows.index)
            answers = answers.astype({"probability": "float64"})
        except Exception as error:
            raise UnusableVersion(
                f"version {self.number} cannot score these rows: {search.first_line(error)}"
            ) from error
        invalid = ~answers["probability"].between(0, 1)  # true of NaN too
        if invalid.any():
            raise UnusableVersion(
                f"version {self.number} answers no probability on {invalid.sum()} of {len(rows)} rows"
            )
        return answers

    def answer_issues(self, features: pd.DataFrame) -> list[str]:
        """What forbids serving: no example or pipeline, or answers that differ, in any bit of any row, from the
        pipeline's for that row alone, or that name another version. features: rows to compare on.
        Raises UnusableVersion."""
        if self.example is None:
            return ["the model has no input example, which the smoke test of a model server needs"]
        if self.pipeline is None:
            return ["the model has no pipeline.skops to compare its answers with"]
        answers, issues = self.answers(features), []
        served, expected = answers["probability"].to_numpy(), row_by_row(self.pipeline).predict_proba(features)[:, 1]
        equal = (served == expected) & (answers["prediction"].to_numpy() == (expected > self.threshold))
        if not equal.all():
            row = int(np.flatnonzero(~equal)[0])
            issues.append(
                f"the served prediction differs from the pipeline's on {(~equal).sum()} of {len(equal)} validation "
                f"rows; the first is {served[row]} instead of the pipeline's {expected[row]}. Train the model again"
            )
        numbers = sorted(set(map(str, answers["model_version"])))
        if numbers != [self.number]:
            issues.append(f"its answers name version {', '.join(numbers)}")
        self.answers(self.example)
        return issues

    def trained_categories(self) -> dict[str, list[Any]]:
        """Text feature -> the values that its encoder was fitted with. Empty for a version without a pipeline."""
        categories: dict[str, list[Any]] = {}
        for encode in _column_transformers(self.pipeline):
            for _, transformer, columns in encode.transformers_:
                if isinstance(transformer, OneHotEncoder):
                    values = (fitted.tolist() for fitted in transformer.categories_)
                    categories |= dict(zip(columns, values, strict=True))
        return categories

    def unknown_categories(self, rows: pd.DataFrame) -> "pd.Series[bool]":
        """True for each row of features with a category outside trained_categories: the pipeline refuses it."""
        unknown = pd.Series(data=False, index=rows.index)
        for column, categories in self.trained_categories().items():
            unknown |= ~rows[column].isin(categories)
        return unknown


def load(number: str) -> LoadedVersion:
    """Loads a version whose files are the sealed ones, and leaves no copy of it on disk.

    Raises UnusableVersion when it cannot be loaded or has no seal; TrackingUnavailable when MLflow does not answer, and
    DiskFull when there is no room for a copy: then the version may be intact.
    """
    version = search.look_up(lambda: MlflowClient().get_model_version(MODEL_NAME, number))
    if version is None:
        raise UnusableVersion(f"version {number} cannot be loaded: it does not exist")
    with seals.downloaded(f"models:/{MODEL_NAME}/{number}") as folder:
        seals.require(version, folder)  # before any of its code runs
        try:
            served = mlflow.pyfunc.load_model(str(folder))
            example = served.metadata.load_input_example(str(folder))
            return LoadedVersion(number, version.tags, served, _pipeline(folder), example)
        except Exception as error:
            if full := disk_full(error):
                raise full from error
            raise UnusableVersion(f"version {number} cannot be loaded: {search.first_line(error)}") from error


def _pipeline(folder: Path) -> Pipeline | None:
    paths = sorted(folder.rglob("pipeline.skops"))
    return skops.io.load(paths[0], trusted=TRUSTED_TYPES) if paths else None


def _column_transformers(estimator: Any) -> Iterator[ColumnTransformer]:
    """Also those of a pipeline inside another estimator, such as a calibrated one."""
    if isinstance(estimator, ColumnTransformer):
        yield estimator
        return
    inner = [step for _, step in getattr(estimator, "steps", [])]
    inner += getattr(estimator, "calibrated_classifiers_", [])
    inner += [getattr(estimator, "estimator", None)]
    for part in inner:
        if part is not None:
            yield from _column_transformers(part)
