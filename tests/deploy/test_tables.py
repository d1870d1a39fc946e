"""The tables of a PostgreSQL of the user's own, made by the owner."""

import os
import subprocess
import sys

import pytest

from local_stack.database import postgres
from local_stack.settings import ROOT, Settings
from tests import sql

DATABASE = "tables_of_mlflow"
TABLES = "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"


def create_tables() -> str:
    command = [sys.executable, "-m", "deploy.containers.tables"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_owner_creates_every_table(empty_warehouse: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    with sql.as_superuser():
        sql.execute_alone(f"CREATE DATABASE {DATABASE} OWNER {empty_warehouse['PGUSER']}")
    monkeypatch.setenv("MLFLOW_DATABASE", DATABASE)
    monkeypatch.setenv("MLFLOW_AUTH", "basic")
    try:
        for _time in range(2):
            assert f"[OK] The tables in {os.environ['PGDATABASE']} and {DATABASE} are ready." in create_tables()
        made = {name for (name,) in postgres.query(Settings.from_env(), DATABASE, TABLES, {})}
        assert {"experiments", "model_versions", "users"} <= made
        assert sql.fetch("SELECT to_regclass('public.seals')::text") == [("seals",)]
    finally:
        with sql.as_superuser():
            sql.execute_alone(f"DROP DATABASE {DATABASE} WITH (FORCE)")
