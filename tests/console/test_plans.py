"""With many users, the pages' statements read a part of a table by an index, and never a whole table of scores."""

import pytest

from steps.warehouse import statement, transaction
from tests.console.conftest import Filled

CHOSEN = {"campaign": "spring", "least": 0.0, "part": "", "reason": "", "offset": 0, "limit": 101}


def plan(name: str, values: dict[str, object]) -> str:
    """As PostgreSQL carries it out on large tables. On these small ones, other ways are as good."""
    with transaction() as cur:
        for way in ("seqscan", "bitmapscan", "sort", "hashjoin", "mergejoin"):
            cur.execute(f"SET LOCAL enable_{way} = off")
        cur.execute(f"EXPLAIN {statement(name)}", values)
        return "\n".join(str(row[0]) for row in cur.fetchall())


@pytest.mark.parametrize(
    ("chosen", "index"),
    [
        ({}, "campaigns_by_gain"),
        ({"least": 0.9}, "campaigns_by_gain"),
        ({"reason": "months_active"}, "campaigns_by_reason"),
        ({"reason": "months_active", "least": 0.9}, "campaigns_by_reason"),
    ],
)
def test_whom_a_filter_leaves_is_read_in_order_from_an_index_alone(
    filled: Filled, chosen: dict[str, object], index: str
) -> None:
    steps = plan("listed_users", CHOSEN | chosen)
    assert f"Index Only Scan using {index} on campaigns" in steps
    assert steps.count("Sort  (") == 1  # of the page's users


def test_the_reasons_to_choose_from_are_looked_up_one_by_one(filled: Filled) -> None:
    steps = plan("strongest_reasons", CHOSEN)
    assert steps.count("Index Only Scan using campaigns_by_reason") == 2
    assert "Seq Scan on campaigns" not in steps


@pytest.mark.parametrize("versions", [["1"], ["1", "2", "3"]])
def test_a_users_scores_are_looked_up_by_the_primary_key(filled: Filled, versions: list[str]) -> None:
    steps = plan("scores_of_user", {"user_id": filled.user_id, "versions": versions})
    assert "using churn_scores_pkey on churn_scores" in steps
    assert "Seq Scan on churn_scores" not in steps
