"""Checks docker-compose.yml as text; `make test-compose` runs it."""

import re
from typing import Any

import pytest
import yaml
from dotenv import dotenv_values

from local_stack.settings import ROOT, Settings

TEXT = (ROOT / "docker-compose.yml").read_text()
SERVICES: dict[str, Any] = yaml.safe_load(TEXT)["services"]
ONE_SHOT = {"pipeline", "reader", "keys"}
LONG_RUNNING = {name: service for name, service in SERVICES.items() if name not in ONE_SHOT}
PROJECT_SERVICES = {name: service for name, service in SERVICES.items() if name != "postgres"}
VARIABLE = re.compile(r"\$\{(\w+)([^}]*)\}")


def test_there_are_seven_services() -> None:
    assert set(SERVICES) == {"postgres", "mlflow", "reader", "keys", "pipeline", "model", "gateway"}


def test_pipeline_is_not_started_by_up() -> None:
    assert SERVICES["pipeline"]["profiles"] == ["pipeline"]
    assert "restart" not in SERVICES["pipeline"]


@pytest.mark.parametrize("name", LONG_RUNNING)
def test_a_long_running_service_restarts_and_has_a_health_check(name: str) -> None:
    assert LONG_RUNNING[name]["restart"] == "unless-stopped"
    assert LONG_RUNNING[name]["healthcheck"]["test"]


@pytest.mark.parametrize("name", SERVICES)
def test_every_service_has_limits_and_minimal_rights(name: str) -> None:
    service = SERVICES[name]
    assert {"mem_limit", "cpus", "pids_limit"} <= set(service)
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]


@pytest.mark.parametrize("name", PROJECT_SERVICES)
def test_the_project_s_services_wait_for_healthy_ones_on_a_read_only_root(name: str) -> None:
    service = PROJECT_SERVICES[name]
    assert service["read_only"] is True
    assert ("postgres" in service.get("depends_on", {})) == (name != "keys")
    for dependency, wait in service.get("depends_on", {}).items():
        assert wait["condition"] == ("service_completed_successfully" if dependency in ONE_SHOT else "service_healthy")


def test_only_steps_can_sign_and_the_watcher_can_only_read_the_public_key() -> None:
    with_private = {name for name, service in SERVICES.items() if "private-key" in str(service.get("volumes"))}
    assert with_private == {"keys", "pipeline"}
    assert [volume for volume in SERVICES["model"]["volumes"] if "key" in volume] == ["public-key:/keys/public:ro"]
    private, public = SERVICES["keys"]["command"][-2:]
    assert SERVICES["pipeline"]["environment"]["STREAMFLOW_SEAL_KEY"] == private
    assert SERVICES["model"]["environment"]["ROLLOUT_SEAL_KEY"] == public
    [created] = re.findall(r"install --directory --owner=streamflow .*", (ROOT / "Dockerfile").read_text())
    assert {"/keys/private", "/keys/public"} <= set(created.split())


def test_mlflow_asks_for_a_login_and_each_client_has_its_own_where_mlflow_reads_it() -> None:
    server = SERVICES["mlflow"]
    assert server["environment"]["MLFLOW_AUTH"] == "${MLFLOW_AUTH:-basic}"
    logins = {volume for volume in server["volumes"] if "login" in volume}
    assert logins == {f"{user}-login:/login/{user}" for user in ("admin", "steps", "watcher")}
    clients = {
        name: [volume for volume in service.get("volumes", []) if "login" in volume]
        for name, service in SERVICES.items()
        if name != "mlflow"
    }
    mounted = {name: volumes for name, volumes in clients.items() if volumes}
    assert mounted == {"pipeline": ["steps-login:/tmp/.mlflow:ro"], "model": ["watcher-login:/tmp/.mlflow:ro"]}
    assert "HOME=/tmp " in (ROOT / "Dockerfile").read_text()


def test_the_image_runs_as_a_user_on_pinned_base_images() -> None:
    dockerfile = (ROOT / "Dockerfile").read_text()
    assert re.findall(r"^USER (\w+)$", dockerfile, re.MULTILINE) == ["streamflow"]
    assert re.findall(r"^FROM (\S+)$", dockerfile, re.MULTILINE) == ["python:3.11-slim"]
    assert SERVICES["postgres"]["image"] == "postgres:16"


