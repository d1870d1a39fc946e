"""Checks docker-compose.yml as text; `make test-compose` runs it."""

import re
from typing import Any

import pytest
import yaml
from dotenv import dotenv_values

from configuration.environment import EnvironmentSettings
from console.settings import Settings as ConsoleSettings
from deploy.containers import passwords
from feature_enricher.settings import Settings as GatewaySettings
from local_stack.settings import ROOT, Settings
from rollout.settings import Settings as WatcherSettings

TEXT = (ROOT / "docker-compose.yml").read_text()
SERVICES: dict[str, Any] = yaml.safe_load(TEXT)["services"]
NETWORKS: dict[str, Any] = yaml.safe_load(TEXT)["networks"]
ONE_SHOT = {"pipeline", "roles", "keys", "passwords"}
LONG_RUNNING = {name: service for name, service in SERVICES.items() if name not in ONE_SHOT}
MONITORING = {name: service for name, service in SERVICES.items() if service.get("profiles") == ["monitoring"]}
PROJECT_SERVICES = {name: service for name, service in SERVICES.items() if name not in ("postgres", *MONITORING)}
WITH_SECRETS = {name: service for name, service in PROJECT_SERVICES.items() if name not in ("passwords", "keys")}
VARIABLE = re.compile(r"\$\{(\w+)([^}]*)\}")
PROGRAMS: dict[str, type[EnvironmentSettings]] = {
    "model": WatcherSettings, "gateway": GatewaySettings, "console": ConsoleSettings,
}  # fmt: skip
PROGRAMS_SETTINGS = {name for program in PROGRAMS.values() for name in program.variables()}
SECRETS = {*passwords.PASSWORDS, *passwords.OPTIONAL, "ENRICHER_LOG_PASSWORD", "CONSOLE_GATEWAY_KEY"}
PREFIXES = {"model": ("ROLLOUT_",), "gateway": ("ENRICHER_",), "console": ("CONSOLE_",)}
# model servers have sockets here, and no port
OF_MODEL_PORTS = {
    "ROLLOUT_MODEL_HOST", "ROLLOUT_MODEL_ADDRESS", "ROLLOUT_MODEL_PORTS", "ROLLOUT_MODEL_TLS", "ENRICHER_MODEL_TLS",
}  # fmt: skip
# needs the owner's login: here a step carries out what people ask for on the page
OF_ONE_MACHINE = {"CONSOLE_APPROVE_COMMAND", "CONSOLE_APPROVE_TIMEOUT_S"}
# as browsers reach them
ADDRESSES = {"ENRICHER_CONSOLE_URL": "http://127.0.0.1:8080", "CONSOLE_MLFLOW_URL": "http://127.0.0.1:5000"}
PUBLISHED = "${PUBLISH_ADDRESS:?PUBLISH_ADDRESS is not set; run cp .env.example .env and see there}"


def test_there_are_ten_services_and_three_that_monitor() -> None:
    assert set(MONITORING) == {"prometheus", "alertmanager", "grafana"}
    assert set(SERVICES) - set(MONITORING) == {
        "postgres", "mlflow", "roles", "keys", "passwords", "pipeline", "requests", "model", "gateway", "console",
    }  # fmt: skip


@pytest.mark.parametrize("name", MONITORING)
def test_a_monitoring_service_is_read_only_pinned_and_reads_files_of_the_project_only(name: str) -> None:
    service = MONITORING[name]
    assert service["read_only"] is True
    assert re.fullmatch(rf"\$\{{{name.upper()}_IMAGE:-[\w/]+:v?\d+\.\d+\.\d+\}}", service["image"])
    data, *mounts = [volume.split(":") for volume in service["volumes"]]
    assert data[0] == name
    assert all(mount[-1] == "ro" for mount in mounts)
    assert all((ROOT / mount[0]).exists() for mount in mounts if mount[0].startswith("."))
    secrets = [mount[0] for mount in mounts if mount[0].startswith("secrets")]
    assert secrets == ([f"secrets-{name}"] if name in passwords.USERS else [])
    assert set(passwords.USERS) <= set(MONITORING)
    assert all(f"secrets-{user}:/secrets/{user}" in SERVICES["passwords"]["volumes"] for user in passwords.USERS)


def test_prometheus_reaches_the_gateway_and_the_watcher_only_and_has_no_way_out() -> None:
    assert reachable("prometheus") == {"gateway", "model", "alertmanager", "grafana"}
    assert all(NETWORKS[name]["internal"] for name in SERVICES["prometheus"]["networks"])
    assert (
        reachable("grafana")
        == {"prometheus", "alertmanager"}
        == reachable("alertmanager") ^ {"grafana", "alertmanager"}
    )
    assert SERVICES["alertmanager"]["ports"] == ["127.0.0.1:${ALERTMANAGER_PORT:-9093}:9093"]


