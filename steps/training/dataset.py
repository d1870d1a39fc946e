"""A training set as a DataFrame: its canonical form, its identity (sha256) and its data report. Pure."""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from steps.cli.settings import LABEL

# Feast type -> dtype of the column in a dataset, for every offline engine
DTYPES = {"Int64": "int64", "Float64": "float64", "Bool": "bool", "String": "str"}


def assemble(features: pd.DataFrame, labels: pd.DataFrame, types: Mapping[str, str]) -> pd.DataFrame:
    """user_id, the features in the model's order and churn_label; one row per user, sorted by user_id.

    features, labels: one row per user. types: Feast's type names by feature. Leaves out users without a label or with
    a missing feature: nulls are not imputed (see left_out).
    """
    joined = features.merge(labels, on="user_id", how="inner", validate="one_to_one")
    complete = joined.dropna(subset=list(types))
    typed = complete[["user_id", *types, LABEL]].astype(
        {"user_id": "str", **{name: DTYPES[kind] for name, kind in types.items()}, LABEL: "bool"}
    )
    return typed.sort_values("user_id", kind="stable").reset_index(drop=True)


def left_out(features: pd.DataFrame, labels: pd.DataFrame, types: Mapping[str, str]) -> dict[str, int]:
    """The number of users left out, by reason."""
    labelled = features["user_id"].isin(labels["user_id"])
    incomplete = features[list(types)].isna().any(axis=1)
    return {
        "users_without_label": int((~labelled).sum()),
        "users_missing_features": int((labelled & incomplete).sum()),
    }


def sha256(dataset: pd.DataFrame) -> str:
    """Over all values, column names and types; independent of file formats and library versions."""
    digest = hashlib.sha256()
    for name in dataset.columns:
        column = dataset[name]
        kind = "str" if column.dtype == object or str(column.dtype) == "str" else str(column.dtype)
        digest.update(f"{name}:{kind}:{len(column)}\n".encode())
        digest.update(_bytes(column, kind))
    return digest.hexdigest()


def _bytes(column: "pd.Series[Any]", kind: str) -> bytes:
    if kind == "str":
        texts = [str(value).encode() for value in column]
        return b"".join(len(text).to_bytes(4, "little") + text for text in texts)
    little_endian = np.dtype(kind).newbyteorder("<")
    return column.to_numpy().astype(little_endian).tobytes()


def report(dataset: pd.DataFrame) -> list[dict[str, Any]]:
    """One entry per column: type, nulls, distinct values, range; constant: at most one distinct value."""
    return [_describe(name, dataset[name]) for name in dataset.columns]


def _describe(name: str, column: "pd.Series[Any]") -> dict[str, Any]:
    low, high = column.min(), column.max()
    distinct = int(column.nunique())
    return {
        "column": name,
        "type": "str" if column.dtype == object else str(column.dtype),
        "nulls": int(column.isna().sum()),
        "distinct": distinct,
        "min": low.item() if isinstance(low, np.generic) else low,
        "max": high.item() if isinstance(high, np.generic) else high,
        "constant": distinct <= 1,
    }


def report_markdown(as_of: object, rows: Sequence[Mapping[str, Any]]) -> str:
    constant = [row["column"] for row in rows if row["constant"]]
    lines = [
        f"# Data report for {as_of}",
        "",
        f"Constant columns, which carry no information: {', '.join(constant) or 'none'}",
        "",
        "| column | type | nulls | distinct | min | max |",
        "|---|---|---:|---:|---:|---:|",
        *("| {column} | {type} | {nulls} | {distinct} | {min} | {max} |".format(**row) for row in rows),
    ]
    return "\n".join(lines) + "\n"
