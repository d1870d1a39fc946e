"""What docker-compose.yml promises on paper; `make test-compose` is where it really runs."""

import re
from typing import Any

import pytest
import yaml
from dotenv import dotenv_values

from local_stack.settings import ROOT, Settings

TEXT = (ROOT / "docker-compose.yml").read_text()
SERVICES: dict[str, Any] = yaml.safe_load(TEXT)["services"]
ONE_SHOT = {"pipeline", "reader"}
LASTING = {name: service for name, service in SERVICES.items() if name not in ONE_SHOT}
OURS = {name: service for name, service in SERVICES.items() if name != "postgres"}
VARIABLE = re.compile(r"\$\{(\w+)([^}]*)\}")


def test_the_services_are_the_six() -> None:
    assert set(SERVICES) == {"postgres", "mlflow", "reader", "pipeline", "model", "gateway"}


def test_pipeline_is_not_started_by_up() -> None:
    assert SERVICES["pipeline"]["profiles"] == ["pipeline"]
    assert "restart" not in SERVICES["pipeline"]


@pytest.mark.parametrize("name", LASTING)
def test_a_lasting_service_restarts_and_has_a_health_check(name: str) -> None:
    assert LASTING[name]["restart"] == "unless-stopped"
    assert LASTING[name]["healthcheck"]["test"]


@pytest.mark.parametrize("name", SERVICES)
def test_every_service_has_limits_and_no_more_rights_than_it_needs(name: str) -> None:
    service = SERVICES[name]
    assert {"mem_limit", "cpus", "pids_limit"} <= set(service)
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]


@pytest.mark.parametrize("name", OURS)
def test_our_services_start_in_order_of_health_on_a_read_only_root(name: str) -> None:
    service = OURS[name]
    assert service["read_only"] is True
    assert service["depends_on"]["postgres"] == {"condition": "service_healthy"}
    for other, wait in service["depends_on"].items():
        assert wait["condition"] == ("service_completed_successfully" if other == "reader" else "service_healthy")


def test_the_image_runs_as_a_user_and_its_bases_are_pinned() -> None:
    dockerfile = (ROOT / "Dockerfile").read_text()
    assert re.findall(r"^USER (\w+)$", dockerfile, re.MULTILINE) == ["streamflow"]
    assert re.findall(r"^FROM (\S+)$", dockerfile, re.MULTILINE) == ["python:3.11-slim"]
    assert SERVICES["postgres"]["image"] == "postgres:16"


def test_the_lock_is_installed_before_the_code_is_copied() -> None:
    dockerfile = (ROOT / "Dockerfile").read_text()
    assert dockerfile.index("install --quiet --no-cache-dir") < dockerfile.index("COPY . .")


def test_the_image_holds_what_the_services_run() -> None:
    taken = {line[1:].split("/")[0] for line in (ROOT / ".dockerignore").read_text().splitlines() if line[:1] == "!"}
    assert {
        "configuration",
        "steps",
        "rollout",
        "feature_enricher",
        "feature_repo",
        "feature_store",
        "local_stack",
        "deploy",
        "MLproject",
        "pyproject.toml",  # the gateway reads the version there
    } <= taken
    assert ".env" not in taken


def test_only_mlflow_and_the_gateway_are_published_and_on_the_asked_address() -> None:
    published = {name: service["ports"] for name, service in SERVICES.items() if "ports" in service}
    assert set(published) == {"mlflow", "gateway"}
    for [port] in published.values():
        assert port.startswith("${PUBLISH_ADDRESS:?")
    assert dotenv_values(ROOT / ".env.example")["PUBLISH_ADDRESS"] == "127.0.0.1"


def test_every_value_is_in_env_example_and_a_missing_one_stops_the_start() -> None:
    optional = {"AS_OF", "DATA", "MIX", "STREAMFLOW_COMMIT"}
    known = dotenv_values(ROOT / ".env.example")
    used = dict(VARIABLE.findall(TEXT))
    assert {"PGPASSWORD", "PUBLISH_ADDRESS"} <= set(used)
    wrong = [name for name, otherwise in used.items() if name not in known or not otherwise.startswith(":?")]
    assert set(wrong) <= optional


def test_no_password_is_written_down() -> None:
    assert re.findall(r"PASSWORD: (?!\$\{)", TEXT) == []


def test_the_gateway_waits_for_its_own_role_and_is_given_no_other() -> None:
    given = SERVICES["gateway"]["environment"]
    assert given["PGUSER"] == SERVICES["postgres"]["environment"]["POSTGRES_USER"] + "_reader"
    assert given["PGPASSWORD"] == SERVICES["reader"]["environment"]["READER_PASSWORD"]
    assert "reader" in SERVICES["gateway"]["depends_on"]


def test_the_lake_is_a_volume_that_the_images_user_can_write_to() -> None:
    folder = SERVICES["pipeline"]["environment"]["STREAMFLOW_LAKE"]
    [volume] = [mount.split(":")[0] for mount in SERVICES["pipeline"]["volumes"] if mount.endswith(f":{folder}")]
    assert volume in yaml.safe_load(TEXT)["volumes"]
    [made] = re.findall(r"install --directory --owner=streamflow .*", (ROOT / "Dockerfile").read_text())
    assert folder in made.split()


def test_the_commit_comes_into_the_image_and_may_lack() -> None:
    assert SERVICES["pipeline"]["build"]["args"] == {"STREAMFLOW_COMMIT": "${STREAMFLOW_COMMIT:-}"}
    dockerfile = (ROOT / "Dockerfile").read_text()
    assert dockerfile.index("ARG STREAMFLOW_COMMIT=\n") > dockerfile.index("COPY . .")  # another one installs nothing


@pytest.mark.parametrize("name", OURS)
def test_our_services_ask_the_database_and_each_other_and_no_proxy(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    odd = {"PGSSLMODE": "prefer", "PGCONNECT_TIMEOUT": "5"}  # those that take only some values
    given = {key: re.sub(VARIABLE, "x", str(value)) for key, value in OURS[name]["environment"].items()}
    given |= {key: value for key, value in odd.items() if key in given}
    for key, value in given.items():
        monkeypatch.setenv(key, value)
    assert Settings.from_env()["PGHOST"] == "postgres"
    assert set(SERVICES) - ONE_SHOT <= set(given["NO_PROXY"].split(","))
    assert given["no_proxy"] == given["NO_PROXY"]
