"""Rows with a category that a version was not trained on: its pipeline refuses them, rather than guess."""

from collections.abc import Iterator
from typing import Any

import pandas as pd
from sklearn.compose import ColumnTransformer
from sklearn.preprocessing import OneHotEncoder

from steps.registry.versions import Opened


def unknown_categories(opened: Opened, rows: pd.DataFrame) -> "pd.Series[bool]":
    """True, per row, where any text column holds a value that the version's encoder was not fitted with.

    rows: the version's features. All False for a version that holds no pipeline.
    """
    unknown = pd.Series(data=False, index=rows.index)
    for column, categories in known_categories(opened).items():
        unknown |= ~rows[column].isin(categories)
    return unknown


def known_categories(opened: Opened) -> dict[str, list[Any]]:
    """Per text column of the version, the values it was fitted with."""
    found: dict[str, list[Any]] = {}
    for encode in _column_transformers(opened.pipeline):
        for _, transformer, columns in encode.transformers_:
            if isinstance(transformer, OneHotEncoder):
                found |= {
                    column: values.tolist() for column, values in zip(columns, transformer.categories_, strict=True)
                }
    return found


def _column_transformers(estimator: Any) -> Iterator[ColumnTransformer]:
    """Also of a pipeline within another estimator, such as a calibrated one."""
    if isinstance(estimator, ColumnTransformer):
        yield estimator
        return
    inner = [step for _, step in getattr(estimator, "steps", [])]
    inner += getattr(estimator, "calibrated_classifiers_", [])
    inner += [getattr(estimator, "estimator", None)]
    for one in inner:
        if one is not None:
            yield from _column_transformers(one)
