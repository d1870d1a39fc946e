"""python -m bench.kills.end_state: everything that whole months leave behind, as JSON, without ids and times, which
differ from run to run."""

import json
import re
from datetime import date
from typing import Any

from feature_store.deadline import Deadline
from feature_store.plans import make_plan
from feature_store.readers import open_reader
from steps import warehouse
from steps.cli.settings import MODEL_NAME
from steps.registry import decisions, versions

RUN_ID = re.compile(r"[0-9a-f]{32}")
READ_LIMIT_S = 30.0


def main() -> None:
    print(json.dumps(end_state(), sort_keys=True, default=str))


def end_state() -> dict[str, Any]:
    months = warehouse.loaded_months()
    return {
        "rows": {str(day): warehouse.month_fingerprint(day) for day in months},
        "labels": {str(day): warehouse.newest_labels_fingerprint(day) for day in months},
        "files": {str(day): warehouse.files_sha256(day) for day in months},
        "scores": {str(day): warehouse.scores_of_month(day) for day in months},
        "monitored": {str(day): monitored(day) for day in months},
        "versions": [version_of(version) for version in versions.all_versions()],
        "decisions": [decision_of(made) for made in warehouse.decisions(MODEL_NAME)],
        "online": online(months[-1]),
    }  # fmt: skip


def monitored(as_of: date) -> dict[str, Any]:
    """By version, as its newest run found it: a run that was killed at its end leaves rows of its own."""
    numbers = sorted(warehouse.scores_of_month(as_of))
    return {
        number: [[row["metric"], row["slice"], row["estimate"], row["verdict"]] for row in rows]
        for number in numbers
        if (rows := warehouse.monitored(as_of, number))
    }


def version_of(version: Any) -> list[Any]:
    gate = {name: value for name, value in version.tags.items() if name.startswith("gate")}
    return [version.version, version.current_stage, version.tags.get("dataset_sha256"), without_ids(json.dumps(gate))]


def decision_of(made: warehouse.RecordedDecision) -> list[Any]:
    figures = {
        name: value
        for name, value in made.figures.items()
        if not RUN_ID.fullmatch(str(value)) and not name.endswith(decisions.CREATED)
    }
    return [made.kind, made.outcome, str(made.as_of), made.version, without_ids(made.reason), made.decided_by, figures]


def without_ids(text: str) -> str:
    return RUN_ID.sub("…", text)


def online(as_of: date) -> dict[str, Any]:
    """The values of the month's users in the online store, through the gateway's reader."""
    user_ids, reader = warehouse.users_of(as_of).to_pylist(), open_reader()
    try:
        rows = reader.read(make_plan("churn_v1"), user_ids, Deadline.after(READ_LIMIT_S))
        return {user: list(row.features.values()) for user, row in zip(user_ids, rows, strict=True)}
    finally:
        reader.close()


if __name__ == "__main__":
    main()
