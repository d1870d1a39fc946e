"""Text values that a version was not trained on: its encoder knows no column for them. Pure."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from sklearn.compose import ColumnTransformer
from sklearn.preprocessing import OneHotEncoder

from steps.versions import Opened

UnknownValues = Mapping[str, Mapping[str, int]]  # feature -> value -> rows


def unknown_categories(opened: Opened, rows: pd.DataFrame) -> "pd.Series[bool]":
    """Per row, whether the version does not know one of its categories. No row where it has no encoder to ask."""
    unknown = np.zeros(len(rows), dtype=np.bool_)
    for feature, known in known_categories(opened).items():
        unknown |= ~rows[feature].isin(known).to_numpy()
    return pd.Series(unknown, index=rows.index)


def unknown_values(opened: Opened, rows: pd.DataFrame) -> UnknownValues:
    """How many rows have each value that the version does not know."""
    counted = {}
    for feature, known in known_categories(opened).items():
        values = rows.loc[~rows[feature].isin(known), feature]
        if len(values):
            counted[feature] = {str(value): int(count) for value, count in values.value_counts().items()}
    return counted


def known_categories(opened: Opened) -> dict[str, frozenset[str]]:
    """feature -> the values that the fitted one-hot encoder has columns for."""
    encode = opened.pipeline.named_steps.get("encode") if opened.pipeline is not None else None
    if not isinstance(encode, ColumnTransformer):
        return {}
    return {
        feature: frozenset(values)
        for _name, encoder, columns in encode.transformers_
        if isinstance(encoder, OneHotEncoder) and encoder.handle_unknown == "error"
        for feature, values in zip(columns, encoder.categories_, strict=True)
    }
