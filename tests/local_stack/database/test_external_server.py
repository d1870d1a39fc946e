"""With a PostgreSQL server of the user's own."""

import pytest

from local_stack.settings import Settings, StackError
from local_stack.stack import Stack


def test_a_missing_database_is_named_before_anything_starts(server: Settings) -> None:
    values = {**server.values, "STREAMFLOW_POSTGRES": "external"}
    with pytest.raises(StackError) as error:
        Stack(Settings({**values, "MLFLOW_DATABASE": "nowhere"}))._start_postgres()
    address = f"127.0.0.1:{server['PGPORT']}"
    assert str(error.value) == f"MLFLOW_DATABASE=nowhere: no such database at {address}. Create it: createdb NAME"
    Stack(Settings(values))._start_postgres()
