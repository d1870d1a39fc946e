"""A user in every place that a user's data gets to, and a search for its bytes."""

import io
import json
import subprocess
from datetime import date
from pathlib import Path
from urllib.parse import quote

import mlflow
import pandas as pd

from local_stack.database import postgres
from local_stack.settings import Settings
from steps import build_dataset, erase_user, ingest, labels, materialize
from steps.cli import spreadsheet
from steps.runs import tracking as step_tracking
from steps.runs.entry_points import arguments
from tests.conftest import JANUARY
from tests.steps.states.database import execute, last_run
from tests.steps.states.months import month_of, with_cell, write_month

STAYING = ("amy-0001", "zoe-0002")


def erase(user_id: str, dry_run: str = "false") -> None:
    erase_user.main(arguments("erase_user", {"user_id": user_id, "dry_run": dry_run}))


def load(folder: Path, as_of: date = JANUARY, **values: str) -> None:
    ingest.main(arguments("ingest", {"month_dir": str(folder), "as_of": str(as_of), **values}))


def put_everywhere(user_id: str, folder: Path, tracking: str) -> Path:
    """Loaded with a correction and a late label, online, in a dataset, scored. Returns the month's folder."""
    files = month_of([*STAYING, user_id])
    month = write_month(folder / "month_000", files)
    load(month)
    corrected = (
        {
            name: with_cell(files[name], line, column, "3")
            for name, line, column in (
                ("subscriptions", 4, "months_active"),
                ("usage_agg_30d", 4, "skips_7d"),
                ("payments_agg_90d", 4, "failed_payments_90d"),
                ("support_agg_90d", 4, "support_tickets_90d"),
            )
        }
        if "," not in user_id
        else {}
    )
    load(write_month(folder / "month_000", files, **corrected), known_at="2024-02-10")
    late = folder / "late.csv"
    late.write_text(files["labels"].replace("False", "True"))
    labels.main(arguments("labels", {"labels_file": str(late), "as_of": str(JANUARY), "known_at": "2024-03-01"}))
    materialize.main(["--as-of", str(JANUARY)])
    build_dataset.main(arguments("build_dataset", {"as_of": str(JANUARY)}))
    score([*STAYING, user_id])
    log_predictions([*STAYING, user_id])
    return month


def score(user_ids: list[str]) -> None:
    """The rows and artifacts of a run of `score`."""
    scores = pd.DataFrame({"user_id": user_ids, "probability": 0.5, "prediction": 0})
    with mlflow.start_run(), step_tracking.artifact_folder() as folder:
        mlflow.set_tag(step_tracking.STEP_TAG, "score")
        mlflow.set_tag("mlflow.note.content", f"[ERROR] a label is of user {user_ids[-1]!r}")
        scores.to_parquet(folder / "scores.parquet")
        (folder / "call_list.csv").write_text(spreadsheet.to_csv(scores), newline="")
        (folder / "summary.json").write_text(json.dumps({"first": user_ids[-1]}))
    for user_id in user_ids:
        quoted = user_id.replace("'", "''")
        execute(f"INSERT INTO churn_scores VALUES ('{quoted}', '2024-01-31', 0.5, 1, '7', now())")  # noqa: S608


def log_predictions(user_ids: list[str]) -> None:
    """Today's, in its partition, and that of a wrong clock, in none."""
    for user_id in user_ids:
        quoted = user_id.replace("'", "''")
        for moment in ("now()", "'2099-01-01'"):
            execute(
                "INSERT INTO prediction_log (answered_at, request_id, user_id, code, milliseconds)"  # noqa: S608
                f" VALUES ({moment}, 'id', '{quoted}', 'ok', 1)"
            )


def write_logs(settings: Settings, user_id: str) -> None:
    logs = settings.state / "logs"
    logs.mkdir(exist_ok=True)
    line = {"path": f"/features/{user_id}", "status": 200}
    text = f"{json.dumps(line)}\nGET /features/{quote(user_id, safe='')} 200\nKeyError: {user_id!r}\n"
    (logs / "gateway.log").write_text(text)
    (logs / "gateway.log.1").write_text(text)


def places_with(settings: Settings, text: str) -> set[str]:
    """The databases, by a dump, and the files below the state folder with these bytes; Parquet files are read."""
    places = {name for name in (settings["PGDATABASE"], settings["MLFLOW_DATABASE"]) if text in dump(settings, name)}
    statistics = "SELECT count(*) FROM pg_stats WHERE concat(histogram_bounds, most_common_vals) LIKE %(text)s"
    if postgres.query(settings, settings["PGDATABASE"], statistics, {"text": f"%{text}%"}) != [(0,)]:
        places.add("statistics")
    files = (path for path in settings.state.rglob("*") if path.is_file() and "postgres" not in path.parts)
    return places | {str(path) for path in files if text.encode() in content(path)}


def content(path: Path) -> bytes:
    if path.suffix == ".parquet":
        return pd.read_parquet(path).to_csv().encode()
    return path.read_bytes()


def dump(settings: Settings, database: str, *options: str) -> str:
    command = [str(postgres.program("pg_dump")), *options, database]
    environment = settings.child_environment()
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return str(done.stdout)


def report(tracking: str) -> pd.DataFrame:
    """erased.csv of the newest run."""
    run_id = last_run("erase_user", tracking).info.run_id
    return pd.read_csv(io.StringIO(mlflow.artifacts.load_text(f"runs:/{run_id}/erased.csv")))
