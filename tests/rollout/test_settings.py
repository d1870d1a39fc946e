"""The watcher's settings, and the messages for invalid ones."""

from pathlib import Path

import pytest

from rollout.errors import InvalidSetting
from rollout.settings import Settings, load_settings
from tests.rollout import certificates


@pytest.fixture(autouse=True)
def no_settings_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stack of another test module may have set some."""
    for name in Settings.variables():
        monkeypatch.delenv(name, raising=False)


def test_defaults_are_for_one_machine() -> None:
    settings = load_settings()
    assert (settings.host, settings.port, settings.model_host) == ("127.0.0.1", 5001, "127.0.0.1")
    assert settings.models_reached_at == settings.model_host
    assert len(settings.model_ports) == 0


def test_a_range_of_ports_is_accepted() -> None:
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
        ("STAGE", "\t"),
    ],
)
def test_an_invalid_value_is_refused_by_name(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(f"ROLLOUT_{name}", value)
    with pytest.raises(InvalidSetting) as caught:
        load_settings()
    assert str(caught.value).startswith(f"ROLLOUT_{name}={value!r}: must be ")


def test_a_variable_that_is_empty_counts_as_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROLLOUT_STAGE", "")
    monkeypatch.setenv("ROLLOUT_FOLDER", "")
    settings = load_settings()
    assert (settings.stage, settings.folder.name) == ("Production", "rollout")


def test_the_gateway_may_reach_model_servers_at_another_address(tmp_path: Path) -> None:
    overrides = {"MODEL_HOST": "0.0.0.0", "MODEL_ADDRESS": "model"}  # noqa: S104 - nothing listens
    tls = certificates.make(tmp_path / "tls")
    assert load_settings({**overrides, "MODEL_TLS": str(tls)}).models_reached_at == "model"
    with pytest.raises(InvalidSetting, match="ROLLOUT_MODEL_ADDRESS='model' needs ROLLOUT_MODEL_TLS"):
        load_settings(overrides)


def test_the_address_of_an_older_env_file_opens_no_port() -> None:
    assert load_settings({"MODEL_HOST": "127.0.0.1", "MODEL_PORTS": "0"}).model_tls is None


@pytest.mark.parametrize("damaged", ["tls.crt", "tls.key", "ca.crt"])
def test_incomplete_files_for_tls_are_refused(tmp_path: Path, damaged: str) -> None:
    folder = certificates.make(tmp_path / "tls")
    (folder / damaged).write_bytes(b"")
    with pytest.raises(InvalidSetting, match=r"ROLLOUT_MODEL_TLS=.*: must be a folder with tls.crt, tls.key"):
        load_settings({"MODEL_TLS": str(folder)})


def test_a_misspelt_variable_is_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROLLOUT_PROT", "5001")
    assert load_settings().unknown_variables() == [
        "ROLLOUT_PROT is not a setting (did you mean ROLLOUT_PORT?) and is ignored. See .env.example"
    ]
