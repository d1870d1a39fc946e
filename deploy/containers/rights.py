"""Checks the rights of each container's database role, and MLflow's login. After the first month: all tables exist."""

import json
from pathlib import Path

import requests

from deploy.containers.outside import ANSWER_TIMEOUT_S, Containers, require

STATEMENTS = Path(__file__).with_name("statements")
REFUSED = "InsufficientPrivilege"
TRY = """
import json, os, sys, psycopg2
names = {"user": "ENRICHER_LOG_USER", "password": "ENRICHER_LOG_PASSWORD"} if sys.argv[3] == "log" else {}
login = {word: os.environ[name] for word, name in names.items()}
options = "-c default_transaction_read_only=off -c statement_timeout=0"
connection = psycopg2.connect(dbname=sys.argv[1], **login, options=options)
results = {}
for statement in json.loads(sys.argv[2]):
    connection.rollback()
    connection.autocommit = not statement.startswith("LOCK")
    try:
        connection.cursor().execute(statement)
    except psycopg2.Error as error:
        results[statement] = type(error).__name__
    else:
        results[statement] = "done"
print(json.dumps(results))
"""
# list of statements -> service, and the variable that names its database
LISTS = {
    "reader": ("gateway", "PGDATABASE"),
    "log": ("gateway", "PGDATABASE"),
    "watcher": ("model", "PGDATABASE"),
    "watcher_in_mlflow": ("model", "MLFLOW_DATABASE"),
    "console": ("console", "PGDATABASE"),
    "console_in_mlflow": ("console", "MLFLOW_DATABASE"),
    "mlflow": ("mlflow", "MLFLOW_DATABASE"),
}


def check(containers: Containers) -> None:
    for name in LISTS:
        role_is_refused_what_it_does_not_need(containers, name)
    mlflow_asks_for_a_login(containers)


def role_is_refused_what_it_does_not_need(containers: Containers, name: str) -> None:
    service, database = LISTS[name]
    may, may_not, all_may_not = (statements(part) for part in (f"{name}_may", f"{name}_may_not", "all_may_not"))
    words = (containers.settings[database], json.dumps([*may, *may_not, *all_may_not]), name)
    results = json.loads(containers.python(service, TRY, *words).splitlines()[-1])
    failed = {statement: results[statement] for statement in may if results[statement] != "done"}
    allowed = {statement: results[statement] for statement in may_not + all_may_not if results[statement] != REFUSED}
    require(not failed and not allowed, f"role of {service}: cannot {failed}, but may {allowed}")
    print(f"  {name}: the role of {service} may {len(may)} statements, and is refused {len(results) - len(may)}")


def statements(name: str) -> list[str]:
    return (STATEMENTS / f"{name}.sql").read_text().splitlines()


def mlflow_asks_for_a_login(containers: Containers) -> None:
    search = f"{containers.mlflow}/api/2.0/mlflow/registered-models/search"
    artifact = f"{containers.mlflow}/api/2.0/mlflow-artifacts/artifacts/attack.txt"
    statuses = [
        requests.get(search, timeout=ANSWER_TIMEOUT_S).status_code,
        requests.put(artifact, data="attack", timeout=ANSWER_TIMEOUT_S).status_code,
        requests.get(search, auth=("admin", "password1234"), timeout=ANSWER_TIMEOUT_S).status_code,
        requests.get(search, auth=containers.login(), timeout=ANSWER_TIMEOUT_S).status_code,
    ]
    require(statuses == [401, 401, 401, 200], f"MLflow without, with a wrong and with a right login: {statuses}")
    print(f"  MLflow without a login: {statuses[:2]}, with MLflow's old default: 401, with the person's: 200")
