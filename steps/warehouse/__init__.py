"""The only room that talks SQL. Statements live in steps/sql; the address comes from libpq's own PG… variables."""

from steps.warehouse.connection import apply_schema, event_time, ping, statement, transaction
from steps.warehouse.history import Turnover, record_turnover, turnovers
from steps.warehouse.loading import TARGETS, USERS, Change, Target, load_month
from steps.warehouse.locks import promotion_lock
from steps.warehouse.months import (
    delete_gone_online,
    entities,
    files_sha256,
    labels_of,
    month_fingerprint,
    online_as_of,
    require_month,
    users_in,
)

__all__ = [
    "TARGETS", "USERS", "Change", "Target", "Turnover", "apply_schema", "delete_gone_online", "entities", "event_time",
    "files_sha256", "labels_of", "load_month", "month_fingerprint", "online_as_of", "ping", "promotion_lock",
    "record_turnover", "require_month", "statement", "transaction", "turnovers", "users_in",
]  # fmt: skip
