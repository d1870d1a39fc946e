"""The watcher's settings, and what is said of those that cannot be meant."""

import pytest

from rollout.errors import InvalidSetting
from rollout.settings import DEFAULTS, load_settings


def test_defaults_are_for_one_machine() -> None:
    settings = load_settings({})
    assert (settings.host, settings.port, settings.model_host) == ("127.0.0.1", 5001, "127.0.0.1")
    assert settings.model_address == settings.model_host
    assert len(settings.model_ports) == 0


def test_a_range_of_ports_is_taken() -> None:
    assert list(load_settings({"ROLLOUT_MODEL_PORTS": "5010-5012"}).model_ports) == [5010, 5011, 5012]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PORT", "0"),
        ("PORT", "70000"),
        ("PORT", "web"),
        ("MODEL_PORTS", "5010"),
        ("MODEL_PORTS", "5010-5001"),
        ("MODEL_PORTS", "-"),
        ("POLL_S", "0"),
        ("POLL_S", "nan"),
        ("POLL_S", "soon"),
        ("START_TIMEOUT_S", "1e9"),
        ("MODEL_NAME", " "),
        ("STAGE", ""),
    ],
)
def test_a_value_that_cannot_be_meant_is_refused_by_name(name: str, value: str) -> None:
    assert name in DEFAULTS
    with pytest.raises(InvalidSetting, match=f"ROLLOUT_{name}={value!r}"):
        load_settings({f"ROLLOUT_{name}": value})
