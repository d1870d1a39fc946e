"""The rows on which candidates are compared."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from steps.candidates.training_part import TrainingPart, training_part
from steps.training.split import SPLIT_RULES, SplitRule, split, user_hash


def month(users: int = 400) -> pd.DataFrame:
    """A quarter leaves."""
    return pd.DataFrame(
        {
            "user_id": [f"{n:04d}" for n in range(users)],
            "fee": np.arange(users, dtype=float),
            "churn_label": [n % 4 == 0 for n in range(users)],
        }
    )


def held_out_users(part: TrainingPart, service: str) -> list[set[str]]:
    return [set(part.rows[service]["user_id"].iloc[held_out]) for _train, held_out in part.folds]


@pytest.mark.parametrize("rule", SPLIT_RULES)
def test_every_candidate_has_the_same_users_in_the_same_folds(rule: SplitRule) -> None:
    small, large = month(), month().assign(contract="yearly")
    # of the other service, five users have no values
    part = training_part({"churn_v1": small, "churn_v2": large.iloc[5:].reset_index(drop=True)}, rule)
    assert list(part.rows["churn_v1"]["user_id"]) == list(part.rows["churn_v2"]["user_id"])
    assert held_out_users(part, "churn_v1") == held_out_users(part, "churn_v2")
    assert part.rows["churn_v2"]["contract"].eq("yearly").all()
    assert sorted(row for _, held_out in part.folds for row in held_out) == list(range(len(part.rows["churn_v1"])))


@pytest.mark.parametrize("rule", SPLIT_RULES)
def test_no_validation_user_of_any_candidate_takes_part(rule: SplitRule) -> None:
    datasets = {"churn_v1": month(), "churn_v2": month().iloc[20:].reset_index(drop=True)}
    learners = set(training_part(datasets, rule).rows["churn_v1"]["user_id"])
    for dataset in datasets.values():
        assert learners & set(split(dataset, rule).validation["user_id"]) == set()
    assert learners


@pytest.mark.parametrize("rule", SPLIT_RULES)
def test_the_order_of_a_datasets_columns_and_services_changes_nothing(rule: SplitRule) -> None:
    datasets = {"churn_v1": month(), "churn_v2": month()}
    turned = {name: datasets[name] for name in ("churn_v2", "churn_v1")}
    assert training_part(datasets, rule).sha256 == training_part(turned, rule).sha256


def first_validating_users(rows: pd.DataFrame) -> list[int]:
    """Rows of users whose hash is below those of all training users: they validate with any label."""
    hashes = rows["user_id"].map(user_hash)
    first_training = hashes[rows["user_id"].isin(split(rows, "user").train["user_id"])].min()
    return list(rows.index[hashes < first_training])


@given(st.randoms(use_true_random=False))
def test_labels_of_validation_rows_change_nothing(random: object) -> None:
    rows = month()
    certain = first_validating_users(rows)
    labels = rows.loc[certain, "churn_label"].tolist()
    shuffled = labels.copy()
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    other = rows.copy()
    other.loc[certain, "churn_label"] = shuffled
    first, second = training_part({"churn_v1": rows}, "user"), training_part({"churn_v1": other}, "user")
    assert len(certain) > 50
    assert first.sha256 == second.sha256
    assert first.rows["churn_v1"].equals(second.rows["churn_v1"])
