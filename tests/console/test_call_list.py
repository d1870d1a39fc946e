"""The page of the call list: the table's users in their order, the filter, the file, no user of the control group."""

import csv
import io

import mlflow
import pytest
from flask.testing import FlaskClient
from markupsafe import escape

from console.charts import curve, profit
from console.pages import call_list
from steps import warehouse
from steps.cli import spreadsheet
from steps.warehouse import Campaign
from tests import sql
from tests.conftest import FEBRUARY
from tests.console.conftest import LISTED_USERS, MARKUP, REASONS
from tests.console.test_pages import text_of

GAIN = sum(gain for _user, gain, _probability in LISTED_USERS)


def rows_of(client: FlaskClient, **query: str) -> list[dict[str, str]]:
    answer = client.get("/call-list.csv", query_string=query)
    assert answer.status_code == 200
    return list(csv.DictReader(io.StringIO(answer.text)))


def test_the_figures_are_those_of_the_table(client: FlaskClient) -> None:
    text = text_of(client, "/call-list")
    [[listed, gain]] = sql.fetch(
        "SELECT count(*), sum(expected_gain) FROM campaigns WHERE role = 'listed' AND campaign = 'spring'"
    )
    assert (listed, gain) == (len(LISTED_USERS), GAIN)
    assert f"Listed users {listed} Control group 1" in text
    assert f"Expected gain of the list {gain:.2f}" in text


def test_the_first_users_are_those_with_the_largest_gain(client: FlaskClient) -> None:
    text = text_of(client, "/call-list")
    bob = f"1 =bob 0.9000 30.50 =cmd (+0.9); net_service={MARKUP} (-0.5)"
    assert f"{bob} 2 {MARKUP} 0.8000 20.25 – 3 user-000 0.6000 10.00 months_active=2 (+0.3)" in text  # noqa: RUF001 - a dash
    assert "user-098" not in text


def test_the_next_page_has_the_others(client: FlaskClient) -> None:
    assert "Further users" in client.get("/call-list").text
    text = text_of(client, "/call-list", page="2")
    assert "101 user-098" in text
    assert "122 user-119" in text
    assert "Further users" not in text


