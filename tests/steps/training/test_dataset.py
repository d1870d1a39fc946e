"""A training set: canonical form, identity and report."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from feast import FeatureView
from hypothesis import given, settings
from hypothesis import strategies as st

from feature_enricher.prediction import values
from feature_repo.features import DEFINITIONS
from steps.training import dataset

TYPES = {"months_active": "Int64", "monthly_fee": "Float64", "paperless_billing": "Bool", "net_service": "String"}
KINDS = {"user_id": "str", "months_active": "int64", "monthly_fee": "float64", "paperless_billing": "bool"}
FEATURES = pd.DataFrame(
    {
        "user_id": ["cara", "anna", "ben", "dora"],
        "monthly_fee": [56.95, 98.7, 19.95, 70.0],
        "months_active": [26, 24, 25, 1],
        "paperless_billing": [True, True, False, None],
        "net_service": ["DSL", "Fiber optic", "No", "DSL"],
        "unused": [1, 2, 3, 4],
    }
)
LABELS = pd.DataFrame({"user_id": ["ben", "anna", "cara", "erin"], "churn_label": [False, True, False, True]})


def assembled(features: pd.DataFrame = FEATURES, labels: pd.DataFrame = LABELS) -> pd.DataFrame:
    return dataset.assemble(features, labels, TYPES)


def test_columns_come_in_the_models_order_and_rows_by_user_id() -> None:
    rows = assembled()
    assert list(rows.columns) == ["user_id", *TYPES, "churn_label"]
    assert list(rows["user_id"]) == ["anna", "ben", "cara"]
    assert rows.to_numpy().tolist()[0] == ["anna", 24, 98.7, True, "Fiber optic", True]
    assert list(rows.index) == [0, 1, 2]


def test_each_column_has_the_one_dtype_of_its_feast_type() -> None:
    rows = assembled(FEATURES.astype({"months_active": "float64", "paperless_billing": "object"}))
    assert {name: str(rows[name].dtype) for name in ("months_active", "monthly_fee", "paperless_billing")} == {
        "months_active": "int64",
        "monthly_fee": "float64",
        "paperless_billing": "bool",
    }


def test_neither_input_is_changed() -> None:
    features, labels = FEATURES.copy(), LABELS.copy()
    assembled(features, labels)
    assert features.equals(FEATURES)
    assert labels.equals(LABELS)


def test_a_user_with_two_feature_rows_is_an_error() -> None:
    with pytest.raises(pd.errors.MergeError):
        assembled(pd.concat([FEATURES, FEATURES.head(1)]))


def test_users_left_out_are_counted_by_reason() -> None:
    features = FEATURES.assign(monthly_fee=[np.nan, 98.7, 19.95, 70.0])
    assert dataset.left_out(features, LABELS, TYPES) == {"users_without_label": 1, "users_missing_features": 1}
    assert list(assembled(features)["user_id"]) == ["anna", "ben"]


def test_a_user_without_label_and_with_missing_features_counts_once() -> None:
    assert dataset.left_out(FEATURES, LABELS, TYPES) == {"users_without_label": 1, "users_missing_features": 0}


def test_the_identity_does_not_depend_on_the_order_of_rows_or_columns() -> None:
    reordered = assembled(FEATURES.iloc[::-1][sorted(FEATURES.columns)], LABELS.iloc[[2, 0, 3, 1]])
    assert dataset.sha256(reordered) == dataset.sha256(assembled())


def test_the_identity_survives_parquet(tmp_path: Path) -> None:
    assembled().to_parquet(tmp_path / "dataset.parquet", index=False)
    assert dataset.sha256(pd.read_parquet(tmp_path / "dataset.parquet")) == dataset.sha256(assembled())


def test_the_identity_has_not_changed() -> None:
    """After a change no earlier dataset is found again: change it only on purpose."""
    recorded = "afe78bfce2206a12f187950ed71d228099239dbb55c070538bb44d5123c3986a"
    assert dataset.sha256(assembled()) == recorded


def test_equal_concatenations_of_texts_have_different_identities() -> None:
    first, second = pd.DataFrame({"a": ["ab", "c"]}), pd.DataFrame({"a": ["a", "bc"]})
    assert dataset.sha256(first) != dataset.sha256(second)


VALUES: dict[str, st.SearchStrategy[Any]] = {
    "user_id": st.text(max_size=5),
    "months_active": st.integers(-(2**63), 2**63 - 1),
    "monthly_fee": st.floats(allow_nan=False),
    "paperless_billing": st.booleans(),
}


@st.composite
def small_datasets(draw: st.DrawFn) -> pd.DataFrame:
    rows = draw(st.integers(1, 4))
    columns = {name: draw(st.lists(values, min_size=rows, max_size=rows)) for name, values in VALUES.items()}
    return pd.DataFrame(columns).astype({name: kind for name, kind in KINDS.items() if kind != "str"})


@settings(max_examples=50)
@given(rows=small_datasets(), data=st.data())
def test_any_single_changed_value_changes_the_identity(rows: pd.DataFrame, data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(list(VALUES)))
    line = data.draw(st.integers(0, len(rows) - 1))
    before = rows[name].tolist()
    value = data.draw(VALUES[name].filter(lambda new: repr(new) != repr(before[line])))
    changed = rows.assign(**{name: pd.Series([*before[:line], value, *before[line + 1 :]], dtype=rows[name].dtype)})
    assert dataset.sha256(changed) != dataset.sha256(rows)


@settings(max_examples=20)
@given(rows=small_datasets(), name=st.sampled_from(list(VALUES)))
def test_any_changed_name_order_or_dtype_changes_the_identity(rows: pd.DataFrame, name: str) -> None:
    names = list(rows.columns)
    changed = [
        rows.rename(columns={name: "another"}),
        rows[[*names[1:], names[0]]],
        rows.assign(months_active=rows["months_active"].astype("uint64")),
        rows.assign(paperless_billing=rows["paperless_billing"].astype("int8")),
        rows.assign(monthly_fee=rows["monthly_fee"].to_numpy().view(np.int64)),
        pd.concat([rows, rows.head(1)], ignore_index=True),
        rows.iloc[:-1],
        rows.drop(columns=name),
    ]
    assert len({dataset.sha256(rows), *map(dataset.sha256, changed)}) == 1 + len(changed)


def test_the_report_describes_every_column_and_names_constant_ones() -> None:
    rows = assembled().assign(avg_session_mins_7d=29.1, empty=None)
    report = {row["column"]: row for row in dataset.report(rows)}
    assert report["monthly_fee"] == {
        "column": "monthly_fee",
        "type": "float64",
        "nulls": 0,
        "distinct": 3,
        "min": 19.95,
        "max": 98.7,
        "constant": False,
    }
    assert (report["net_service"]["type"], report["net_service"]["min"]) == ("str", "DSL")
    assert [name for name, row in report.items() if row["constant"]] == ["avg_session_mins_7d", "empty"]
    assert report["empty"]["nulls"] == 3
    text = dataset.report_markdown("2024-01-31", list(report.values()))
    assert "carry no information: avg_session_mins_7d, empty" in text
    assert "| monthly_fee | float64 | 0 | 3 | 19.95 | 98.7 |" in text


def test_training_and_the_gateway_take_every_type_of_a_feature() -> None:
    views = [view for view in DEFINITIONS if isinstance(view, FeatureView)]
    assert {str(feature.dtype) for view in views for feature in view.features} <= set(dataset.DTYPES)
    assert set(dataset.DTYPES) <= set(values.KINDS)
