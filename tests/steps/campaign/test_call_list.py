"""The call list of `score`: made once, within its budget, with figures that say on whom they were measured."""

import pandas as pd
import pytest

from steps.cli.errors import BadParameter
from tests.conftest import JANUARY
from tests.steps.states.database import execute, fetch
from tests.steps.states.scores import Outcome
from tests.steps.test_score import Score, january_kept, registered, run

__all__ = ["january_kept", "registered", "run"]


def listed(outcome: Outcome) -> pd.DataFrame:
    return pd.read_csv(outcome.folder / "call_list.csv")


def campaign(name: str) -> list[tuple[object, ...]]:
    return fetch("SELECT * FROM campaigns WHERE campaign = %s ORDER BY user_id", (name,))


def test_a_campaign_is_the_months_own_by_default(run: Score, registered: dict[str, str]) -> None:
    outcome = run()
    assert outcome.facts["campaign"] == str(JANUARY)
    assert outcome.facts["listed"] == len(listed(outcome)) == 100
    rows = fetch("SELECT role, count(*) FROM campaigns WHERE campaign = %s GROUP BY role", (str(JANUARY),))
    assert dict(rows) == {"listed": 100, "control": outcome.facts["control"]}


def test_a_second_run_keeps_the_list_and_says_so(
    run: Score, registered: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    first = run(top="20", campaign="twice")
    rows = campaign("twice")
    capsys.readouterr()
    again = run(top="30", campaign="twice", version=registered["random_forest"])
    assert campaign("twice") == rows
    assert list(listed(again)["user_id"]) == list(listed(first)["user_id"])
    assert list(listed(again)["expected_gain"]) == list(listed(first)["expected_gain"])
    assert list(listed(again)["reason_1"]) == list(listed(first)["reason_1"])
    assert again.facts["campaign_kept"] > 0
    assert again.facts["campaign_version"] == registered["hist_gradient_boosting"]
    closing = capsys.readouterr().out.splitlines()[-1]
    assert f"with version {registered['hist_gradient_boosting']}; this run would list" in closing
    assert first.facts["campaign_kept"] is None


def test_a_campaign_of_another_month_is_refused(run: Score) -> None:
    run(campaign="of January")
    execute("INSERT INTO months (as_of, files_sha256) VALUES ('2024-03-01', 'x')")
    try:
        with pytest.raises(BadParameter, match="'of January' is of 2024-01-31"):
            run(campaign="of January", as_of="2024-03-01")
    finally:
        execute("DELETE FROM months WHERE as_of = '2024-03-01'")


def test_a_budget_is_not_exceeded(run: Score) -> None:
    outcome = run(budget="99.9", contact_cost="10", campaign="budget")
    assert outcome.facts["listed"] == 9
    assert outcome.facts["cost_of_list"] == 90
    assert "a budget of 99.90" in outcome.page


def test_a_contact_that_never_pays_lists_nobody(run: Score) -> None:
    outcome = run(contact_cost="100000", campaign="too dear")
    assert (outcome.facts["listed"], outcome.facts["control"]) == (0, 0)
    assert list(listed(outcome).columns) == [
        "rank", "user_id", "probability", "expected_gain", "monthly_fee", "trained_on",
    ]  # fmt: skip
    assert outcome.facts["best_share"] == 0


def test_profits_are_of_users_never_trained_on(run: Score) -> None:
    outcome = run(campaign="profits")
    facts = outcome.facts
    assert facts["profit_measured_on"] == facts["measured_on"] == "75 users never trained on"
    assert facts["profit_difference_low"] <= facts["profit_difference"] <= facts["profit_difference_high"]
    assert "most profitable length, 75 users never trained on" in outcome.page
    assert "a contact keeps 10.0% of those who would leave, for 12 months of their fee, and costs 5.00" in outcome.page
    assert outcome.metrics["profit_per_1000"] == facts["profit_per_1000"]


def test_too_few_labels_give_no_profit_and_a_reason(run: Score, january_kept: None) -> None:
    execute("DELETE FROM labels")
    outcome = run(campaign="no labels")
    assert "not measured: too few labelled users that were never trained on" in outcome.page
    assert "profit_per_1000" not in outcome.metrics
    assert "profit.png" not in outcome.files


@pytest.mark.parametrize("name", ["a/b", "-x", "x" * 81, "a\nb", "=1"])
def test_a_name_that_is_none_is_refused(run: Score, name: str) -> None:
    with pytest.raises(SystemExit):
        run(campaign=name)
