"""The README's first two commands, without `make` and the set-up of .venv."""

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd
import psutil
import pytest
import requests
from dotenv import dotenv_values

from configuration import passwords
from local_stack import processes
from local_stack.settings import ROOT
from tests.conftest import free_port, needs_real_data
from tests.local_stack.conftest import HAS_PROMETHEUS, PORTS, OwnStack, is_free
from tests.waiting import answers, wait_until

CHURN_V1 = [
    "months_active", "monthly_fee", "paperless_billing", "plan_stream_tv", "plan_stream_movies", "net_service",
    "watch_hours_30d", "avg_session_mins_7d", "unique_devices_30d", "skips_7d", "rebuffer_events_7d",
    "failed_payments_90d", "support_tickets_90d", "ticket_avg_resolution_hrs_90d",
]  # fmt: skip


def predict(stack: OwnStack, user_id: str) -> requests.Response:
    address = f"http://127.0.0.1:{stack.environment['GATEWAY_PORT']}/predict"
    return requests.post(address, json={"user_id": user_id}, timeout=10)


def offline(stack: OwnStack, code: str) -> Any:
    """The JSON in the last output line of Python code run in an activated shell."""
    done = stack.command("sh", "-c", '. .venv/bin/activate && python -W ignore -c "$CODE"', CODE=code)
    assert done.returncode == 0, done.stdout
    return json.loads(done.stdout.splitlines()[-1])


def test_up_prints_a_prediction_and_the_addresses(up_stack: OwnStack) -> None:
    gateway = f"http://127.0.0.1:{up_stack.environment['GATEWAY_PORT']}"
    assert '"prediction":' in up_stack.output
    assert f"docs     {gateway}/docs" in up_stack.output
    assert f"MLflow   http://127.0.0.1:{up_stack.environment['MLFLOW_PORT']} (asks for no login; " in up_stack.output
    for step in ("ingest", "materialize", "build_dataset", "train", "register"):
        assert f"] {step} took" in up_stack.output


def test_no_process_of_this_machine_shows_a_password(up_stack: OwnStack) -> None:
    secrets = [value for value in dotenv_values(up_stack.settings.state / passwords.FILE_NAME).values() if value]
    assert len(secrets) == 7
    lines = [" ".join(process.info["cmdline"] or []) for process in psutil.process_iter(["cmdline"])]
    assert len(lines) > 5
    assert [line for line in lines if any(secret in line for secret in secrets)] == []


def test_status_lists_every_service_as_answering(up_stack: OwnStack) -> None:
    done = up_stack.stack("status")
    assert done.returncode == 0, done.stdout
    assert done.stdout.count(" answers") == 5 + HAS_PROMETHEUS
    for service in ("PostgreSQL", "MLflow", "watcher", "gateway", "console", "model server"):
        assert service in done.stdout


def test_predictions_equal_those_of_the_same_model_offline(up_stack: OwnStack) -> None:
    expected = offline(
        up_stack,
        """
import json, mlflow, pandas as pd
model = mlflow.pyfunc.load_model("models:/streamflow_churn/Production")
run = mlflow.get_run(model.metadata.run_id)
folder = mlflow.artifacts.download_artifacts(run_id=run.data.tags["dataset_run_id"], artifact_path="dataset.parquet")
rows = pd.read_parquet(folder)
answers = model.predict(rows[[c for c in rows.columns if c not in ("user_id", "churn_label")]])
print(json.dumps({u: [int(a), float(p)] for u, a, p in zip(rows.user_id, answers.prediction, answers.probability)}))
""",
    )
    all_users = pd.read_csv(up_stack.months / "month_000" / "users.csv")["user_id"]
    assert set(expected) == set(all_users)
    users = all_users.sample(min(200, len(all_users)), random_state=1)
    responses = {user: predict(up_stack, user) for user in users}
    assert {user: answer.status_code for user, answer in responses.items()} == dict.fromkeys(users, 200)
    predictions = {
        user: [answer.json()["prediction"], answer.json()["probability"]] for user, answer in responses.items()
    }
    assert predictions == {user: expected[user] for user in users}


