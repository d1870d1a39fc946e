"""The append-only table of what people asked for on the console's page: to approve or refuse a version that waits."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

import psycopg

from steps.cli.errors import SchemaMismatch
from steps.warehouse.connection import statement, transaction

RequestedAction = Literal["approve", "refuse"]


@dataclass(frozen=True)
class Request:
    version: str
    question: int
    """The id of the decision by which the version waits"""
    action: RequestedAction
    requested_by: str


@dataclass(frozen=True)
class RecordedRequest(Request):
    at: datetime


def record_request(model: str, request: Request) -> None:
    """Appends a row; the database refuses updates and deletions. Raises DatabaseUnavailable, SchemaMismatch."""
    try:
        with transaction() as cur:
            cur.execute(statement("record_request"), {"model": model, **vars(request)})
    except (psycopg.errors.UndefinedTable, psycopg.errors.InsufficientPrivilege) as error:
        raise SchemaMismatch(f"The warehouse takes no requests: {error}. Start the stack again: make up") from error


def requests(model: str) -> list[RecordedRequest]:
    """The model's requests, oldest first. Raises DatabaseUnavailable."""
    try:
        with transaction() as cur:
            cur.execute(statement("requests"), {"model": model})
            return [RecordedRequest(*row) for row in cur.fetchall()]
    except psycopg.errors.UndefinedTable:
        return []  # nobody asked for anything in this database
