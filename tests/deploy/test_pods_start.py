"""The programs start as their pods start them: with the command and the variables of the manifests."""

import base64
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import requests

from configuration.environment import InvalidSettings
from feature_enricher.errors.base import InvalidSetting
from feature_enricher.settings import load_settings
from local_stack.environment import variables
from local_stack.settings import ROOT, Settings
from steps.cli.settings import Settings as StepSettings
from tests.conftest import free_port
from tests.deploy.manifests import Object, command_of, containers_of, environment_of, named, template_of
from tests.waiting import answers, wait_until

POD = "10.42.0.7"  # probes have the pod's address as host


@contextmanager
def started(command: list[str], environment: dict[str, str], port: int) -> Iterator[str]:
    url = f"http://127.0.0.1:{port}"
    inherited = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    with subprocess.Popen(command, cwd=ROOT, env=inherited | environment) as process:
        try:
            wait_until(lambda: process.poll() is not None or answers(f"{url}/health"), seconds=90, pause=0.1)
            assert process.poll() is None
            yield url
        finally:
            process.terminate()


def status(url: str, host: str, login: tuple[str, str] | None = None) -> int:
    return requests.get(url, headers={"Host": host}, auth=login, timeout=10).status_code


def of_pod(objects: list[Object], name: str, root: Path | None = None) -> tuple[list[str], dict[str, str]]:
    """Command and variables of a Deployment's container. root: of its files, which the variables then name."""
    template = template_of(objects, name)
    [container] = containers_of(template)
    environment = environment_of(objects, container)
    if root is not None:
        write_files(objects, template, root)
        inside = ("/etc/streamflow/", "/tmp/")  # noqa: S108 - the pod's
        environment |= {key: f"{root}{value}" for key, value in environment.items() if value.startswith(inside)}
    return command_of(container, environment), environment


def write_files(objects: list[Object], template: Object, root: Path) -> None:
    """What the pod mounts from ConfigMaps and Secrets."""
    volumes = {volume["name"]: volume for volume in template["spec"]["volumes"]}
    for mount in containers_of(template)[0]["volumeMounts"]:
        folder, volume = root / mount["mountPath"][1:], volumes[mount["name"]]
        folder.mkdir(parents=True, exist_ok=True)
        if "configMap" in volume:
            files = {name: text.encode() for name, text in data_of(objects, "ConfigMap", volume["configMap"]["name"])}
        elif "secret" in volume:
            secret = data_of(objects, "Secret", volume["secret"]["secretName"])
            files = {name: base64.b64decode(text) for name, text in secret}
        else:
            files = {}
        for name, content in files.items():
            (folder / name).write_bytes(content)


def data_of(objects: list[Object], kind: str, name: str) -> list[tuple[str, str]]:
    return list(named(objects, kind, name)["data"].items())


def test_a_gateway_answers_probes_at_its_address_and_needs_a_key(objects: list[Object], tmp_path: Path) -> None:
    command, environment = of_pod(objects, "gateway", tmp_path)
    port = free_port()
    environment |= {
        "GATEWAY_PORT": str(port),
        "ENRICHER_DRAIN_S": "0",
        "TMPDIR": str(tmp_path),
        "PGHOST": str(tmp_path),
    }
    key = environment["ENRICHER_API_KEYS"].removeprefix("web:")
    with started(command, environment, port) as url:
        probes = {path: status(f"{url}{path}", f"{POD}:8000") for path in ("/health", "/ready")}
        assert probes == {"/health": 200, "/ready": 503}
        hosts = ("gateway:8000", "predict.example.org", "evil.example")
        assert [status(f"{url}/metrics", host) for host in hosts] == [401, 401, 421]
        metrics = requests.get(f"{url}/metrics", headers={"Host": "gateway", "X-API-Key": key}, timeout=10)
        assert metrics.status_code == 200


def test_a_watcher_answers_probes_at_its_address_and_the_gateway(objects: list[Object], tmp_path: Path) -> None:
    command, environment = of_pod(objects, "watcher", tmp_path)
    _gateway, of_gateway = of_pod(objects, "gateway")
    port = free_port()
    environment |= {"ROLLOUT_PORT": str(port), "MLFLOW_TRACKING_URI": "http://127.0.0.1:1"}
    with started(command, environment, port) as url:
        assert status(f"{url}/health", f"{POD}:5001") == 200
        gateway_asks = urlsplit(of_gateway["ENRICHER_ROLLOUT_URL"]).netloc
        assert [status(f"{url}/live", host) for host in (gateway_asks, "evil.example")] == [200, 421]