@needs_real_data
def test_the_published_user_gets_the_published_prediction(up_stack: OwnStack) -> None:
    answer = predict(up_stack, "4686-GEFRM").json()
    assert answer["prediction"] == 0
    assert answer["features_used"] == {
        "paperless_billing": True,
        "months_active": 70,
        "plan_stream_tv": False,
        "plan_stream_movies": True,
        "net_service": "Fiber optic",
        "monthly_fee": 98.7,
        "skips_7d": 8,
        "watch_hours_30d": pytest.approx(47.4896, abs=1e-4),
        "avg_session_mins_7d": pytest.approx(29.1410, abs=1e-4),
        "unique_devices_30d": 2,
        "rebuffer_events_7d": 2,
        "failed_payments_90d": 0,
        "support_tickets_90d": 0,
        "ticket_avg_resolution_hrs_90d": pytest.approx(13.6, abs=1e-4),
    }


def test_an_unknown_user_is_not_found_and_all_features_are_missing(up_stack: OwnStack) -> None:
    answer = predict(up_stack, "999999")
    assert answer.status_code == 404
    assert answer.json()["error"] == "Missing features for user_id=999999"
    assert answer.json()["missing_features"] == CHURN_V1


def test_the_docs_page_is_served(up_stack: OwnStack) -> None:
    page = requests.get(f"http://127.0.0.1:{up_stack.environment['GATEWAY_PORT']}/docs", timeout=10)
    assert page.status_code == 200
    assert "swagger" in page.text.lower()


def test_the_documented_command_records_in_the_experiment_of_the_ui(up_stack: OwnStack) -> None:
    done = up_stack.shell(". .venv/bin/activate && mlflow run . -e train -P as_of=2024-01-31 -P n_estimators=10")
    assert done.returncode == 0, done.stdout
    run_id = done.stdout.split("(run_id=")[1][:32]
    api = f"http://127.0.0.1:{up_stack.environment['MLFLOW_PORT']}/api/2.0/mlflow"
    run = requests.get(f"{api}/runs/get", params={"run_id": run_id}, timeout=10).json()["run"]
    experiment = requests.get(
        f"{api}/experiments/get", params={"experiment_id": run["info"]["experiment_id"]}, timeout=10
    ).json()["experiment"]
    assert run["info"]["status"] == "FINISHED"
    assert run["info"]["run_name"] == "rf_baseline_2024-01-31"
    assert experiment["name"] == "streamflow"


