"""A month of three users, small enough to read, to write into a folder as it is or with something changed."""

from collections.abc import Mapping, Sequence
from pathlib import Path

# anna has fast internet, ben has none and so no streaming plans, cara has slow internet
FILES = {
    "users": """\
user_id,signup_date,user_gender,user_is_senior,has_family,has_dependents
anna,2022-02-05,Female,False,True,False
ben,2022-01-03,Male,True,False,False
cara,2021-12-31,Female,False,True,True
""",
    "subscriptions": """\
user_id,months_active,plan_stream_tv,plan_stream_movies,contract_type,paperless_billing,monthly_fee,total_paid,net_service
anna,24,True,False,Month-to-month,True,98.7,2368.8,Fiber optic
ben,25,,,Two year,False,19.95,498.75,No
cara,26,False,True,One year,True,56.95,1480.7,DSL
""",
    "usage_agg_30d": """\
user_id,watch_hours_30d,avg_session_mins_7d,unique_devices_30d,skips_7d,rebuffer_events_7d
anna,47.48961235,29.14104464084511,3,8,2
ben,12.5,29.14104464084511,1,0,0
cara,30.03622768754235,29.14104464084511,2,4,1
""",
    "payments_agg_90d": """\
user_id,failed_payments_90d
anna,1
ben,0
cara,0
""",
    "support_agg_90d": """\
user_id,support_tickets_90d,ticket_avg_resolution_hrs_90d
anna,0,13.6
ben,2,8.6
cara,1,24.9
""",
    "labels": """\
user_id,churn_label
anna,True
ben,False
cara,False
""",
}


def february_files() -> dict[str, str]:
    """anna has children, pays more and stays; cara has left; dora is new."""
    files = {name: text.replace("cara,", "dora,") for name, text in FILES.items()}
    return {
        **files,
        "users": with_cell(files["users"], 2, "has_dependents", "True"),
        "subscriptions": with_cell(files["subscriptions"], 2, "monthly_fee", "99.9"),
        "labels": with_cell(files["labels"], 2, "churn_label", "False"),
    }


def write_month(folder: Path, files: Mapping[str, str | bytes] = FILES, **changed: str | bytes | None) -> Path:
    """Writes the six files, those in `changed` instead of the usual ones, and none where it says None."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in {**files, **changed}.items():
        path = folder / f"{name}.csv"
        path.unlink(missing_ok=True)
        if text is not None:
            path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return folder


def month_of(users: Sequence[str]) -> dict[str, str]:
    """The six files for users who are all like ben."""
    ids = ['"{}"'.format(user.replace('"', '""')) for user in users]
    lines = {name: text.splitlines(keepends=True) for name, text in FILES.items()}
    return {
        name: header + "".join(ben.replace("ben,", f"{user},") for user in ids)
        for name, (header, _anna, ben, _cara) in lines.items()
    }


def with_cell(text: str, line: int, column: str, value: str) -> str:
    """The file with one cell changed; lines are counted as an editor counts them."""
    lines = [row.split(",") for row in text.splitlines()]
    lines[line - 1][lines[0].index(column)] = value
    return "".join(",".join(row) + "\n" for row in lines)


def without_line(text: str, line: int) -> str:
    lines = text.splitlines(keepends=True)
    return "".join(lines[: line - 1] + lines[line:])


def without_column(text: str, column: str) -> str:
    lines = [row.split(",") for row in text.splitlines()]
    place = lines[0].index(column)
    return "".join(",".join(row[:place] + row[place + 1 :]) + "\n" for row in lines)


def reordered(text: str, order: list[str]) -> str:
    lines = [row.split(",") for row in text.splitlines()]
    return "".join(",".join(row[lines[0].index(name)] for name in order) + "\n" for row in lines)
