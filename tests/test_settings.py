"""Each deployment value is defined once: .env.example, docker-compose.yml and the job template match the programs."""

import re
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import yaml
from dotenv import dotenv_values
from feast import FeatureView

from configuration import names
from configuration.__main__ import EXAMPLE, PROGRAMS, example
from configuration.environment import EnvironmentSettings, allowed, mark
from feature_enricher.settings import Settings as GatewaySettings
from feature_repo.features import DEFINITIONS
from feature_store.settings import StoreSettings
from local_stack.environment import variables
from local_stack.settings import ROOT, Settings, StackError
from rollout.settings import Settings as WatcherSettings
from steps.cli import console
from steps.cli.settings import Settings as StepSettings
from steps.features import lake
from steps.warehouse import connection
from steps.warehouse.loading import MONTH_TABLES

SERVICES: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
ALL = {name: (program, field) for program in PROGRAMS for name, field in program.variables().items()}


def test_env_example_is_written_from_the_settings() -> None:
    assert EXAMPLE.read_text() == example(), "run: make settings"


def test_the_values_of_env_example_are_the_defaults(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in {name for program in PROGRAMS for name in program.variables()}:
        monkeypatch.delenv(name, raising=False)  # the stack of another test file may have set them
    written = {name: value for name, value in dotenv_values(EXAMPLE).items() if value}
    for program in PROGRAMS:
        stated = {
            name: written[name]
            for name, field in program.variables().items()
            if name in written and not mark(field, "derived")
        }
        assert stated
        assert program.read(stated) == program.read()


def test_a_step_reads_the_environment_again_only_after_it_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    before = StepSettings.from_env()
    assert StepSettings.from_env() is before
    monkeypatch.setenv("STREAMFLOW_SPARK_MASTER", "local[3]")
    assert StepSettings.from_env().spark_master == "local[3]"


@pytest.mark.parametrize("name", sorted(ALL))
def test_every_setting_has_a_description_and_allowed_values(name: str) -> None:
    _program, field = ALL[name]
    assert allowed(field)
    assert field.description
    assert name in variables.all_names()


def test_a_variable_of_two_programs_has_one_default() -> None:
    defaults: dict[str, set[str]] = {}
    for program in PROGRAMS:
        for name, field in program.variables().items():
            if not mark(field, "derived"):
                defaults.setdefault(name, set()).add(str(field.default))
    assert {name: values for name, values in defaults.items() if len(values) > 1} == {}


@pytest.mark.parametrize(
    ("service", "program"), [("model", WatcherSettings), ("gateway", GatewaySettings), ("pipeline", StepSettings)]
)
def test_compose_only_sets_variables_of_its_programs(service: str, program: type[EnvironmentSettings]) -> None:
    prefixes = (*variables.PREFIXES, "GATEWAY_")
    set_here = {name for name in SERVICES[service]["environment"] if name.startswith(prefixes)}
    assert set_here
    # the container also reads this setting of the stack
    assert set_here <= program.variables().keys() | {"STREAMFLOW_POSTGRES"}


def test_the_gateways_container_neither_knows_mlflow_nor_waits_for_it() -> None:
    gateway = SERVICES["gateway"]
    named = {name for name, value in gateway["environment"].items() if "mlflow" in str(value)}
    assert named <= {"NO_PROXY", "no_proxy"}
    assert "mlflow" not in gateway["depends_on"]


def test_the_gateways_container_has_the_sockets_of_the_model_servers() -> None:
    model, gateway = SERVICES["model"], SERVICES["gateway"]
    volume = f"sockets:{model['environment']['ROLLOUT_SOCKETS']}"
    assert volume in model["volumes"]
    assert f"{volume}:ro" in gateway["volumes"]


def test_ports_in_the_containers_are_the_defaults() -> None:
    gateway, watcher = SERVICES["gateway"]["environment"], SERVICES["model"]["environment"]
    assert gateway["ENRICHER_ROLLOUT_URL"] == f"http://model:{names.WATCHER_PORT}"
    assert (gateway["GATEWAY_PORT"], watcher["ROLLOUT_PORT"]) == (str(names.GATEWAY_PORT), str(names.WATCHER_PORT))
    assert gateway["PGPORT"] == str(names.POSTGRES_PORT)
    assert f"--port={names.MLFLOW_PORT}" in SERVICES["mlflow"]["command"]
    assert [SERVICES[name]["ports"][0].rpartition(":")[2] for name in ("mlflow", "gateway")] == [
        str(names.MLFLOW_PORT),
        str(names.GATEWAY_PORT),
    ]


def test_the_values_of_the_cluster_job_are_valid() -> None:
    template = yaml.safe_load((ROOT / "deploy" / "kubernetes" / "job.yaml").read_text())
    [container] = template["spec"]["template"]["spec"]["containers"]
    values = {variable["name"]: variable["value"] for variable in container["env"]}
    settings = {name: value for name, value in values.items() if name.startswith("STREAMFLOW_")}
    assert StepSettings.read(settings).offline_engine == "duckdb"
    assert values["MLFLOW_EXPERIMENT_NAME"] == names.EXPERIMENT


def test_feasts_schemas_have_the_same_names_everywhere() -> None:
    config = yaml.safe_load((ROOT / "feature_repo" / "feature_store.yaml").read_text())
    assert config["online_store"]["db_schema"] == names.ONLINE_SCHEMA
    assert config["registry"]["path"].endswith(f"search_path%3D{names.REGISTRY_SCHEMA}")
    statements = [path.read_text() for folder in ("steps", "local_stack") for path in (ROOT / folder).rglob("*.sql")]
    spelled = {name for text in statements for name in re.findall(r"\bfeast_\w+", text)}
    assert spelled == {names.ONLINE_SCHEMA, names.REGISTRY_SCHEMA}


def test_feast_reads_the_versions_of_the_snapshots_that_the_warehouse_loads() -> None:
    loaded = {table.name: table.versions for table in MONTH_TABLES.values() if table.is_snapshot}
    views = [item for item in DEFINITIONS if isinstance(item, FeatureView)]
    sources = {view.batch_source.name: view.batch_source.get_table_query_string().strip('"') for view in views}
    assert sources == loaded


def test_the_engines_read_the_files_that_ingest_writes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STREAMFLOW_LAKE", str(tmp_path))
    written = lake.path("usage_agg_30d_snapshots", date(2024, 1, 31))
    written.parent.mkdir(parents=True)
    written.touch()

    read = StoreSettings.read()
    assert [
        str(path) for path in tmp_path.glob(str(Path(read.lake_files("usage_agg_30d_snapshots")).relative_to(tmp_path)))
    ] == [str(written)]
    assert str(written).startswith(read.lake_folder("usage_agg_30d_snapshots") + "/")


def test_lock_keys_are_unique() -> None:
    keys = [getattr(connection, name) for name in dir(connection) if name.endswith("_LOCK")]
    assert len(set(keys)) == len(keys) == 5


def test_the_stack_names_invalid_values_without_passwords(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGPASSWORD", " ")
    monkeypatch.setenv("MLFLOW_PORT", "http")
    monkeypatch.setenv("STREAMFLOW_POSTGRES", "hunter2")

    with pytest.raises(StackError) as caught:
        Settings.from_env()

    assert str(caught.value).splitlines() == [
        "PGPASSWORD: must be a text that is not empty. See .env.example",
        "MLFLOW_PORT='http': must be a port from 1 to 65535. See .env.example",
        "STREAMFLOW_POSTGRES='hunter2': must be embedded or external. See .env.example",
    ]


def test_an_empty_variable_counts_as_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STREAMFLOW_STATE", "")
    monkeypatch.setenv("PGPORT", "")

    assert (Settings.from_env().state, Settings.from_env()["PGPORT"]) == (ROOT / ".streamflow", "5432")


def test_the_stack_names_misspelt_variables_of_any_program(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ENRICHER_MAX_BATCHES", "5")
    monkeypatch.setenv("STREAMFLOW_LAK", "lake")

    assert variables.unknown() == [
        "ENRICHER_MAX_BATCHES is not a setting (did you mean ENRICHER_MAX_BATCH?) and is ignored. See .env.example",
        "STREAMFLOW_LAK is not a setting (did you mean STREAMFLOW_LAKE?) and is ignored. See .env.example",
    ]


def test_a_variable_that_resembles_no_setting_but_in_its_prefix_gets_no_suggestion(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("ENRICHER_LANES", "2")

    assert variables.unknown() == ["ENRICHER_LANES is not a setting and is ignored. See .env.example"]


def test_the_stack_passes_the_address_of_a_model_server_to_the_gateway(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ENRICHER_MODEL_URL", "http://127.0.0.1:5002")

    assert Settings.from_env().exported()["ENRICHER_MODEL_URL"] == "http://127.0.0.1:5002"


def test_a_step_warns_about_a_misspelt_variable_and_continues(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("STREAMFLOW_LAK", "lake")
    monkeypatch.setenv("STREAMFLOW_POSTGRES", "external")

    console.run(lambda: console.say("done"))

    out, err = capsys.readouterr()
    assert out == "done\n"
    warning = "STREAMFLOW_LAK is not a setting (did you mean STREAMFLOW_LAKE?) and is ignored. See .env.example"
    assert err == f"[WARNING] {warning}\n"


def test_a_step_with_an_invalid_setting_ends_with_a_one_line_error(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("STREAMFLOW_REDIS", "me:hunter2@redis")

    with pytest.raises(SystemExit, match="2"):
        console.run(lambda: console.say("done"))

    out, err = capsys.readouterr()
    assert out == ""
    assert err == (
        "[ERROR] STREAMFLOW_REDIS='***@redis': must be an address like redis://127.0.0.1:6379/0. See .env.example\n"
    )