@contextmanager
def started(line: str, environment: dict[str, str]) -> Iterator[None]:
    """Run a user's command in a new shell until the block ends."""
    process = subprocess.Popen(
        ["sh", "-c", f". .venv/bin/activate && exec {line}"],
        env=environment,
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        yield
    finally:
        processes.end(psutil.Process(process.pid))
        process.wait(10)


def test_a_gateway_can_use_a_model_server_started_by_hand(up_stack: OwnStack) -> None:
    model, gateway = (f"http://127.0.0.1:{free_port()}" for _ in range(2))
    serve = "mlflow models serve -m models:/streamflow_churn/Production --env-manager local"
    addresses = {"ENRICHER_MODEL_URL": model, "GATEWAY_PORT": gateway.split(":")[2]}
    with (
        started(f"{serve} --port {model.split(':')[2]}", up_stack.environment),
        started("python -m feature_enricher", {**up_stack.environment, **addresses}),
    ):
        wait_until(lambda: answers(f"{model}/ping"), 90, 0.2)
        wait_until(lambda: answers(f"{gateway}/ready"), 60, 0.2)
        user = pd.read_csv(up_stack.months / "month_000" / "users.csv")["user_id"][0]
        by_hand = requests.post(f"{gateway}/predict", json={"user_id": user}, timeout=10).json()
    by_watcher = predict(up_stack, user).json()
    assert by_hand["model"]["version"] == "1"
    assert by_hand == by_watcher


def status_of_a_prediction(stack: OwnStack) -> int | None:
    """None if the gateway does not answer."""
    user = pd.read_csv(stack.months / "month_000" / "users.csv")["user_id"][0]
    try:
        return predict(stack, user).status_code
    except requests.ConnectionError:
        return None


@pytest.mark.parametrize("name", ["gateway", "watcher", "MLflow"])
def test_a_killed_service_is_restarted(up_stack: OwnStack, name: str) -> None:
    [service] = [entry for entry in processes.load_state(up_stack.settings)["services"] if entry["name"] == name]
    process = processes.find(service)
    assert process is not None
    process.kill()
    process.wait(10)
    wait_until(lambda: answers(service["health"]) and up_stack.stack("status").returncode == 0, 60, 0.2)
    wait_until(lambda: status_of_a_prediction(up_stack) == 200, 30, 0.2)


def test_a_killed_postgresql_is_restarted(up_stack: OwnStack) -> None:
    pid = (up_stack.settings.state / "postgres" / "postmaster.pid").read_text().split()[0]
    psutil.Process(int(pid)).kill()
    wait_until(lambda: status_of_a_prediction(up_stack) == 503, 10, 0.2)
    wait_until(lambda: status_of_a_prediction(up_stack) == 200, 60, 0.2)


def test_a_second_stack_on_the_same_folder_is_refused(up_stack: OwnStack) -> None:
    done = up_stack.stack("up")
    assert done.returncode == 1
    assert "already runs on" in done.stdout
    assert "make down" in done.stdout


def test_ports_in_use_are_named_with_the_setting_that_changes_them(up_stack: OwnStack, tmp_path: Path) -> None:
    environment = {**up_stack.environment, "STREAMFLOW_STATE": str(tmp_path / "other")}
    done = OwnStack(environment, up_stack.months).stack("up", "--data", str(up_stack.months))
    assert done.returncode == 1
    for name in PORTS:
        assert f"port {up_stack.environment[name]}" in done.stdout
        assert f"{name}=NUMBER" in done.stdout


def test_down_ends_every_process(up_stack: OwnStack) -> None:
    state = processes.load_state(up_stack.settings)
    started = [state["supervisor"], *state["services"]]
    done = up_stack.stack("down")
    assert done.returncode == 0, done.stdout
    assert [process for process in started if processes.find(process)] == []
    assert all(is_free(int(up_stack.environment[name])) for name in PORTS)


def test_a_second_run_reuses_the_state_and_ctrl_c_stops_it(up_stack: OwnStack) -> None:
    up_stack.stack("down")
    run = subprocess.Popen(
        [sys.executable, "-m", "local_stack", "run", "--data", str(up_stack.months)],
        env={**up_stack.environment, "PYTHONUNBUFFERED": "1"},
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert run.stdout is not None
    output = ""
    for line in run.stdout:
        output += line
        if line.startswith("  logs "):  # the last line of the start
            break
    state = processes.load_state(up_stack.settings)
    run.send_signal(signal.SIGINT)
    rest, _none = run.communicate(timeout=60)
    assert run.returncode == 0, output + rest
    assert "the chain has already run for these files" in output
    assert "mlflow run" not in output
    assert '"prediction":' in output
    names = [service["name"] for service in state["services"]]
    assert names == ["MLflow", "watcher", "gateway", "console", *["Prometheus"] * HAS_PROMETHEUS]
    assert [process for process in [state["supervisor"], *state["services"]] if processes.find(process)] == []
    assert all(is_free(int(up_stack.environment[name])) for name in PORTS)


def test_status_of_a_stopped_stack_names_make_up(down_stack: OwnStack) -> None:
    done = down_stack.stack("status")
    assert done.returncode == 1
    assert "make up" in done.stdout


@pytest.mark.parametrize(("name", "value"), [("MLFLOW_PORT", "no"), ("GATEWAY_PORT", "70000"), ("PGPORT", "0")])
def test_an_invalid_port_is_refused_with_its_value(down_stack: OwnStack, name: str, value: str) -> None:
    done = OwnStack({**down_stack.environment, name: value}, down_stack.months).stack("status")
    assert done.returncode == 1
    assert f"{name}='{value}'" in done.stdout


def test_data_without_the_month_is_refused_with_the_missing_files(down_stack: OwnStack, tmp_path: Path) -> None:
    done = down_stack.stack("up", "--data", str(tmp_path))
    assert done.returncode == 1
    assert "users.csv" in done.stdout
    assert all(is_free(int(down_stack.environment[name])) for name in PORTS)
