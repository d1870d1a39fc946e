"""Defaults, then the environment, then what is handed in; nonsense does not start."""

from typing import Any

import pytest

from feature_enricher import create_app
from feature_enricher.errors.base import InvalidSetting
from feature_enricher.settings import DEFAULTS, load_settings


@pytest.fixture(autouse=True)
def no_settings_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in DEFAULTS:
        monkeypatch.delenv(f"ENRICHER_{name}", raising=False)


def test_the_environment_wins_over_the_defaults(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ENRICHER_MODEL_URL", "http://models:5001/")
    monkeypatch.setenv("ENRICHER_MODEL_TIMEOUT_S", "0.5")

    settings = load_settings()

    assert (settings.model_url, settings.model_timeout_s) == ("http://models:5001", 0.5)
    assert settings.max_in_flight == DEFAULTS["MAX_IN_FLIGHT"]


def test_what_is_handed_in_wins_over_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ENRICHER_MAX_IN_FLIGHT", "3")

    assert load_settings({"MAX_IN_FLIGHT": 5}).max_in_flight == 5


WRONG: list[tuple[str, Any]] = [
    ("MODEL_URL", ""),
    ("MODEL_URL", "127.0.0.1:5001"),
    ("MODEL_URL", "ftp://host"),
    ("MODEL_URL", "http://"),
    ("MODEL_URL", "http://host:99999"),
    ("MODEL_URL", "http://host?x=1"),
    ("REGISTRY_URL", "sqlite:///mlflow.db"),
    ("REGISTRY_URL", 5000),
    ("MODEL_NAME", " "),
    ("STAGE", None),
    ("MODEL_TIMEOUT_S", 0),
    ("MODEL_TIMEOUT_S", "soon"),
    ("STORE_TIMEOUT_S", -1),
    ("STORE_TIMEOUT_S", float("nan")),
    ("STORE_TIMEOUT_S", True),
    ("REGISTRY_TIMEOUT_S", float("inf")),
    ("MAX_IN_FLIGHT", 0),
    ("MAX_IN_FLIGHT", 2.5),
    ("MAX_IN_FLIGHT", True),
    ("MAX_BODY_BYTES", -1),
    ("MAX_USER_ID_LENGTH", "128"),
]


@pytest.mark.parametrize(("name", "value"), WRONG)
def test_a_setting_that_makes_no_sense_is_named_with_its_value(name: str, value: object) -> None:
    with pytest.raises(InvalidSetting) as caught:
        load_settings({name: value})

    assert f"ENRICHER_{name}={value!r}" in str(caught.value)


def test_the_gateway_does_not_start_with_nonsense_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ENRICHER_MODEL_TIMEOUT_S", "two")

    with pytest.raises(InvalidSetting, match="ENRICHER_MODEL_TIMEOUT_S='two'"):
        create_app()
