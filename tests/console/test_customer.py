"""The page of a customer: the gateway's answer with its reasons, other values, and the scores of each month."""

from collections.abc import Sequence
from unittest import mock

import pytest
import requests
from flask.testing import FlaskClient

from console.charts import bars
from console.sources.gateway import Gateway
from console.sources.http import Answer
from feature_enricher.app import create_app as create_gateway
from feature_enricher.upstream.model_server import Prediction
from feature_store.deadline import Deadline
from feature_store.reading import FeatureRow
from tests import sql
from tests.console.conftest import Filled, MakeConsole
from tests.console.test_pages import text_of
from tests.gateway.api.test_docs import served
from tests.gateway.fakes import AllUsersKnown, FakeModel, FixedTarget

USER = "4686-GEFRM"


def test_a_customer_has_the_figures_of_the_api(client: FlaskClient, gateway: str) -> None:
    answer = requests.post(f"{gateway}/predict", json={"user_id": USER}, timeout=5).json()
    text = text_of(client, "/customer", user_id=USER)
    assert f"Probability of leaving: {answer['probability']:.4f}" in text
    assert f"values of {answer['as_of']}" in text
    for name, stored in answer["features_used"].items():
        assert f"{name} {stored}" in text


def test_a_customers_reasons_are_those_of_the_api(client: FlaskClient, gateway: str) -> None:
    answer = requests.post(f"{gateway}/predict", json={"user_id": USER, "explain": 3}, timeout=5).json()
    reasons, text = answer["reasons"], text_of(client, "/customer", user_id=USER)
    for entry in reasons["features"]:
        assert f"{entry['feature']} {entry['value']} {entry['contribution']:+.4f} {entry['direction']}" in text
    assert f"Base value: the score before any feature {reasons['base_value']:+.4f}" in text
    assert f"Sum: the score before calibration {reasons['score']:+.4f}" in text
    assert "Contributions are parts of the log-odds" in text


def test_other_values_have_their_own_reasons(client: FlaskClient) -> None:
    text = text_of(client, "/customer", **{"user_id": USER, "feature.months_active": "3"})
    assert "months_active 70 +0.5000 raises" in text
    assert "months_active 3 +0.5000 raises" in text.split("Reasons with these values")[1]


def test_a_version_without_reasons_still_answers_and_the_page_says_why(make_console: MakeConsole) -> None:
    with served(create_gateway({}, features=AllUsersKnown(), targets=FixedTarget(Unexplained()))) as address:
        query = {"user_id": USER, "feature.months_active": "3"}
        text = text_of(make_console(GATEWAY_URL=address).test_client(), "/customer", **query)
    assert "Probability of leaving: 0.1234" in text
    assert "No reasons: The live version cannot explain its predictions" in text
    assert "months_active: 70 becomes 3" in text


class Unexplained(FakeModel):
    def explain(self, rows: Sequence[FeatureRow], _features: int, deadline: Deadline) -> list[Prediction]:
        return self.predict(rows, deadline)


def test_bars_show_size_and_direction() -> None:
    up, down = ({"feature": "a", "value": 1, "contribution": size, "direction": ""} for size in (0.5, -1.0))
    rest = {"scale": "probability", "base_value": 0.2, "other_features": 0.0, "score": 0.1}
    drawn = bars.chart({**rest, "features": [down, up]}, bars.largest({"features": [up]}, {"features": [down]}))
    assert drawn is not None
    assert [(bar.x, bar.width, bar.style) for bar in drawn.bars] == [(0.0, 80.0, "bar-down"), (80.0, 40.0, "bar-up")]
    assert bars.chart({}, 0.0) is None


def test_a_customers_scores_are_those_of_the_table(client: FlaskClient, filled: Filled) -> None:
    [[probability]] = sql.fetch("SELECT probability FROM churn_scores WHERE user_id = %s", [filled.user_id])
    assert f"2024-02-29 {filled.version} {probability:.4f}" in text_of(client, "/customer", user_id=filled.user_id)


def test_another_value_is_sent_to_the_gateway_as_its_type(client: FlaskClient) -> None:
    text = text_of(client, "/customer", **{"user_id": USER, "feature.months_active": "3", "feature.monthly_fee": ""})
    assert "months_active: 70 becomes 3" in text
    assert "0.1234 becomes 0.1234" in text


def test_a_value_that_the_gateway_refuses_is_named(client: FlaskClient) -> None:
    text = text_of(client, "/customer", **{"user_id": USER, "feature.months_active": "many"})
    assert "months_active" in text.split("With other values")[1].split("Scores")[0]
    assert "becomes" not in text


@pytest.mark.parametrize("number", ["nan", "-inf", "1e999"])
def test_a_number_that_json_does_not_have_is_refused_by_the_gateway(client: FlaskClient, number: str) -> None:
    text = text_of(client, "/customer", **{"user_id": USER, "feature.monthly_fee": number})
    assert f"features.monthly_fee must be a finite number in double precision, not a string: {number!r}" in text


def test_a_whole_number_of_any_length_is_left_to_the_gateway(client: FlaskClient) -> None:
    text = text_of(client, "/customer", **{"user_id": USER, "feature.months_active": "9" * 400})
    assert "features.months_active" in text.split("With other values")[1].split("Scores")[0]


def test_an_id_is_looked_up_with_its_spaces(client: FlaskClient) -> None:
    with mock.patch.object(Gateway, "predict", return_value=Answer(404, problem="unknown")) as predict:
        client.get("/customer", query_string={"user_id": f" {USER}  "})
    predict.assert_called_with(f" {USER}  ", {})


def test_a_value_like_the_stored_one_changes_nothing(client: FlaskClient) -> None:
    assert "With other values" not in text_of(client, "/customer", **{"user_id": USER, "feature.monthly_fee": "98.70"})
