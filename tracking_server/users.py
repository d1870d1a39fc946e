"""MLflow's users: their passwords and what they may do, written to its database at each start of the server.

MLflow has an API for it, but only for users that exist, on a server that runs, with the old password at hand. Its store
is not documented: tests/tracking_server/test_login.py notices a change.
"""

import warnings
from typing import TYPE_CHECKING

from tracking_server import logins
from tracking_server.settings import Settings, database

if TYPE_CHECKING:
    from mlflow.server.auth.sqlalchemy_store import SqlAlchemyStore

Grant = tuple[str, str, str]  # kind of resource, its name, permission


def grants(settings: Settings) -> dict[str, tuple[Grant, ...]]:
    """What users may do that are no administrators. With READ on experiments they download artifacts; they would need
    EDIT to write one."""
    return {
        logins.STEPS: (("experiment", "*", "MANAGE"), ("registered_model", "*", "MANAGE")),
        # EDIT: the alias of the stage, and the line in a version's description
        logins.WATCHER: (("experiment", "*", "READ"), ("registered_model", settings.model_name, "EDIT")),
    }


def open_store(uri: str | None) -> "SqlAlchemyStore":
    """Creates the tables that are missing: as the owner of MLflow's database, because its server's role cannot."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of its imports and migrations
        from mlflow.server.auth.sqlalchemy_store import SqlAlchemyStore  # noqa: PLC0415 - imports all of that server

        store = SqlAlchemyStore()
        store.init_db(uri)
    return store


def update(settings: Settings) -> None:
    """Raises LoginUnusable, and the errors of the database."""
    store = open_store(database())
    for user, password in logins.ensure(settings).items():
        _update_user(store, user, password)
    for user, granted in grants(settings).items():
        for kind, name, permission in granted:
            store.grant_user_permission(user, kind, name, permission)


def _update_user(store: "SqlAlchemyStore", user: str, password: str) -> None:
    is_admin = user == logins.ADMIN
    if not store.has_user(user):
        store.create_user(user, password, is_admin=is_admin)
    elif not store.authenticate_user(user, password):
        store.update_user(user, password=password)
    if store.get_user(user).is_admin != is_admin:
        store.update_user(user, is_admin=is_admin)
