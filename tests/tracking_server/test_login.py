"""MLflow's server with MLFLOW_AUTH=basic: nothing without a login, and each user only what it needs."""

import json
import os
import re
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest import mock

import psutil
import pytest
import requests
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from configuration import names
from local_stack.settings import ROOT, Settings
from tests.steps.states.scores import forget_versions
from tests.tracking_server.conftest import TrackingServer, tracking_server
from tracking_server.settings import PLUGIN

USERS = ("admin", "steps", "watcher")
# MLflow's own list: the UI's files, and what a client or a health check must know before a login
PUBLIC = {
    "GET /health",
    "GET /static-files/x",
    "GET /ajax-api/3.0/mlflow/server-info",
    "GET /api/3.0/mlflow/server-info",
}
LIST_ROUTES = """
import json, re
from tracking_server.app import create_app
app = create_app()._app
[flask] = [route.app.app for route in app.routes if hasattr(route, "app")]
listed = [(path, methods) for path, methods in app.openapi()["paths"].items()]
listed += [(rule.rule, rule.methods - {"HEAD", "OPTIONS"}) for rule in flask.url_map.iter_rules()]
routes = {(method.upper(), re.sub(r"{[^}]+}|<[^>]+>", "x", path)) for path, methods in listed for method in methods}
print("ROUTES", json.dumps(sorted(routes)))
"""


def routes_of(server: TrackingServer, settings: Settings) -> list[tuple[str, str]]:
    """Method and path of everything that MLflow's app with its login answers, as the app itself lists it."""
    environment = {
        **settings.child_environment(),
        "PYTHONPATH": f"{ROOT}:{PLUGIN}",
        "MLFLOW_AUTH": "basic",
        "MLFLOW_LOGIN_FOLDER": str(server.login_folder),
        "MLFLOW_AUTH_CONFIG_PATH": str(server.login_folder / "admin" / "basic_auth.ini"),
        "MLFLOW_AUTH_ADMIN_USERNAME": "admin",
        "MLFLOW_FLASK_SERVER_SECRET_KEY": "of no use here",
        "_MLFLOW_SGI_NAME": "uvicorn",
    }
    output = subprocess.check_output([sys.executable, "-c", LIST_ROUTES], env=environment, text=True, cwd=ROOT)
    [line] = re.findall(r"^ROUTES (.*)$", output, re.MULTILINE)
    return [(method, path) for method, path in json.loads(line)]


def test_every_route_asks_for_a_login(with_login: TrackingServer, server: Settings) -> None:
    routes = routes_of(with_login, server)
    statuses = {
        f"{method} {path}": requests.request(
            method, with_login.url + path, json={}, timeout=30, allow_redirects=False
        ).status_code
        for method, path in routes
    }

    assert len(routes) > 400
    paths = {path for _method, path in routes}
    assert {
        "/graphql",
        "/api/2.0/mlflow-artifacts/artifacts/x",
        "/api/2.0/mlflow/runs/create",
        "/get-artifact",
    } <= paths
    assistant = {route for route in statuses if "/mlflow/assistant" in route}
    assert {statuses[route] for route in assistant} == {404}
    assert {route for route, status in statuses.items() if status != 401} - assistant == PUBLIC


@contextmanager
def logged_in(server: TrackingServer, user: str) -> Iterator[MlflowClient]:
    """A client as in a step: the login comes from the environment."""
    login = {
        "MLFLOW_TRACKING_USERNAME": user,
        "MLFLOW_TRACKING_PASSWORD": server.password(user),
        "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
    }
    with mock.patch.dict(os.environ, login):
        yield MlflowClient(server.url, server.url)


def status_of(action: Callable[[], object]) -> int:
    try:
        action()
    except MlflowException as error:
        return int(error.get_http_status_code())
    return 200


@pytest.fixture(scope="module")
def version(with_login: TrackingServer, server: Settings, tracking: str) -> str:
    """A version, and an experiment, from before there was a login: nobody made them."""
    forget_versions()
    client = MlflowClient()
    run = client.create_run(tracking)
    client.log_text(run.info.run_id, "trained", "model.txt")
    client.create_registered_model(names.MODEL_NAME)
    return str(client.create_model_version(names.MODEL_NAME, run.info.artifact_uri, run.info.run_id).version)


def test_the_steps_train_register_and_promote(with_login: TrackingServer, version: str, tracking: str) -> None:
    with logged_in(with_login, "steps") as client:
        run = client.create_run(tracking)
        client.log_metric(run.info.run_id, "auc", 0.8)
        client.set_terminated(run.info.run_id)
        made = client.create_model_version(names.MODEL_NAME, run.info.artifact_uri, run.info.run_id)
        client.transition_model_version_stage(names.MODEL_NAME, made.version, "Production")
        client.set_model_version_tag(names.MODEL_NAME, made.version, "gate", "passed")
        client.delete_model_version(names.MODEL_NAME, made.version)
        client.delete_run(run.info.run_id)
        experiment = client.create_experiment("made by the steps")
        client.delete_experiment(experiment)


def test_the_watcher_reads_and_writes_an_alias_and_a_description(with_login: TrackingServer, version: str) -> None:
    name = names.MODEL_NAME
    with logged_in(with_login, "watcher") as client:
        assert version in {item.version for item in client.search_model_versions(f"name = '{name}'")}
        client.set_registered_model_alias(name, "Production", version)
        client.update_model_version(name, version, "Not served: a reason")
        run_id = client.get_model_version(name, version).run_id
        assert [file.path for file in client.list_artifacts(run_id)] == ["model.txt"]


