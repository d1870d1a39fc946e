"""The page of the call list: the table's users in their order, the filter, the file, no user of the control group."""

import csv
import io

import pytest
from flask.testing import FlaskClient

from console.charts import curve
from steps import warehouse
from steps.cli import spreadsheet
from tests import sql
from tests.console.conftest import LISTED_USERS, MARKUP
from tests.console.test_pages import text_of

GAIN = sum(gain for _user, gain, _probability in LISTED_USERS)


def rows_of(client: FlaskClient, **query: str) -> list[dict[str, str]]:
    answer = client.get("/call-list.csv", query_string=query)
    assert answer.status_code == 200
    return list(csv.DictReader(io.StringIO(answer.text)))


def test_the_figures_are_those_of_the_table(client: FlaskClient) -> None:
    text = text_of(client, "/call-list")
    [[listed, gain]] = sql.fetch("SELECT count(*), sum(expected_gain) FROM campaigns WHERE role = 'listed'")
    assert (listed, gain) == (len(LISTED_USERS), GAIN)
    assert f"Listed users {listed} Control group 1" in text
    assert f"Expected gain of the list {gain:.2f}" in text


def test_the_first_users_are_those_with_the_largest_gain(client: FlaskClient) -> None:
    text = text_of(client, "/call-list")
    assert f"1 =bob 0.9000 30.50 2 {MARKUP} 0.8000 20.25 3 user-000 0.6000 10.00" in text
    assert "user-098" not in text


def test_the_next_page_has_the_others(client: FlaskClient) -> None:
    assert "Further users" in client.get("/call-list").text
    text = text_of(client, "/call-list", page="2")
    assert "101 user-098" in text
    assert "122 user-119" in text
    assert "Further users" not in text


def test_nobody_of_the_control_group_is_shown_or_downloaded(client: FlaskClient) -> None:
    assert "held-back" not in client.get("/call-list").text
    assert "held-back" not in client.get("/call-list.csv").text
    assert "No listed user meets the filter." in text_of(client, "/call-list", part="held-back")


def test_a_filter_leaves_some(client: FlaskClient) -> None:
    assert "1 user-007" in text_of(client, "/call-list", part="-007")
    assert [row["user_id"] for row in rows_of(client, least="0.85")] == ["'=bob"]


@pytest.mark.parametrize("least", ["nan", "many", "-1", ""])
def test_a_probability_that_is_none_is_no_filter(client: FlaskClient, least: str) -> None:
    assert len(rows_of(client, least=least)) == len(LISTED_USERS)


def test_a_wildcard_of_sql_is_a_text(client: FlaskClient) -> None:
    assert rows_of(client, part="%") == []


def test_the_file_has_the_whole_list_without_formulas(client: FlaskClient) -> None:
    rows = rows_of(client)
    listed = [user for user, _gain, _probability in LISTED_USERS]
    assert [spreadsheet.unescape(row["user_id"]) for row in rows] == listed
    assert [float(row["expected_gain"]) for row in rows] == [gain for _user, gain, _probability in LISTED_USERS]
    assert rows[0]["user_id"] == "'=bob"


def test_the_curve_ends_at_the_whole_gain(client: FlaskClient) -> None:
    points = warehouse.gain_curve("spring")
    assert points[0] == (1, 30.5)
    assert points[-1][0] == len(LISTED_USERS)
    assert points[-1][1] == pytest.approx(GAIN)
    drawn = curve.chart(points)
    assert drawn is not None
    assert drawn.path.startswith("72.0,208.0 ")
    assert curve.chart(points[:1]) is None


def test_a_campaign_that_is_none_is_not_found(client: FlaskClient) -> None:
    assert client.get("/call-list?campaign=summer").status_code == 404
    assert client.get("/call-list.csv?campaign=summer").status_code == 404
