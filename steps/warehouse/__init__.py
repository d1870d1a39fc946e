"""The only package with SQL. Statements are in sql/; libpq reads the address from its PG… variables."""

from steps.warehouse.connection import (
    Cursor,
    event_time,
    month_lock,
    ping,
    promotion_lock,
    run_held,
    run_if_free,
    statement,
    transaction,
)
from steps.warehouse.erasure import ErasedRows, Erasure, any_erased, erased, erased_among, erasures_of, vacuum
from steps.warehouse.export import (
    LakeFile,
    export,
    export_schema,
    lake_files,
    record_lake_file,
    recorded_lake_files,
    snapshot_tables,
)
from steps.warehouse.known_labels import (
    any_label,
    count_without_label,
    label_files,
    labels_fingerprint,
    labels_of,
    newest_labels_fingerprint,
    newest_labels_of,
    users_of,
)
from steps.warehouse.labels import LabelsLoad, load_late_labels
from steps.warehouse.loading import MONTH_TABLES, USERS, MonthLoad, MonthTable, load_month
from steps.warehouse.migrations import apply_schema
from steps.warehouse.months import (
    count_snapshot,
    count_versions,
    entities,
    entities_of_file,
    files_sha256,
    loaded_at,
    loaded_months,
    month_fingerprint,
    month_rows,
    online_as_of,
    remove_month,
    require_known,
    require_month,
    scores_of_month,
)
from steps.warehouse.online import OnlineTable, clear_online, month_state, read_snapshot, replace_online, side_by_side
from steps.warehouse.origins import months_of_another_origin
from steps.warehouse.records.call_lists import (
    CampaignGains,
    CampaignSummary,
    ListedUser,
    ListFilter,
    campaign_gains,
    campaign_summaries,
    listed_users,
    strongest_reasons,
)
from steps.warehouse.records.campaigns import (
    Campaign,
    Outcome,
    RecordedCampaign,
    campaign_outcomes,
    record_campaign,
    recorded_campaign,
)
from steps.warehouse.records.decisions import (
    Decision,
    DecisionKind,
    Figure,
    RecordedDecision,
    decisions,
    record_decision,
)
from steps.warehouse.records.monitoring import (
    Figures,
    Monitored,
    monitored,
    monitored_months,
    realised_auc,
    record_monitoring,
    slice_attributes,
)
from steps.warehouse.records.observation import Observation, ObservedFigure, observe, record_step_success
from steps.warehouse.records.pages import (
    LoadedMonth,
    MonitorRun,
    UserScore,
    loads,
    monitor_runs,
    scores_of_user,
)
from steps.warehouse.records.prediction_log import OldLog, delete_old_log, make_log_days, old_log, oldest_kept
from steps.warehouse.records.profits import RecordedProfit, newest_profit, record_profit
from steps.warehouse.records.requests import RecordedRequest, Request, RequestedAction, record_request, requests
from steps.warehouse.records.serving import (
    Cutover,
    SealedObject,
    cutovers,
    has_served,
    newest_seal,
    record_cutover,
    record_seal,
)
from steps.warehouse.scores import OldScores, delete_old_scores, old_scores, read_features, replaced_scores
from steps.warehouse.staging import Change

__all__ = [
    "MONTH_TABLES", "USERS", "Campaign", "CampaignGains", "CampaignSummary", "Change", "Cursor", "Cutover",
    "Decision", "DecisionKind", "ErasedRows", "Erasure", "Figure", "Figures", "LabelsLoad", "LakeFile",
    "ListFilter", "ListedUser", "LoadedMonth", "MonitorRun", "Monitored", "MonthLoad", "MonthTable", "Observation",
    "ObservedFigure", "OldLog", "OldScores", "OnlineTable", "Outcome", "RecordedCampaign", "RecordedDecision",
    "RecordedProfit", "RecordedRequest", "Request", "RequestedAction", "SealedObject", "UserScore", "any_erased",
    "any_label", "apply_schema", "campaign_gains", "campaign_outcomes", "campaign_summaries", "clear_online",
    "count_snapshot", "count_versions", "count_without_label", "cutovers", "decisions", "delete_old_log",
    "delete_old_scores", "entities", "entities_of_file", "erased", "erased_among", "erasures_of", "event_time",
    "export", "export_schema", "files_sha256", "gain_curve", "has_served", "label_files", "labels_fingerprint",
    "labels_of", "lake_files", "listed_users", "load_late_labels", "load_month", "loaded_at", "loaded_months",
    "loads", "make_log_days", "monitor_runs", "monitored", "monitored_months", "month_fingerprint", "month_lock",
    "month_rows", "month_state", "months_of_another_origin", "newest_labels_fingerprint", "newest_labels_of",
    "newest_profit", "newest_seal", "observe", "old_log", "old_scores", "oldest_kept", "online_as_of", "ping",
    "promotion_lock", "read_features", "read_snapshot", "realised_auc", "record_campaign", "record_cutover",
    "record_decision", "record_lake_file", "record_monitoring", "record_profit", "record_request", "record_seal",
    "record_step_success", "recorded_campaign", "recorded_lake_files", "remove_month", "replace_online",
    "replaced_scores", "requests", "require_known", "require_month", "run_held", "run_if_free", "scores_of_month",
    "scores_of_user", "side_by_side", "slice_attributes", "snapshot_tables", "statement", "strongest_reasons",
    "transaction", "users_of", "vacuum",
]  # fmt: skip
