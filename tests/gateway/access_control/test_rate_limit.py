"""Requests a second per client."""

import pytest
from flask.testing import FlaskClient

from feature_enricher.access_control.rate_limit import MOST_CLIENTS, RateLimit
from feature_enricher.errors.base import InvalidSetting
from feature_enricher.settings import load_settings
from tests.gateway.access_control.test_access import KEY, gateway


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def allowed(limit: RateLimit, client: str, requests: int) -> int:
    return sum(limit.wait_s(client) == 0 for _ in range(requests))


def test_a_client_may_send_as_many_at_once_as_in_a_second_and_then_that_many_a_second() -> None:
    clock = Clock()
    limit = RateLimit(10, clock)

    assert allowed(limit, "a", 100) == 10
    clock.now += 0.5
    assert allowed(limit, "a", 100) == 5
    clock.now += 60
    assert allowed(limit, "a", 100) == 10


def test_the_wait_is_the_time_until_the_next_request_is_allowed() -> None:
    clock = Clock()
    limit = RateLimit(0.25, clock)

    assert limit.wait_s("a") == 0
    assert limit.wait_s("a") == 4
    clock.now += 3
    assert limit.wait_s("a") == 1
    clock.now += 1
    assert limit.wait_s("a") == 0


def test_each_client_has_its_own_limit() -> None:
    limit = RateLimit(3, Clock())

    assert [allowed(limit, client, 5) for client in ("a", "b")] == [3, 3]


def test_zero_is_no_limit() -> None:
    assert allowed(RateLimit(0, Clock()), "a", 1000) == 1000


def test_the_table_of_clients_is_bounded_and_keeps_those_that_send() -> None:
    limit = RateLimit(3, Clock())
    for number in range(3 * MOST_CLIENTS):
        limit.wait_s(f"10.0.{number >> 8}.{number & 255}")
        limit.wait_s("busy")

    assert len(limit._buckets) == MOST_CLIENTS
    assert limit.wait_s("busy") > 0


@pytest.mark.parametrize("value", ["-1", "many", "nan", "inf", "1e9"])
def test_an_invalid_limit_is_refused(value: str) -> None:
    with pytest.raises(InvalidSetting, match=r"ENRICHER_REQUESTS_PER_S=.*: must be a number from 0 to 100000"):
        load_settings({"REQUESTS_PER_S": value})


def statuses(client: FlaskClient, path: str, count: int, **headers: str) -> list[int]:
    return [client.get(path, headers=headers).status_code for _ in range(count)]


def test_more_requests_get_429_with_retry_after_and_probes_are_not_counted() -> None:
    client = gateway(REQUESTS_PER_S=2)

    assert statuses(client, "/docs/openapi.json", 4) == [200, 200, 429, 429]
    refused = client.get("/metrics")
    assert (refused.mimetype, refused.get_json()["code"]) == ("application/problem+json", "too_many_requests")
    assert refused.headers["Retry-After"] == "1"
    assert statuses(client, "/ready", 9) + statuses(client, "/health", 9) == [200] * 18


def test_keys_have_their_own_limits_and_wrong_keys_count_by_address() -> None:
    client = gateway(REQUESTS_PER_S=2, API_KEYS=f"web:{KEY},{KEY}-2")

    def get(key: str) -> int:
        return client.get("/metrics", headers={"X-API-Key": key, "X-Forwarded-For": "192.0.2.1"}).status_code

    assert [get("wrong"), get(""), get("wrong"), get("")] == [401, 401, 429, 429]
    assert [get(KEY), get(KEY), get(KEY)] == [200, 200, 429]
    assert [get(f"{KEY}-2"), get(f"{KEY}-2"), get(f"{KEY}-2")] == [200, 200, 429]


def test_the_document_names_the_status_where_there_is_a_limit() -> None:
    def documented(**config: object) -> set[str]:
        document = gateway(**config).get("/docs/openapi.json").get_json()
        return {path for path, item in document["paths"].items() if "429" in str(item)}

    assert documented() == set()
    assert documented(REQUESTS_PER_S=5) == {"/predict", "/features/{user_id}"}
