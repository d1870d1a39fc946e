"""The stock variant of each stage, as in public tutorials: pandas to_sql and ON CONFLICT, Feast's own online store and
`materialize`, entities as a DataFrame. It uses schemas of its own. Also: the look-up of one user."""

import csv
import random
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from statistics import median
from typing import Any

from bench.testbed.stock_address import stock_address
from configuration import names
from feature_store.deadline import Deadline
from feature_store.plain_feast import import_feast
from feature_store.plans import make_plan
from feature_store.readers import open_reader
from feature_store.store import FOLDER, apply_definitions

FILES = ("users", "subscriptions", "usage_agg_30d", "payments_agg_90d", "support_agg_90d", "labels")
LOOK_UPS = 2_000
LOOK_UP_LIMIT_S = 5.0


def engine() -> Any:
    import sqlalchemy  # noqa: PLC0415 - a stage imports only what it uses

    return sqlalchemy.create_engine("postgresql+psycopg2://")


def empty() -> None:
    """Drops all months, online values and stock tables: the state before a first load."""
    import sqlalchemy  # noqa: PLC0415
    from sqlalchemy.schema import CreateSchema, DropSchema  # noqa: PLC0415

    with engine().begin() as connection:
        schemas = set(sqlalchemy.inspect(connection).get_schema_names())
        own = ("public", names.ONLINE_SCHEMA, names.REGISTRY_SCHEMA)
        for schema in (*own, "stock", "stock_online", "stock_registry"):
            if schema in schemas:
                connection.execute(DropSchema(schema, cascade=True))
        for schema in ("public", "stock", "stock_online", "stock_registry"):
            connection.execute(CreateSchema(schema))


def ingest(month: str) -> None:
    """For each file: read_csv, to_sql into a staging table, then INSERT … ON CONFLICT DO UPDATE from it."""
    import pandas as pd  # noqa: PLC0415
    import sqlalchemy as sa  # noqa: PLC0415
    from sqlalchemy.dialects.postgresql import insert  # noqa: PLC0415

    database = engine()
    for name in FILES:
        frame = pd.read_csv(Path(month) / f"{name}.csv").assign(as_of=pd.Timestamp("2024-01-31", tz="UTC"))
        frame.to_sql(f"staging_{name}", database, schema="stock", if_exists="replace", index=False)
        metadata = sa.MetaData(schema="stock")
        staging = sa.Table(f"staging_{name}", metadata, autoload_with=database)
        columns = [sa.Column(c.name, c.type, primary_key=c.name in ("user_id", "as_of")) for c in staging.columns]
        table = sa.Table(name, metadata, *columns)
        metadata.create_all(database)
        new = insert(table).from_select([c.name for c in staging.columns], sa.select(staging))
        values = {c.name: new.excluded[c.name] for c in table.columns if not c.primary_key}
        with database.begin() as connection:
            connection.execute(new.on_conflict_do_update(index_elements=["user_id", "as_of"], set_=values))


def stock_store() -> Any:
    """This project's definitions with Feast's own stores, in a separate registry and separate online tables.

    Only the session parameters of the offline store are kept: without them the join may be planned as nested loops.
    """
    import yaml  # noqa: PLC0415

    config = yaml.safe_load((FOLDER / "feature_store.yaml").read_text())
    del config["materialization"]
    config["registry"]["path"] = config["registry"]["path"].replace(names.REGISTRY_SCHEMA, "stock_registry")
    offline = config["offline_store"]
    # Feast's own store has no option for session parameters: they follow the schema's name
    session = " ".join(f"-c {name}={value}" for name, value in offline["session"].items())
    schema, mode = f"public {session} -c search_path=public", offline["entity_select_mode"]
    config["offline_store"] = {"type": "postgres", "db_schema": schema, "entity_select_mode": mode, **stock_address()}
    config["online_store"] = {"type": "postgres", "db_schema": "stock_online", **stock_address()}
    feast = import_feast()
    store = feast.FeatureStore(config=feast.RepoConfig(repo_path=FOLDER, **config))
    apply_definitions(store)
    return store


def materialize(as_of: str) -> None:
    from datetime import UTC, datetime, timedelta  # noqa: PLC0415

    end = datetime.fromisoformat(as_of).replace(tzinfo=UTC)
    stock_store().materialize(start_date=end - timedelta(seconds=1), end_date=end)


def training_set(as_of: str) -> None:
    """The point-in-time join with the users as a DataFrame, which Feast uploads."""
    import pandas as pd  # noqa: PLC0415
    import sqlalchemy as sa  # noqa: PLC0415

    table = sa.Table("users", sa.MetaData(schema="stock"), autoload_with=engine())
    users = pd.read_sql(sa.select(table.c.user_id), engine())
    users["event_timestamp"] = pd.Timestamp(as_of, tz="UTC")
    store = stock_store()
    rows = store.get_historical_features(entity_df=users, features=store.get_feature_service("churn_v1")).to_df()
    print(f"{len(rows)} rows")


def look_up(month: str) -> None:
    """Reads one user at a time with the gateway's own reader; prints the median in milliseconds."""
    with (Path(month) / "users.csv").open() as file:
        users = [row[0] for row in csv.reader(file)][1:]
    plan, reader = make_plan("churn_v1"), open_reader()
    chosen = random.Random(1).choices(users, k=LOOK_UPS)  # noqa: S311 - repeatable, not secret
    times_ms = []
    for user in chosen:
        started = time.perf_counter()
        reader.read(plan, [user], Deadline.after(LOOK_UP_LIMIT_S))
        times_ms.append((time.perf_counter() - started) * 1000)
    reader.close()
    print(f"figure={median(times_ms):.3f}")


COMMANDS: Mapping[str, Callable[..., None]] = {
    "empty": empty,
    "ingest": ingest,
    "materialize": materialize,
    "training-set": training_set,
    "look-up": look_up,
}

if __name__ == "__main__":
    COMMANDS[sys.argv[1]](*sys.argv[2:])
