"""Where PostgreSQL is, for Feast's stores: libpq's own variables.

They stand in no text that is parsed: Feast puts variables into feature_store.yaml before YAML is read, where a quote in
a password ends the value, and a message about the text shows the password.
"""

from functools import partial
from typing import Any

from feast.infra.utils.postgres.postgres_config import PostgreSQLConfig
from pydantic import Field, StrictStr

from feature_store.settings import UnsetVariables, libpq_variable


def _variable(name: str) -> str:
    value = libpq_variable(name)
    if value is None:
        raise UnsetVariables([name])
    return value


def _of(name: str, **more: Any) -> Any:
    return Field(default_factory=partial(_variable, name), **more)


class LibpqAddress(PostgreSQLConfig):
    """What feature_store.yaml does not say of the server. Raises UnsetVariables."""

    host: StrictStr = _of("PGHOST")
    port: int = Field(default_factory=lambda: int(_variable("PGPORT")))
    database: StrictStr = _of("PGDATABASE")
    user: StrictStr = _of("PGUSER")
    password: StrictStr = _of("PGPASSWORD", repr=False)
    sslmode: StrictStr | None = _of("PGSSLMODE")
