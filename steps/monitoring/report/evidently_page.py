"""Evidently's own report of the drift of the version's features, beside ours: an optional extra. Nothing is sent: its
telemetry is switched off before it is imported. It judges nothing here: the verdict is ours."""

import importlib.util
import os
import warnings
from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from steps.cli.errors import ExtraMissing
from steps.monitoring.effects import Column, is_number
from steps.monitoring.samples import Sample

FILE = "evidently.html"
NO_TELEMETRY = ("DO_NOT_TRACK", "ITERATIVE_DO_NOT_TRACK")


def require() -> None:
    """Raises ExtraMissing, with the command to run."""
    if importlib.util.find_spec("evidently") is None:
        raise ExtraMissing(
            "evidently=true needs Evidently: .venv/bin/uv pip install -r requirements-evidently.txt, or leave it out"
        )


def write(folder: Path, before: Sample, now: Sample) -> None:
    """Of the columns of both samples, the version's features: no user ids and no labels."""
    os.environ.update(dict.fromkeys(NO_TELEMETRY, "1"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of Evidently's own code: escapes in its texts, correlations of a constant
        _write(folder / FILE, before, now)


def _write(path: Path, before: Sample, now: Sample) -> None:
    from evidently import DataDefinition, Dataset, Report  # noqa: PLC0415 - an extra, imported without its telemetry
    from evidently.presets import DataDriftPreset  # noqa: PLC0415

    names = list(now.columns)
    numbers = [name for name in names if is_number(now.columns[name])]
    kinds = DataDefinition(numerical_columns=numbers, categorical_columns=[n for n in names if n not in numbers])
    current, reference = (Dataset.from_pandas(_frame(sample.columns), kinds) for sample in (now, before))
    Report([DataDriftPreset(columns=names)]).run(current, reference).save_html(str(path))


def _frame(columns: Mapping[str, Column]) -> pd.DataFrame:
    return pd.DataFrame({name: column.to_pandas() for name, column in columns.items()})
