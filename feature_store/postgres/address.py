"""PostgreSQL's address for Feast's stores, from libpq's own variables.

feature_store.yaml does not contain them: Feast substitutes variables before it parses the YAML, so a quote in a
password would end the value, and an error message would show the password.
"""

from functools import partial
from typing import Any

from feast.infra.utils.postgres.postgres_config import PostgreSQLConfig
from pydantic import Field, StrictStr

from configuration import names
from feature_store.settings import UnsetVariables, libpq_variable


def _variable(name: str) -> str:
    value = libpq_variable(name)
    if value is None:
        raise UnsetVariables([name])
    return value


def _field(name: str, **more: Any) -> Any:
    return Field(default_factory=partial(_variable, name), **more)


class LibpqAddress(PostgreSQLConfig):
    """The server's address, which feature_store.yaml leaves out. Raises UnsetVariables."""

    host: StrictStr = _field("PGHOST")
    # libpq takes an empty one as its default
    port: int = Field(default_factory=lambda: int(_variable("PGPORT") or names.POSTGRES_PORT))
    database: StrictStr = _field("PGDATABASE")
    user: StrictStr = _field("PGUSER")
    password: StrictStr = _field("PGPASSWORD", repr=False)
    sslmode: StrictStr | None = _field("PGSSLMODE")
