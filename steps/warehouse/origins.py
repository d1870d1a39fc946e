"""Keeps made-up and real months apart: one warehouse holds both only with mix=true."""

from datetime import date

from psycopg import sql

from steps.cli.errors import MixedOrigins
from steps.warehouse.connection import Cursor, statement, transaction

# Months of one origin share most of their users, real and made-up months none. An edited made-up month has lost its
# mark, not its users.
SAME_USERS_SHARE = 0.1
NAMES = {"files": "real (from files)", "sample": "made up (from sample_months)"}


def months_of_another_origin(origin: str) -> list[date]:
    """months_of_other_origin in a transaction of its own. Raises DatabaseUnavailable."""
    with transaction() as cur:
        return months_of_other_origin(cur, origin)


def months_of_other_origin(cur: Cursor, origin: str) -> list[date]:
    """The as_of days of the loaded months of the other origin."""
    cur.execute(statement("months_of_other_origin"), {"origin": origin})
    return [moment.date() for (moment,) in cur.fetchall()]


def require_same_users(
    cur: Cursor, staging: sql.Composable, as_of: date, origin: str, other_months: list[date]
) -> None:
    """Raises MixedOrigins when months of the other origin are loaded and have other users than the staged ones."""
    if not other_months:
        return
    cur.execute(sql.SQL(statement("share_of_known_users")).format(staging=staging))
    ((share,),) = cur.fetchall()
    if share < SAME_USERS_SHARE:
        other = NAMES["files" if origin == "sample" else "sample"]
        raise MixedOrigins(
            f"The month given for {as_of} is {NAMES[origin]}; loaded months are {other}: "
            f"{', '.join(map(str, other_months))}. Nothing was changed. Load it into another stack "
            "(STREAMFLOW_STATE=FOLDER, other ports), or mix them in this one: -P mix=true (make up MIX=true)"
        )
