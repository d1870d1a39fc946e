"""MLflow's login on one machine: what `make up` says about it, and who gets the passwords of .env."""

import pytest

from local_stack import mlflow_login
from local_stack.services import make_services
from local_stack.settings import Settings, StackError

CHOSEN = "chosen-by-the-user"


def test_the_summary_says_that_there_is_no_login_and_how_to_get_one() -> None:
    assert mlflow_login.note(Settings.from_env()) == "asks for no login; with MLFLOW_AUTH=basic it does"


def test_the_summary_names_the_file_with_the_password_and_not_the_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_AUTH", "basic")
    monkeypatch.setenv("MLFLOW_ADMIN_PASSWORD", CHOSEN)
    settings = Settings.from_env()

    assert (
        mlflow_login.note(settings) == f"user admin, password in {settings.state / 'mlflow' / 'admin' / 'credentials'}"
    )


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("MLFLOW_AUTH", "ldap", "MLFLOW_AUTH='ldap': must be basic or none. See .env.example"),
        (
            "MLFLOW_STEPS_PASSWORD",
            "tooshort",
            "MLFLOW_STEPS_PASSWORD: must be at least 12 letters, digits and signs without spaces. See .env.example",
        ),
    ],
)
def test_an_invalid_login_stops_the_start(monkeypatch: pytest.MonkeyPatch, name: str, value: str, message: str) -> None:
    monkeypatch.setenv(name, value)

    with pytest.raises(StackError) as caught:
        mlflow_login.server_settings(Settings.from_env())

    assert str(caught.value) == message


def test_only_mlflows_server_gets_a_password_of_the_shell_or_env_file(monkeypatch: pytest.MonkeyPatch) -> None:
    for user in ("ADMIN", "STEPS", "WATCHER"):
        monkeypatch.setenv(f"MLFLOW_{user}_PASSWORD", f"{CHOSEN}-{user}")
    settings = Settings.from_env()
    server, *clients = make_services(settings)

    assert CHOSEN not in str(settings.exported())  # the activated shell, and the steps
    assert CHOSEN not in str(settings.child_environment())
    assert all(CHOSEN not in str(client.environment) for client in clients)
    passwords = {f"{CHOSEN}-{user}" for user in ("ADMIN", "STEPS", "WATCHER")}
    assert {*passwords, str(settings.state / "mlflow")} < set(server.environment.values())
