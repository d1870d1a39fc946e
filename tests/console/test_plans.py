"""With many users, the pages' statements read a part of a table by an index, and never a whole table of scores."""

import pytest

from steps.warehouse import statement, transaction
from tests import sql
from tests.console.conftest import Filled

CHOSEN = {"campaign": "spring", "least": 0.0, "part": "", "reason": "", "offset": 0, "limit": 101}


def plan(name: str, values: dict[str, object]) -> str:
    """As PostgreSQL would carry it out on tables for which a sequential scan is dear."""
    sql.execute("ANALYZE campaigns; ANALYZE churn_scores")
    with transaction() as cur:
        cur.execute("SET LOCAL enable_seqscan = off")
        cur.execute(f"EXPLAIN {statement(name)}", values)
        return "\n".join(str(row[0]) for row in cur.fetchall())


def test_a_page_of_the_list_is_read_in_the_order_of_an_index(filled: Filled) -> None:
    steps = plan("listed_users", CHOSEN)
    assert "campaigns_by_gain" in steps
    assert "Sort" not in steps


@pytest.mark.parametrize("versions", [["1"], ["1", "2", "3"]])
def test_a_users_scores_are_looked_up_by_the_primary_key(filled: Filled, versions: list[str]) -> None:
    steps = plan("scores_of_user", {"user_id": filled.user_id, "versions": versions})
    assert "Index Scan using churn_scores_pkey" in steps
    assert "Seq Scan on churn_scores" not in steps
