"""Rows that a model must refuse or mark: with missing values, or with categories that it was not trained on.
Must not import other files of the project: this file is copied into the model."""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd
from mlflow.exceptions import MlflowException
from sklearn.compose import ColumnTransformer
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder

MAX_NAMED = 10  # rows in an error

Unknown = dict[int, dict[str, Any]]
"""Position of a row -> feature -> category that the model was not trained on"""


def trained_categories(pipeline: Pipeline) -> dict[str, list[Any]]:
    """Text feature -> the values that its encoder was fitted with, except encoders that accept any value."""
    encode = pipeline[0]
    categories: dict[str, list[Any]] = {}
    for _name, transformer, columns in encode.transformers_ if type(encode) is ColumnTransformer else ():
        if type(transformer) is OneHotEncoder and transformer.handle_unknown == "error":
            values = (fitted.tolist() for fitted in transformer.categories_)
            categories |= dict(zip(columns, values, strict=True))
    return categories


def refuse_missing(rows: pd.DataFrame, features: list[str]) -> None:
    """Raises MlflowException for null and NaN: a forest would compute a probability from them."""
    missing = rows[features].isna()
    if incomplete := np.flatnonzero(missing.any(axis=1)).tolist():
        columns = {row: ", ".join(missing.columns[missing.iloc[row]]) for row in incomplete[:MAX_NAMED]}
        raise MlflowException.invalid_parameter_value(
            f"Missing values in {_listed(columns, len(incomplete))}. Every feature needs a value"
        )


def unknown_in(rows: pd.DataFrame, categories: Mapping[str, list[Any]]) -> Unknown:
    unknown: Unknown = {}
    for name, trained in categories.items():
        values = rows[name].tolist()
        for row in np.flatnonzero(~rows[name].isin(trained).to_numpy()).tolist():
            unknown.setdefault(row, {})[name] = values[row]
    return unknown


def not_trained_on(unknown: Unknown, categories: Mapping[str, list[Any]]) -> str:
    names = {name for values in unknown.values() for name in values}
    rows = {
        row: ", ".join(f"{name} {value!r}" for name, value in values.items())
        for row, values in list(unknown.items())[:MAX_NAMED]
    }
    allowed = "; ".join(f"{name}: {_quoted(trained)}" for name, trained in categories.items() if name in names)
    return f"Categories that the model was not trained on, in {_listed(rows, len(unknown))}. Allowed are {allowed}"


def _listed(texts: Mapping[int, str], rows: int) -> str:
    """texts: of the first rows, by position. rows: the number of all."""
    more = f"; and {rows - len(texts)} more rows" if rows > len(texts) else ""
    return "; ".join(f"row {row + 1}: {text}" for row, text in sorted(texts.items())) + more


def _quoted(values: Iterable[Any]) -> str:
    return ", ".join(map(repr, values))