def test_prometheus_scrapes_what_listens_at_these_ports() -> None:
    text = yaml.safe_load((ROOT / "deploy" / "monitoring" / "prometheus.yml").read_text())
    found_at = {job["job_name"]: job["dns_sd_configs"][0] for job in text["scrape_configs"]}
    targets = {name: (at["names"], at["port"]) for name, at in found_at.items()}
    assert targets == {"gateway": (["gateway"], 8000), "watcher": (["model"], 5001)}
    assert {"gateway", "model"} <= reachable("prometheus")
    assert text["alerting"]["alertmanagers"][0]["static_configs"] == [{"targets": ["alertmanager:9093"]}]


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
    assert ("postgres" in service.get("depends_on", {})) == (name in WITH_SECRETS)
    for dependency, wait in service.get("depends_on", {}).items():
        assert wait["condition"] == ("service_completed_successfully" if dependency in ONE_SHOT else "service_healthy")


def test_only_steps_can_sign_and_the_watcher_can_only_read_the_public_key() -> None:
    with_private = {name for name, service in SERVICES.items() if "private-key" in str(service.get("volumes"))}
    assert with_private == {"keys", "pipeline", "requests"}
    assert [volume for volume in SERVICES["model"]["volumes"] if "key" in volume] == ["public-key:/keys/public:ro"]
    private, public = SERVICES["keys"]["command"][-2:]
    assert SERVICES["pipeline"]["environment"]["STREAMFLOW_SEAL_KEY"] == private
    assert SERVICES["model"]["environment"]["ROLLOUT_SEAL_KEY"] == public
    [created] = re.findall(r"install --directory --owner=streamflow .*", (ROOT / "Dockerfile").read_text())
    assert {"/keys/private", "/keys/public"} <= set(created.split())


def test_the_image_runs_as_a_user() -> None:
    dockerfile = (ROOT / "Dockerfile").read_text()
    assert re.findall(r"^USER (\w+)$", dockerfile, re.MULTILINE) == ["streamflow"]


def test_both_base_images_can_be_set_to_digests() -> None:
    examples = dotenv_values(ROOT / ".env.example")
    dockerfile = (ROOT / "Dockerfile").read_text()
    assert re.findall(r"^FROM (\S+)$", dockerfile, re.MULTILINE) == ["${PYTHON_IMAGE}"]
    assert re.findall(r"^ARG PYTHON_IMAGE=(\S+)$", dockerfile, re.MULTILINE) == [examples["PYTHON_IMAGE"]]
    assert SERVICES["gateway"]["build"]["args"]["PYTHON_IMAGE"] == f"${{PYTHON_IMAGE:-{examples['PYTHON_IMAGE']}}}"
    assert SERVICES["postgres"]["image"] == f"${{POSTGRES_IMAGE:-{examples['POSTGRES_IMAGE']}}}"


def test_the_lock_is_installed_before_the_code_is_copied() -> None:
    dockerfile = (ROOT / "Dockerfile").read_text()
    assert dockerfile.index("install --quiet --no-cache-dir") < dockerfile.index("COPY . .")


