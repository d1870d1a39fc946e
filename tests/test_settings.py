"""Each deployment value is in one place: .env.example, docker-compose.yml and the job template follow the programs."""

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
from local_stack import variables
from local_stack.settings import ROOT, Settings, StackError
from rollout.settings import Settings as WatcherSettings
from steps.cli import console
from steps.cli.settings import Settings as StepSettings
from steps.features import lake
from steps.warehouse import connection
from steps.warehouse.loading import TARGETS

SERVICES: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
ALL = {name: (program, field) for program in PROGRAMS for name, field in program.variables().items()}


def test_env_example_is_written_from_the_settings() -> None:
    assert EXAMPLE.read_text() == example(), "run: make settings"


def test_what_env_example_says_is_what_a_program_does_without_it(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in {name for program in PROGRAMS for name in program.variables()}:
        monkeypatch.delenv(name, raising=False)  # another file's stack may have left its own there
    written = {name: value for name, value in dotenv_values(EXAMPLE).items() if value}
    for program in PROGRAMS:
        stated = {
            name: written[name]
            for name, field in program.variables().items()
            if name in written and not mark(field, "derived")
        }
        assert stated
        assert program.read(stated) == program.read()


@pytest.mark.parametrize("name", sorted(ALL))
def test_every_setting_says_what_it_is_and_what_is_allowed(name: str) -> None:
    _program, field = ALL[name]
    assert allowed(field)
    assert field.description
    assert name in variables.all_names()


def test_two_programs_with_one_variable_have_one_default() -> None:
    defaults: dict[str, set[str]] = {}
    for program in PROGRAMS:
        for name, field in program.variables().items():
            if not mark(field, "derived"):
                defaults.setdefault(name, set()).add(str(field.default))
    assert {name: values for name, values in defaults.items() if len(values) > 1} == {}


@pytest.mark.parametrize(
    ("service", "program"), [("model", WatcherSettings), ("gateway", GatewaySettings), ("pipeline", StepSettings)]
)
def test_compose_sets_nothing_that_its_program_does_not_know(service: str, program: type[EnvironmentSettings]) -> None:
    prefixes = (*variables.PREFIXES, "GATEWAY_")
    given = {name for name in SERVICES[service]["environment"] if name.startswith(prefixes)}
    assert given
    # what the container's code reads of the stack's own settings
    assert given <= program.variables().keys() | {"STREAMFLOW_POSTGRES"}


def test_inside_the_containers_ports_are_the_defaults() -> None:
    gateway, watcher = SERVICES["gateway"]["environment"], SERVICES["model"]["environment"]
    assert gateway["ENRICHER_ROLLOUT_URL"] == f"http://model:{names.WATCHER_PORT}"
    assert gateway["ENRICHER_REGISTRY_URL"] == f"http://mlflow:{names.MLFLOW_PORT}"
    assert (gateway["GATEWAY_PORT"], watcher["ROLLOUT_PORT"]) == (str(names.GATEWAY_PORT), str(names.WATCHER_PORT))
    assert gateway["PGPORT"] == str(names.POSTGRES_PORT)
    assert f"--port={names.MLFLOW_PORT}" in SERVICES["mlflow"]["command"]
    assert [SERVICES[name]["ports"][0].rpartition(":")[2] for name in ("mlflow", "gateway")] == [
        str(names.MLFLOW_PORT),
        str(names.GATEWAY_PORT),
    ]


def test_the_cluster_s_job_can_be_started_with_its_values() -> None:
    template = yaml.safe_load((ROOT / "deploy" / "kubernetes" / "job.yaml").read_text())
    [container] = template["spec"]["template"]["spec"]["containers"]
    given = {variable["name"]: variable["value"] for variable in container["env"]}
    ours = {name: value for name, value in given.items() if name.startswith("STREAMFLOW_")}
    assert StepSettings.read(ours).offline_engine == "duckdb"
    assert given["MLFLOW_EXPERIMENT_NAME"] == names.EXPERIMENT


def test_feast_s_schemas_are_called_the_same_wherever_they_are_spelled() -> None:
    config = yaml.safe_load((ROOT / "feature_repo" / "feature_store.yaml").read_text())
    assert config["online_store"]["db_schema"] == names.ONLINE_SCHEMA
    assert config["registry"]["path"].endswith(f"search_path%3D{names.REGISTRY_SCHEMA}")
    statements = [path.read_text() for folder in ("steps", "local_stack") for path in (ROOT / folder).rglob("*.sql")]
    spelled = {name for text in statements for name in re.findall(r"\bfeast_\w+", text)}
    assert spelled == {names.ONLINE_SCHEMA, names.REGISTRY_SCHEMA}


def test_feast_reads_the_versions_of_the_snapshots_that_the_warehouse_loads() -> None:
    loaded = {target.table: target.versions for target in TARGETS.values() if target.dated}
    views = [item for item in DEFINITIONS if isinstance(item, FeatureView)]
    sources = {view.batch_source.name: view.batch_source.get_table_query_string().strip('"') for view in views}
    assert sources == loaded


def test_a_month_is_written_to_the_file_that_the_engines_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STREAMFLOW_LAKE", str(tmp_path))
    written = lake.path("usage_agg_30d_snapshots", date(2024, 1, 31))
    written.parent.mkdir(parents=True)
    written.touch()

    read = StoreSettings.read()
    assert [
        str(path) for path in tmp_path.glob(str(Path(read.lake_files("usage_agg_30d_snapshots")).relative_to(tmp_path)))
    ] == [str(written)]
    assert str(written).startswith(read.lake_folder("usage_agg_30d_snapshots") + "/")


def test_no_two_locks_have_one_key() -> None:
    keys = [getattr(connection, name) for name in dir(connection) if name.endswith("_LOCK")]
    assert len(set(keys)) == len(keys) == 3


def test_a_value_that_the_stack_cannot_use_is_named_without_a_password(monkeypatch: pytest.MonkeyPatch) -> None:
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


def test_an_empty_variable_of_the_shell_counts_as_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STREAMFLOW_STATE", "")
    monkeypatch.setenv("PGPORT", "")

    assert (Settings.from_env().state, Settings.from_env()["PGPORT"]) == (ROOT / ".streamflow", "5432")


def test_a_misspelt_variable_of_any_program_is_named_by_the_stack(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ENRICHER_MAX_BATCHES", "5")
    monkeypatch.setenv("STREAMFLOW_LAK", "lake")

    assert variables.unknown() == [
        "ENRICHER_MAX_BATCHES is not a setting (did you mean ENRICHER_MAX_BATCH?) and is ignored. See .env.example",
        "STREAMFLOW_LAK is not a setting (did you mean STREAMFLOW_LAKE?) and is ignored. See .env.example",
    ]


def test_a_model_server_started_by_hand_is_handed_on_to_the_gateway(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ENRICHER_MODEL_URL", "http://127.0.0.1:5002")

    assert Settings.from_env().exported()["ENRICHER_MODEL_URL"] == "http://127.0.0.1:5002"


def test_a_step_names_a_misspelt_variable_and_goes_on(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("STREAMFLOW_LAK", "lake")
    monkeypatch.setenv("STREAMFLOW_POSTGRES", "external")

    console.run(lambda: console.say("done"))

    out, err = capsys.readouterr()
    assert out == "done\n"
    warning = "STREAMFLOW_LAK is not a setting (did you mean STREAMFLOW_LAKE?) and is ignored. See .env.example"
    assert err == f"[WARNING] {warning}\n"


def test_a_step_with_a_setting_that_makes_no_sense_ends_in_one_line(
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
