"""The only room that talks SQL. Statements live in steps/sql; the address comes from libpq's own PG… variables."""

from steps.warehouse.connection import apply_schema, event_time, ping, statement, transaction
from steps.warehouse.export import (
    LakeFile,
    export,
    export_schema,
    lake_files,
    record_lake_file,
    recorded_lake_files,
    snapshot_targets,
)
from steps.warehouse.history import Turnover, record_turnover, turnovers
from steps.warehouse.loading import TARGETS, USERS, Change, Load, Target, load_month
from steps.warehouse.locks import promotion_lock
from steps.warehouse.months import (
    count_snapshot,
    count_versions,
    entities,
    entities_of_file,
    files_sha256,
    labels_of,
    loaded_months,
    month_fingerprint,
    online_as_of,
    require_known,
    require_month,
)
from steps.warehouse.online import OnlineTable, month_state, read_snapshot, replace_online, side_by_side
from steps.warehouse.scores import read_features, replaced_scores

__all__ = [
    "TARGETS", "USERS", "Change", "LakeFile", "Load", "OnlineTable", "Target", "Turnover", "apply_schema",
    "count_snapshot", "count_versions", "entities", "entities_of_file", "event_time", "export", "export_schema",
    "files_sha256", "labels_of", "lake_files", "load_month", "loaded_months", "month_fingerprint", "month_state",
    "online_as_of", "ping", "promotion_lock", "read_features", "read_snapshot", "record_lake_file", "record_turnover",
    "recorded_lake_files", "replace_online", "replaced_scores", "require_known", "require_month", "side_by_side",
    "snapshot_targets", "statement", "transaction", "turnovers",
]  # fmt: skip
