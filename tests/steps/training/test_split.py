"""The split: sizes, stability from month to month, and exactly scikit-learn's own."""

from hashlib import sha256

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.model_selection import StratifiedKFold, train_test_split

from steps.training.split import SPLIT_RULES, SplitRule, folds, split


def month(users: range, leaves_every: int = 4) -> pd.DataFrame:
    return pd.DataFrame({"user_id": [f"{n:05d}" for n in users], "churn_label": [n % leaves_every == 0 for n in users]})


@pytest.fixture
def thousand_rows() -> pd.DataFrame:
    """26% of a thousand users leave."""
    return pd.DataFrame(
        {"user_id": [f"{n:04d}" for n in range(1000)], "churn_label": [n % 50 < 13 for n in range(1000)]}
    )


@pytest.mark.parametrize("rule", SPLIT_RULES)
def test_a_quarter_is_held_out_with_the_same_share_of_leavers(thousand_rows: pd.DataFrame, rule: SplitRule) -> None:
    parts = split(thousand_rows, rule)
    assert (len(parts.train), len(parts.validation)) == (750, 250)
    assert (parts.train["churn_label"].sum(), parts.validation["churn_label"].sum()) == (195, 65)
    assert set(parts.train["user_id"]) | set(parts.validation["user_id"]) == set(thousand_rows["user_id"])


@pytest.mark.parametrize("rule", SPLIT_RULES)
def test_the_split_is_the_same_every_time(thousand_rows: pd.DataFrame, rule: SplitRule) -> None:
    first, second = split(thousand_rows, rule), split(thousand_rows.copy(), rule)
    assert first.train.equals(second.train)
    assert first.validation.equals(second.validation)


@settings(max_examples=50, deadline=None)
@given(leaving=st.integers(4, 120), staying=st.integers(4, 120))
def test_both_rules_hold_out_as_many_of_each_class(leaving: int, staying: int) -> None:
    users = [f"{n}" for n in range(leaving + staying)]
    rows = pd.DataFrame({"user_id": users, "churn_label": [True] * leaving + [False] * staying})
    by_user, at_random = split(rows, "user").validation, split(rows, "random").validation
    assert len(by_user) == len(at_random)
    assert abs(int(by_user["churn_label"].sum()) - int(at_random["churn_label"].sum())) <= 1


def test_within_a_class_the_users_with_the_smallest_hashes_validate(thousand_rows: pd.DataFrame) -> None:
    leaving = thousand_rows[thousand_rows["churn_label"]]["user_id"]
    smallest = sorted(leaving, key=lambda user: sha256(f"42{user}".encode()).hexdigest())[:65]
    validation = split(thousand_rows, "user").validation
    assert set(validation[validation["churn_label"]]["user_id"]) == set(smallest)


def test_users_stay_in_their_part_when_others_join_or_leave() -> None:
    before, after = split(month(range(4000)), "user"), split(month(range(400, 4400)), "user")
    trained = set(before.train["user_id"])
    reused = after.validation["user_id"].isin(trained).mean()
    assert reused < 0.03
    resplit = split(month(range(400, 4400)), "random").validation["user_id"].isin(trained).mean()
    assert resplit > 0.5


def test_the_order_of_the_rows_does_not_matter_to_the_split_by_user(thousand_rows: pd.DataFrame) -> None:
    shuffled = thousand_rows.sample(frac=1, random_state=1)
    assert set(split(shuffled, "user").validation["user_id"]) == set(split(thousand_rows, "user").validation["user_id"])


def test_random_is_scikit_learns_own_split(thousand_rows: pd.DataFrame) -> None:
    train, validation = train_test_split(
        thousand_rows, test_size=0.25, random_state=42, stratify=thousand_rows["churn_label"]
    )
    parts = split(thousand_rows, "random")
    assert parts.train.equals(train)
    assert parts.validation.equals(validation)
    expected = StratifiedKFold(n_splits=5, shuffle=True, random_state=42).split(
        thousand_rows, thousand_rows["churn_label"]
    )
    for (train_rows, held_out), (expected_train, expected_held_out) in zip(
        folds(thousand_rows, "random"), expected, strict=True
    ):
        assert np.array_equal(train_rows, expected_train)
        assert np.array_equal(held_out, expected_held_out)


def test_every_row_is_held_out_by_one_fold_and_its_user_by_the_same_fold_next_month() -> None:
    january, february = month(range(4000)), month(range(400, 4400))
    held_out = [row for _train, rows in folds(january, "user") for row in rows]
    assert sorted(held_out) == list(range(4000))
    moved = 0
    for (_, january_rows), (_, february_rows) in zip(folds(january, "user"), folds(february, "user"), strict=True):
        kept = set(january["user_id"].iloc[january_rows]) & set(february["user_id"])
        moved += len(kept - set(february["user_id"].iloc[february_rows]))
    assert moved / 3600 < 0.1


@pytest.mark.parametrize("rule", SPLIT_RULES)
def test_each_fold_has_its_share_of_leavers(thousand_rows: pd.DataFrame, rule: SplitRule) -> None:
    shares = [thousand_rows["churn_label"].iloc[held_out].mean() for _, held_out in folds(thousand_rows, rule)]
    assert shares == [0.26] * 5