def test_the_lock_is_installed_before_the_code_is_copied() -> None:
    dockerfile = (ROOT / "Dockerfile").read_text()
    assert dockerfile.index("install --quiet --no-cache-dir") < dockerfile.index("COPY . .")


def test_the_image_contains_what_the_services_run() -> None:
    included = {line[1:].split("/")[0] for line in (ROOT / ".dockerignore").read_text().splitlines() if line[:1] == "!"}
    assert {
        "configuration",
        "sealing",
        "steps",
        "rollout",
        "feature_enricher",
        "feature_repo",
        "feature_store",
        "local_stack",
        "deploy",
        "MLproject",
        "pyproject.toml",  # the gateway reads its version
    } <= included
    assert ".env" not in included


def test_only_mlflow_and_the_gateway_are_published_at_the_set_address() -> None:
    published = {name: service["ports"] for name, service in SERVICES.items() if "ports" in service}
    assert set(published) == {"mlflow", "gateway"}
    for [port] in published.values():
        assert port.startswith("${PUBLISH_ADDRESS:?")
    assert dotenv_values(ROOT / ".env.example")["PUBLISH_ADDRESS"] == "127.0.0.1"


def test_every_value_is_in_env_example_and_a_missing_one_stops_the_start() -> None:
    # the last ones have defaults of the programs: a .env from before there was a login stays valid
    login = {"MLFLOW_AUTH", *(f"MLFLOW_{user}_PASSWORD" for user in ("ADMIN", "STEPS", "WATCHER"))}
    optional = {"AS_OF", "DATA", "MIX", "STREAMFLOW_COMMIT", "ROLLOUT_MODEL_NAME", *login}
    examples = dotenv_values(ROOT / ".env.example")
    used = dict(VARIABLE.findall(TEXT))
    assert {"PGPASSWORD", "PUBLISH_ADDRESS"} <= set(used)
    unchecked = [name for name, rest in used.items() if name not in examples or not rest.startswith(":?")]
    assert set(unchecked) <= optional


def test_no_password_is_written_down() -> None:
    assert re.findall(r"PASSWORD: (?!\$\{)", TEXT) == []


def test_the_gateway_waits_for_its_role_and_has_no_other() -> None:
    environment = SERVICES["gateway"]["environment"]
    assert environment["PGUSER"] == SERVICES["postgres"]["environment"]["POSTGRES_USER"] + "_reader"
    assert environment["PGPASSWORD"] == SERVICES["reader"]["environment"]["READER_PASSWORD"]
    assert "reader" in SERVICES["gateway"]["depends_on"]


def test_the_lake_is_a_volume_writable_by_the_image_s_user() -> None:
    folder = SERVICES["pipeline"]["environment"]["STREAMFLOW_LAKE"]
    [volume] = [mount.split(":")[0] for mount in SERVICES["pipeline"]["volumes"] if mount.endswith(f":{folder}")]
    assert volume in yaml.safe_load(TEXT)["volumes"]
    [created] = re.findall(r"install --directory --owner=streamflow .*", (ROOT / "Dockerfile").read_text())
    assert folder in created.split()


def test_the_commit_is_an_optional_build_argument() -> None:
    assert SERVICES["pipeline"]["build"]["args"] == {"STREAMFLOW_COMMIT": "${STREAMFLOW_COMMIT:-}"}
    dockerfile = (ROOT / "Dockerfile").read_text()
    assert dockerfile.index("ARG STREAMFLOW_COMMIT=\n") > dockerfile.index(
        "COPY . ."
    )  # another commit installs nothing


@pytest.mark.parametrize("name", sorted(set(PROJECT_SERVICES) - {"keys"}))  # it reaches none
def test_the_project_s_services_reach_each_other_without_a_proxy(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    limited = {"PGSSLMODE": "prefer", "PGCONNECT_TIMEOUT": "5"}  # accept only some values
    environment = {
        key: re.sub(VARIABLE, "x", str(value)) for key, value in PROJECT_SERVICES[name]["environment"].items()
    }
    environment |= {key: value for key, value in limited.items() if key in environment}
    for key, value in environment.items():
        monkeypatch.setenv(key, value)
    assert Settings.from_env()["PGHOST"] == "postgres"
    assert set(SERVICES) - ONE_SHOT <= set(environment["NO_PROXY"].split(","))
    assert environment["no_proxy"] == environment["NO_PROXY"]
