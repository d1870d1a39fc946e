"""With many users, the pages' statements read a part of a table by an index, and never a whole table of scores."""

from collections.abc import Sequence

import pyarrow as pa
import pytest

from steps import warehouse
from steps.warehouse import statement, transaction
from steps.warehouse.records.campaigns import LISTED, Campaign
from tests.conftest import FEBRUARY
from tests.console.conftest import Filled

CHOSEN = {"campaign": "spring", "least": 0.0, "part": "", "reason": "", "offset": 0, "limit": 101}


FOR_SMALL_TABLES = ("seqscan", "bitmapscan", "sort", "hashjoin", "mergejoin")


def plan(name: str, values: dict[str, object], without: Sequence[str] = FOR_SMALL_TABLES) -> str:
    """As PostgreSQL carries it out on large tables. On these small ones, other ways are as good."""
    with transaction() as cur:
        for way in without:
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


@pytest.fixture(scope="module")
def many_listed(filled: Filled) -> str:
    """A campaign large enough for PostgreSQL to choose."""
    users = 20_000
    rows = {
        "user_id": [f"{number:05d}" for number in range(users)],
        "role": [LISTED] * users,
        "probability": [number / users for number in range(users)],
        "expected_gain": [1.0] * users,
        "reasons": ['["months_active=2 (+0.3)"]'] * users,
    }
    warehouse.record_campaign(Campaign("many", FEBRUARY, filled.version, filled.run_id), pa.table(rows))
    return "many"


@pytest.mark.parametrize("reason", ["", "months_active"])
def test_the_few_above_a_high_probability_are_looked_up(many_listed: str, reason: str) -> None:
    values = CHOSEN | {"campaign": many_listed, "least": 0.999, "reason": reason}
    assert "campaigns_by_probability" in plan("listed_users", values, without=())


def test_the_reasons_to_choose_from_are_looked_up_one_by_one(filled: Filled) -> None:
    steps = plan("strongest_reasons", CHOSEN)
    assert steps.count("Index Only Scan using campaigns_by_reason") == 2
    assert "Seq Scan on campaigns" not in steps


@pytest.mark.parametrize("versions", [["1"], ["1", "2", "3"]])
def test_a_users_scores_are_looked_up_by_the_primary_key(filled: Filled, versions: list[str]) -> None:
    steps = plan("scores_of_user", {"user_id": filled.user_id, "versions": versions})
    assert "using churn_scores_pkey on churn_scores" in steps
    assert "Seq Scan on churn_scores" not in steps