def test_a_console_answers_probes_at_its_address_and_asks_for_a_key(objects: list[Object], tmp_path: Path) -> None:
    command, environment = of_pod(objects, "console", tmp_path)
    port = free_port()
    environment |= {"CONSOLE_PORT": str(port), "TMPDIR": str(tmp_path), "PGHOST": str(tmp_path)}
    with started(command, environment, port) as url:
        assert status(f"{url}/health", f"{POD}:8080") == 200
        answer = requests.get(url, headers={"Host": "console.example.org"}, timeout=10, allow_redirects=False)
        assert (answer.status_code, answer.headers["Location"]) == (302, "/sign-in")
        assert status(f"{url}/sign-in", "evil.example") == 421


def test_mlflow_answers_probes_at_its_address_and_pods_with_a_login(
    objects: list[Object], server: Settings, tracking: str, tmp_path: Path
) -> None:
    command, environment = of_pod(objects, "mlflow")
    port = free_port()
    command = [item.replace("=5000", f"={port}").replace("=/artifacts", f"={tmp_path}") for item in command]
    environment |= {name: server[name] for name in ("PGHOST", "PGPORT", "PGUSER", "PGPASSWORD", "PGSSLMODE")}
    environment |= {"TMPDIR": str(tmp_path), "PGSSLROOTCERT": "", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    environment["MLFLOW_LOGIN_FOLDER"] = str(tmp_path / "login")
    with started(command, environment, port) as url:
        assert status(f"{url}/health", f"{POD}:5000") == 200
        experiment = f"{url}/api/2.0/mlflow/experiments/get?experiment_id={tracking}"
        for name in ("watcher", "steps"):
            _client, values = of_pod(objects, name)
            host = urlsplit(values["MLFLOW_TRACKING_URI"]).netloc
            login = (values["MLFLOW_TRACKING_USERNAME"], values["MLFLOW_TRACKING_PASSWORD"])
            assert status(experiment, host) == 401
            assert status(experiment, host, login) == 200
            assert status(experiment, "evil.example", login) == 403


def test_the_steps_accept_their_settings(objects: list[Object], monkeypatch: pytest.MonkeyPatch) -> None:
    _command, environment = of_pod(objects, "steps")
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert Settings.from_env()["PGHOST"] == "postgres.example.org"
    [mounts] = [container["volumeMounts"] for container in containers_of(template_of(objects, "steps"))]
    paths = {mount["mountPath"] for mount in mounts}
    settings = StepSettings.from_env()
    assert {
        str(settings.lake),
        str(settings.private_seal_key.parent),
        str(Path(environment["PGSSLROOTCERT"]).parent),
    } <= paths


def test_requests_are_carried_out_with_the_steps_settings(objects: list[Object]) -> None:
    command, environment = of_pod(objects, "requests")
    assert command[1:] == ["-m", "deploy.containers.decision_requests"]
    assert environment == of_pod(objects, "steps")[1]


def service_links(objects: list[Object]) -> dict[str, str]:
    """The variables that the kubelet sets in every pod that does not forbid it; headless services have none."""
    return {
        f"{item['metadata']['name'].upper()}_PORT": f"tcp://10.43.0.9:{item['spec']['ports'][0]['port']}"
        for item in objects
        if item["kind"] == "Service" and item["spec"].get("clusterIP") != "None"
    }


def test_the_links_of_services_would_be_read_as_settings(
    objects: list[Object], monkeypatch: pytest.MonkeyPatch
) -> None:
    links = service_links(objects)
    assert {"GATEWAY_PORT", "MLFLOW_PORT", "CONSOLE_PORT"} <= set(links)
    for name, value in links.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(InvalidSetting, match=r"GATEWAY_PORT='tcp://10\.43\.0\.9:8000'"):
        load_settings()
    with pytest.raises(InvalidSettings, match=r"MLFLOW_PORT='tcp://10\.43\.0\.9:5000'"):
        variables.StackVariables.read()
    assert {
        template_of(objects, name)["spec"]["enableServiceLinks"] for name in ("gateway", "mlflow", "steps", "console")
    } == {False}
