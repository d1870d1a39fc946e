"""PostgreSQL's address as the options of Feast's own stores, from libpq's variables."""

import os


def stock_address() -> dict[str, str | int]:
    names = {"host": "PGHOST", "database": "PGDATABASE", "user": "PGUSER", "password": "PGPASSWORD"}
    options = {option: os.environ[name] for option, name in names.items()}
    return {**options, "port": int(os.environ["PGPORT"]), "sslmode": os.environ["PGSSLMODE"]}