def test_the_watcher_writes_nothing_else(with_login: TrackingServer, version: str, tracking: str) -> None:
    name, refused = names.MODEL_NAME, requests.codes.forbidden
    with logged_in(with_login, "watcher") as client:
        run_id = client.get_model_version(name, version).run_id
        assert status_of(lambda: client.create_run(tracking)) == refused
        assert status_of(lambda: client.log_metric(run_id, "auc", 1.0)) == refused
        assert status_of(lambda: client.delete_model_version(name, version)) == refused
        assert status_of(lambda: client.delete_registered_model(name)) == refused
        assert status_of(lambda: client.create_model_version("attacked_model", "file:///tmp/x")) == refused
    login = ("watcher", with_login.password("watcher"))
    for path in (f"{tracking}/{run_id}/artifacts/model.txt", "anything.txt"):
        url = f"{with_login.url}/api/2.0/mlflow-artifacts/artifacts/{path}"
        assert requests.put(url, data="attack", auth=login, timeout=30).status_code == refused
        assert requests.put(url, data="attack", timeout=30).status_code == requests.codes.unauthorized


@pytest.mark.parametrize("user", ["steps", "watcher"])
def test_only_the_person_administers_users(with_login: TrackingServer, user: str) -> None:
    login, api = (user, with_login.password(user)), f"{with_login.url}/api/2.0/mlflow/users"
    requests_of_users = {
        "create": requests.post(f"{api}/create", json={"username": "x", "password": "y" * 12}, auth=login, timeout=30),
        "password": requests.patch(
            f"{api}/update-password", json={"username": "admin", "password": "y" * 12}, auth=login, timeout=30
        ),
        "admin": requests.patch(
            f"{api}/update-admin", json={"username": user, "is_admin": True}, auth=login, timeout=30
        ),
        "delete": requests.delete(f"{api}/delete", json={"username": "admin"}, auth=login, timeout=30),
    }
    assert {name: answer.status_code for name, answer in requests_of_users.items()} == dict.fromkeys(
        requests_of_users, 403
    )
    person = ("admin", with_login.password("admin"))
    assert requests.get(f"{api}/get", params={"username": user}, auth=person, timeout=30).ok


def test_a_wrong_password_is_refused(with_login: TrackingServer) -> None:
    search = "/api/2.0/mlflow/registered-models/search"
    assert with_login.get(search, ("admin", with_login.password("admin"))).status_code == 200
    for login in (("admin", "password1234"), ("admin", with_login.password("steps")), ("nobody", "x" * 12)):
        assert with_login.get(search, login).status_code == 401


def test_only_the_owner_can_read_the_logins(with_login: TrackingServer) -> None:
    files = [path for path in with_login.login_folder.rglob("*") if path.is_file()]
    folders = [with_login.login_folder, *(path for path in with_login.login_folder.iterdir())]
    assert {path.name for path in files} == {"credentials", "basic_auth.ini", "secret_key"}
    assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o600}
    assert {stat.S_IMODE(path.stat().st_mode) for path in folders} == {0o700}
    assert len({with_login.password(user) for user in USERS}) == len(USERS)


def test_no_process_of_the_server_shows_a_password(with_login: TrackingServer) -> None:
    secrets = [with_login.password(user) for user in USERS]
    secrets.append((with_login.login_folder / "admin" / "secret_key").read_text())
    parent = psutil.Process(with_login.pid)
    shown = [text for process in (parent, *parent.children(recursive=True)) for text in process.cmdline()]
    assert "--app-name" in shown
    assert [text for text in shown if any(secret in text for secret in secrets)] == []
    log = with_login.log.read_text()
    assert [secret for secret in secrets if secret in log] == []


def test_a_new_password_in_the_environment_is_that_of_the_next_start(
    with_login: TrackingServer, server: Settings, tmp_path: Path
) -> None:
    before, chosen = with_login.password("watcher"), "per cent: 50%, # and ; and =".replace(" ", "_")
    login = {"MLFLOW_AUTH": "basic", "MLFLOW_LOGIN_FOLDER": str(with_login.login_folder)}
    search = "/api/2.0/mlflow/registered-models/search"
    with tracking_server(server, tmp_path, **login, MLFLOW_WATCHER_PASSWORD=chosen) as restarted:
        assert restarted.get(search, ("watcher", chosen)).status_code == 200
        assert restarted.get(search, ("watcher", before)).status_code == 401
        assert restarted.get(search, ("steps", with_login.password("steps"))).status_code == 200
        environments = [process.environ() for process in psutil.Process(restarted.pid).children(recursive=True)]
    assert with_login.password("watcher") == chosen  # for the watcher, and the starts after this
    assert environments
    assert [values for values in environments if chosen in values.values()] == []


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({"MLFLOW_AUTH": "yes"}, "MLFLOW_AUTH='yes': must be basic or none. See .env.example"),
        (
            {"MLFLOW_AUTH": "basic", "MLFLOW_ADMIN_PASSWORD": "too short"},
            "MLFLOW_ADMIN_PASSWORD: must be at least 12 letters, digits and signs without spaces. See .env.example",
        ),
        (
            {"MLFLOW_AUTH": "basic", "MLFLOW_BACKEND_STORE_URI": ""},
            "MLFLOW_BACKEND_STORE_URI is not set; MLFLOW_AUTH=basic keeps its users there",
        ),
    ],
)
def test_an_unusable_setting_is_one_line(variables: dict[str, str], message: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tracking_server"],
        env={**os.environ, **variables}, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (1, f"[ERROR] {message}\n")