def test_the_image_contains_what_the_services_run() -> None:
    included = {line[1:].split("/")[0] for line in (ROOT / ".dockerignore").read_text().splitlines() if line[:1] == "!"}
    assert {
        "configuration",
        "console",
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


def test_only_mlflow_the_gateway_the_console_and_grafana_are_published_at_the_set_address() -> None:
    published = {name: service["ports"] for name, service in SERVICES.items() if "ports" in service}
    assert published.pop("alertmanager")[0].startswith("127.0.0.1:")
    assert set(published) == {"mlflow", "gateway", "console", "grafana"}
    for [port] in published.values():
        assert port.startswith("${PUBLISH_ADDRESS:?")
    assert dotenv_values(ROOT / ".env.example")["PUBLISH_ADDRESS"] == "127.0.0.1"


def test_every_value_is_in_env_example_and_a_missing_one_stops_the_start() -> None:
    # MLflow's login: a .env from before there was one stays valid
    optional = {
        "AS_OF", "DATA", "MIX", "STREAMFLOW_COMMIT", "STREAMFLOW_PREDICTION_LOG_DAYS", "PYTHON_IMAGE", "POSTGRES_IMAGE",
        "MLFLOW_AUTH", "GRAFANA_PORT", "ALERTMANAGER_PORT", *(f"{name.upper()}_IMAGE" for name in MONITORING),
    }  # fmt: skip
    examples = dotenv_values(ROOT / ".env.example")
    used = dict(VARIABLE.findall(TEXT))
    assert {"PGUSER", "PUBLISH_ADDRESS"} <= set(used)
    unchecked = [name for name, rest in used.items() if name not in examples or not rest.startswith(":?")]
    assert set(unchecked) - set(PROGRAMS_SETTINGS) <= optional


@pytest.mark.parametrize("name", SERVICES)
def test_no_password_or_key_is_in_a_service_s_definition(name: str) -> None:
    assert "env_file" not in SERVICES[name]
    assert SECRETS.isdisjoint(SERVICES[name].get("environment", {}))
    assert [secret for secret in SECRETS if f"${{{secret}" in str(SERVICES[name])] == []


@pytest.mark.parametrize("name", WITH_SECRETS)
def test_a_service_has_its_own_secrets_and_no_other_s(name: str) -> None:
    service = WITH_SECRETS[name]
    assert service["entrypoint"][-2:] == ["deploy.containers.with_secrets", "/secrets"]
    assert [volume for volume in service["volumes"] if "secrets" in volume] == [f"secrets-{name}:/secrets:ro"]
    assert f"secrets-{name}:/secrets/{name}" in SERVICES["passwords"]["volumes"]
    assert set(passwords.SERVICES) == set(WITH_SECRETS)


def test_only_one_service_reads_env_and_it_is_on_no_network() -> None:
    service = SERVICES["passwords"]
    assert service["volumes"][0] == {
        "type": "bind",
        "source": "./.env",
        "target": str(passwords.ENV_FILE),
        "read_only": True,
    }
    assert service["network_mode"] == "none"
    assert {name for name, other in SERVICES.items() if "/env" in str(other.get("volumes"))} == {"passwords"}
    assert {name for name, other in SERVICES.items() if "passwords:" in str(other.get("volumes"))} == {"passwords"}


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_program_gets_its_settings_of_env_one_by_one(program: str) -> None:
    settings, environment = PROGRAMS[program].variables(), SERVICES[program]["environment"]
    assert {name for name in settings if name not in environment} - OF_MODEL_PORTS - OF_ONE_MACHINE <= SECRETS
    assert {name for name in environment if name.startswith(PREFIXES[program])} <= set(settings)
    for name in PROGRAMS_SETTINGS & set(environment) - {"GATEWAY_PORT", "ENRICHER_LOG_USER"}:
        allowed = (f"${{{name}-}}", PUBLISHED, f"${{{name}:-{ADDRESSES.get(name)}}}")
        assert not environment[name].startswith("$") or environment[name] in allowed, name


def test_the_console_listens_where_the_gateway_leads_browsers() -> None:
    examples = dotenv_values(ROOT / ".env.example")
    for name, variable in {"ENRICHER_CONSOLE_URL": "CONSOLE_PORT", "CONSOLE_MLFLOW_URL": "MLFLOW_PORT"}.items():
        assert ADDRESSES[name] == f"http://{examples['PUBLISH_ADDRESS']}:{examples[variable]}"
    assert SERVICES["console"]["ports"][0].endswith(f":{SERVICES['console']['environment']['CONSOLE_PORT']}")


def reachable(name: str) -> set[str]:
    """The services that share a network with this one."""
    own = set(SERVICES[name].get("networks", ()))
    return {other for other, service in SERVICES.items() if own & set(service.get("networks", ()))} - {name}


def test_each_service_shares_networks_with_those_it_needs() -> None:
    assert reachable("gateway") - set(MONITORING) == {"postgres", "model", "console"}
    assert reachable("mlflow") == {"postgres", "model", "pipeline", "requests", "console"}
    assert reachable("console") == {"postgres", "model", "pipeline", "requests", "mlflow", "gateway"}
    assert all(
        service.get("network_mode") == "none"
        for name, service in SERVICES.items()
        if name in ("roles", "keys", "passwords")
    )


def test_only_services_with_a_published_port_reach_the_outside() -> None:
    outside = {name for name, network in NETWORKS.items() if not (network or {}).get("internal")}
    with_outside = {name for name, service in SERVICES.items() if outside & set(service.get("networks", ()))}
    assert with_outside == {name for name, service in SERVICES.items() if "ports" in service}
    assert all(sum(name in service.get("networks", ()) for service in SERVICES.values()) == 1 for name in outside)


def test_only_mlflow_mounts_the_artifacts() -> None:
    assert {name for name, service in SERVICES.items() if "artifacts" in str(service.get("volumes"))} == {"mlflow"}


@pytest.mark.parametrize("name", SERVICES)
def test_logs_rotate(name: str) -> None:
    assert SERVICES[name]["logging"] == {"driver": "json-file", "options": {"max-size": "10m", "max-file": "5"}}


@pytest.mark.parametrize("name", PROJECT_SERVICES)
def test_process_1_collects_children(name: str) -> None:
    assert PROJECT_SERVICES[name]["init"] is True


ROLES = {"mlflow": "_mlflow", "model": "_watcher", "gateway": "_reader", "console": "_console"}


def test_each_service_waits_for_its_role_and_has_no_other() -> None:
    roles = {name: SERVICES[name]["environment"]["PGUSER"].partition("}")[2] for name in WITH_SECRETS}
    assert roles == {"pipeline": "", "requests": "", "roles": "", **ROLES}
    variables = {
        "mlflow": "MLFLOW_DATABASE_PASSWORD", "model": "WATCHER_PASSWORD", "gateway": "READER_PASSWORD",
        "console": "CONSOLE_DATABASE_PASSWORD",
    }  # fmt: skip
    assert {name: passwords.SERVICES[name]["PGPASSWORD"] for name in variables} == variables
    assert all("roles" in SERVICES[name]["depends_on"] for name in set(WITH_SECRETS) - {"roles"})


def test_mlflow_asks_for_a_login_and_each_client_has_its_own() -> None:
    assert SERVICES["mlflow"]["environment"]["MLFLOW_AUTH"] == "${MLFLOW_AUTH:-basic}"
    users = {name: SERVICES[name]["environment"].get("MLFLOW_TRACKING_USERNAME") for name in WITH_SECRETS}
    clients = {"pipeline": "steps", "requests": "steps", "model": "watcher"}
    assert {name: user for name, user in users.items() if user} == clients
    # it reads MLflow's tables, with a role that changes none
    assert SERVICES["console"]["environment"]["MLFLOW_TRACKING_URI"].startswith("postgresql+psycopg2:///${MLFLOW_DATA")
    variable = "MLFLOW_TRACKING_PASSWORD"
    secret_of = {name: secrets[variable] for name, secrets in passwords.SERVICES.items() if variable in secrets}
    assert secret_of == {name: f"MLFLOW_{user.upper()}_PASSWORD" for name, user in clients.items()}


def test_only_the_service_that_makes_roles_shares_the_socket_that_lets_the_superuser_in() -> None:
    assert {name for name, service in SERVICES.items() if "postgres-socket" in str(service)} == {"postgres", "roles"}
    assert "POSTGRES_PASSWORD" not in str(SERVICES)


def test_the_lake_is_a_volume_writable_by_the_image_s_user() -> None:
    folder = SERVICES["pipeline"]["environment"]["STREAMFLOW_LAKE"]
    [volume] = [mount.split(":")[0] for mount in SERVICES["pipeline"]["volumes"] if mount.endswith(f":{folder}")]
    assert volume in yaml.safe_load(TEXT)["volumes"]
    [created] = re.findall(r"install --directory --owner=streamflow .*", (ROOT / "Dockerfile").read_text())
    assert folder in created.split()


def test_the_commit_is_an_optional_build_argument() -> None:
    assert SERVICES["pipeline"]["build"]["args"]["STREAMFLOW_COMMIT"] == "${STREAMFLOW_COMMIT:-}"
    dockerfile = (ROOT / "Dockerfile").read_text()
    assert dockerfile.index("ARG STREAMFLOW_COMMIT=\n") > dockerfile.index(
        "COPY . ."
    )  # another commit installs nothing


@pytest.mark.parametrize("name", sorted(set(WITH_SECRETS) - {"roles"}))  # the others are on no network
def test_the_project_s_services_reach_each_other_without_a_proxy(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    limited = {"PGSSLMODE": "prefer", "PGCONNECT_TIMEOUT": "5"}  # accept only some values
    environment = {
        key: re.sub(VARIABLE, "x", str(value)) for key, value in PROJECT_SERVICES[name]["environment"].items()
    }
    environment |= {key: value for key, value in limited.items() if key in environment}
    for key, value in environment.items():
        monkeypatch.setenv(key, value)
    assert Settings.from_env()["PGHOST"] == "postgres"
    servers = set(SERVICES) - ONE_SHOT - set(MONITORING) - {"requests"}
    assert servers <= set(environment["NO_PROXY"].split(","))
    assert environment["no_proxy"] == environment["NO_PROXY"]
