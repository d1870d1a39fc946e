"""Arguments win over the environment, and that over defaults. Invalid settings are refused at start."""

from typing import Any

import pytest

from feature_enricher.app import create_app
from feature_enricher.errors.base import InvalidSetting
from feature_enricher.settings import load_settings
from tests.gateway.fakes import FakeFeatures, FakeModel, FixedTarget


def test_the_environment_wins_over_the_defaults(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ENRICHER_MODEL_URL", "http://models:5001/")
    monkeypatch.setenv("ENRICHER_MODEL_TIMEOUT_S", "0.5")

    settings = load_settings()

    assert (settings.model_url, settings.model_timeout_s) == ("http://models:5001", 0.5)
    assert settings.max_users == 1000


def test_arguments_win_over_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ENRICHER_MAX_USERS", "3")

    assert load_settings({"MAX_USERS": 5}).max_users == 5


INVALID: list[tuple[str, Any]] = [
    ("MODEL_URL", ""),
    ("MODEL_URL", "127.0.0.1:5001"),
    ("MODEL_URL", "ftp://host"),
    ("MODEL_URL", "http://"),
    ("MODEL_URL", "http://host:99999"),
    ("MODEL_URL", "http://host?x=1"),
    ("MODEL_URL", "http+unix://socket"),
    ("MODEL_URL", "http+unix://" + "%2Ffolder" * 20),
    ("MODEL_URL", "http+unix://"),
    ("MODEL_TLS", "/no/such/folder"),
    ("ROLLOUT_URL", "sqlite:///mlflow.db"),
    ("ROLLOUT_URL", 5000),
    ("MODEL_TIMEOUT_S", 0),
    ("MODEL_TIMEOUT_S", "soon"),
    ("STORE_TIMEOUT_S", -1),
    ("STORE_TIMEOUT_S", float("nan")),
    ("STORE_TIMEOUT_S", True),
    ("DEADLINE_S", float("inf")),
    ("MAX_USERS", 0),
    ("MAX_USERS", 2.5),
    ("MAX_USERS", True),
    ("MAX_BODY_BYTES", -1),
    ("MAX_USER_ID_LENGTH", "a few"),
    ("GATEWAY_PORT", "tcp://10.0.0.1:8000"),
    ("ALLOW_OPEN", "perhaps"),
    ("STALE_POLICY", "guess"),
]


@pytest.mark.parametrize(("name", "value"), INVALID)
def test_an_invalid_setting_is_named_with_its_value(name: str, value: object) -> None:
    with pytest.raises(InvalidSetting) as caught:
        load_settings({name: value})

    variable = name if name.startswith("GATEWAY_") else f"ENRICHER_{name}"
    assert str(caught.value).startswith(f"{variable}={value!r}: must be ")


def test_the_gateway_does_not_start_with_an_invalid_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ENRICHER_MODEL_TIMEOUT_S", "two")

    with pytest.raises(InvalidSetting, match="ENRICHER_MODEL_TIMEOUT_S='two'"):
        create_app()


def test_all_invalid_settings_are_named_at_once() -> None:
    with pytest.raises(InvalidSetting) as caught:
        load_settings({"CONCURRENT_BATCHES": 99, "GATEWAY_HOST": " "})

    assert str(caught.value).splitlines() == [
        "GATEWAY_HOST=' ': must be a text that is not empty. See .env.example",
        "ENRICHER_CONCURRENT_BATCHES=99: must be a whole number from 1 to 16. See .env.example",
    ]


def test_an_address_with_a_login_is_refused_without_showing_it() -> None:
    with pytest.raises(InvalidSetting, match=r"ENRICHER_ROLLOUT_URL=.*without a login") as caught:
        load_settings({"ROLLOUT_URL": "http://user:secret@127.0.0.1:5000"})

    assert "secret" not in str(caught.value)


def test_keys_and_passwords_are_not_shown() -> None:
    with pytest.raises(InvalidSetting) as caught:
        load_settings({"API_KEYS": "long-enough-a-key,hunter2", "MODEL_URL": "http://me:hunter2@host:99999"})

    assert "hunter2" not in str(caught.value)
    assert "ENRICHER_MODEL_URL='http://***@host:99999'" in str(caught.value)
    assert "hunter2" not in repr(load_settings({"API_KEYS": "hunter2-hunter2-hunter2"}))


def test_an_empty_variable_counts_as_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ENRICHER_MAX_USERS", "")
    monkeypatch.setenv("ENRICHER_ROLLOUT_URL", "")

    assert (load_settings().max_users, load_settings().rollout_url) == (1000, "http://127.0.0.1:5001")


def test_an_unknown_argument_is_refused() -> None:
    with pytest.raises(
        InvalidSetting, match=r"ENRICHER_MAX_USER is not a setting \(did you mean ENRICHER_MAX_USERS\?\)"
    ):
        load_settings({"MAX_USER": 5})


def test_a_misspelt_variable_is_logged_at_start(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("ENRICHER_DEADLINE", "1")
    create_app(features=FakeFeatures({}), targets=FixedTarget(FakeModel()))

    assert "ENRICHER_DEADLINE is not a setting (did you mean ENRICHER_DEADLINE_S?) and is ignored" in caplog.text


def test_settings_of_older_versions_are_logged_and_ignored(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    removed = ("ENRICHER_MODEL_NAME", "ENRICHER_REGISTRY_TIMEOUT_S", "ENRICHER_REGISTRY_URL", "ENRICHER_STAGE")
    for name in removed:
        monkeypatch.setenv(name, "1")
    create_app(features=FakeFeatures({}), targets=FixedTarget(FakeModel()))

    assert [name for name in removed if f"{name} is not a setting" in caplog.text] == list(removed)


def test_a_model_server_may_have_a_unix_socket() -> None:
    assert load_settings({"MODEL_URL": "http+unix://%2Ftmp%2Fmodel"}).model_url == "http+unix://%2Ftmp%2Fmodel"


def test_the_published_address_is_the_one_that_others_reach() -> None:
    config = {"GATEWAY_HOST": "0.0.0.0"}  # noqa: S104 - nothing listens
    assert load_settings(config).reached_at == "0.0.0.0"  # noqa: S104
    assert load_settings({**config, "GATEWAY_PUBLISHED_AT": "127.0.0.1"}).reached_at == "127.0.0.1"