def test_the_last_page_says_where_the_others_are(client: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(call_list, "MOST_PAGES", 1)
    text = text_of(client, "/call-list", page="2")  # a number beyond it is the last page
    assert "The pages end here; the file has all users." in text
    assert "Further users" not in text
    assert "100 user-097" in text


def test_nobody_of_the_control_group_is_shown_or_downloaded(client: FlaskClient) -> None:
    assert "held-back" not in client.get("/call-list").text
    assert "held-back" not in client.get("/call-list.csv").text
    assert "No listed user meets the filter." in text_of(client, "/call-list", part="held-back")


def test_a_filter_leaves_some(client: FlaskClient) -> None:
    assert "1 user-007" in text_of(client, "/call-list", part="user-007")
    assert [row["user_id"] for row in rows_of(client, least="0.85")] == ["'=bob"]


@pytest.mark.parametrize("least", ["nan", "many", "-1", ""])
def test_a_probability_that_is_none_is_no_filter(client: FlaskClient, least: str) -> None:
    assert len(rows_of(client, least=least)) == len(LISTED_USERS)


def test_a_filter_by_a_reason_leaves_those_whose_strongest_it_is(client: FlaskClient) -> None:
    assert [row["user_id"] for row in rows_of(client, reason="months_active")] == ["user-000"]
    assert rows_of(client, reason="net_service") == []  # the second reason of =bob
    assert "Further users" not in client.get("/call-list?reason=months_active").text


def test_the_filter_offers_the_reasons_that_somebody_has(client: FlaskClient) -> None:
    [[users]] = sql.fetch("SELECT count(*) FROM campaigns WHERE campaign = %s AND role = 'listed'", [str(FEBRUARY)])
    features = warehouse.strongest_reasons(str(FEBRUARY))
    rows = [rows_of(client, campaign=str(FEBRUARY), reason=feature) for feature in features]
    assert all(rows)
    assert sum(map(len, rows)) == users
    assert warehouse.strongest_reasons("spring") == ["months_active"]
    text = client.get("/call-list", query_string={"reason": "months_active"}).text
    assert "<option selected>months_active</option>" in text
    text = client.get("/call-list", query_string={"reason": MARKUP}).text
    assert f"<option selected>{escape(MARKUP)}</option>" in text
    assert "No listed user meets the filter." in text


def test_a_wildcard_of_sql_is_a_text(client: FlaskClient) -> None:
    assert rows_of(client, part="%") == []


def test_the_file_has_the_whole_list_without_formulas(client: FlaskClient) -> None:
    rows = rows_of(client)
    listed = [user for user, _gain, _probability in LISTED_USERS]
    assert [spreadsheet.unescape(row["user_id"]) for row in rows] == listed
    assert [float(row["expected_gain"]) for row in rows] == [gain for _user, gain, _probability in LISTED_USERS]
    assert rows[0]["user_id"] == "'=bob"
    assert (rows[0]["reason_1"], spreadsheet.unescape(rows[0]["reason_2"])) == ("'=cmd (+0.9)", REASONS["=bob"][1])
    assert (rows[1]["reason_1"], rows[2]["reason_1"]) == ("", REASONS["user-000"][0])


def test_the_curve_ends_at_the_whole_gain(client: FlaskClient) -> None:
    points = warehouse.campaign_gains("spring").curve
    assert points[:2] == [(1, 30.5), (2, 50.75)]
    assert points[-1][0] == len(LISTED_USERS)
    assert points[-1][1] == pytest.approx(GAIN)
    drawn = curve.chart(points)
    assert drawn is not None
    assert drawn.path.startswith("72.0,208.0 ")
    assert curve.chart(points[:1]) is None


def test_reasons_of_the_step_are_those_on_the_page(client: FlaskClient) -> None:
    rows = sql.fetch(
        "SELECT user_id, reasons FROM campaigns WHERE campaign = %s AND role = 'listed' "
        "ORDER BY expected_gain DESC LIMIT 5",
        [str(FEBRUARY)],
    )
    text = text_of(client, "/call-list", campaign=str(FEBRUARY))
    assert len(rows) == 5
    for user_id, reasons in rows:
        assert reasons
        assert user_id in text
        assert "; ".join(reasons) in text


def test_the_measured_profit_is_that_of_the_run_and_says_on_whom(client: FlaskClient) -> None:
    [[run_id]] = sql.fetch("SELECT DISTINCT run_id FROM campaigns WHERE campaign = %s", [str(FEBRUARY)])
    metrics = mlflow.get_run(run_id).data.metrics
    text = text_of(client, "/call-list", campaign=str(FEBRUARY))
    measured = warehouse.newest_profit(str(FEBRUARY))
    assert measured is not None
    assert measured.profit is not None
    assert measured.run_id == run_id
    assert (
        f"Measured on {measured.profit['users']:,} users that version {measured.version} was never trained on" in text
    )
    assert f"{metrics['profit_per_1000']:.2f} for each 1,000 users" in text
    gap = [metrics[f"profit_difference{end}"] for end in ("", "_low", "_high")]
    assert f"Difference {gap[0]:+.2f} (95% interval {gap[1]:+.2f} to {gap[2]:+.2f})" in text
    assert f"Most profitable length {metrics['best_share'] * 100:.0f}% of all" in text


def test_without_a_measured_profit_the_page_says_why(client: FlaskClient) -> None:
    assert "Not measured: no run of score recorded a curve" in text_of(client, "/call-list", campaign="spring")
    warehouse.record_profit(Campaign("spring", FEBRUARY, "1", "2" * 32), None)
    assert "Not measured: too few labelled users" in text_of(client, "/call-list", campaign="spring")


def test_profits_are_drawn_from_the_worst_to_the_best() -> None:
    drawn = profit.chart({"share": 0.5, "curve": [[0.01, 100.0, 50.0], [1.0, -300.0, -300.0]]})
    places = [float(point.split(",")[1]) for point in drawn.by_gain.split()]
    assert places[0] < drawn.zero < places[1]
    assert drawn.this_list == pytest.approx((72 + 704) / 2)


def test_a_campaign_that_is_none_is_not_found(client: FlaskClient) -> None:
    assert client.get("/call-list?campaign=summer").status_code == 404
    assert client.get("/call-list.csv?campaign=summer").status_code == 404
