"""Made-up loads of one or more months, and the values that were known at as_of."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

import pyarrow as pa
from hypothesis import strategies as st

from steps import warehouse
from steps.features import lake
from steps.month.files import FILES
from tests.conftest import FEBRUARY, JANUARY
from tests.steps.states.database import empty, execute, fetch

LATER = {JANUARY: date(2024, 2, 10), FEBRUARY: date(2024, 3, 10)}
USERS = ("ann", "bob", "Zoé 1", "7")
PROFILE = {"plan_stream_tv": "True", "plan_stream_movies": "False", "contract_type": "One year"}
PROFILE |= {"paperless_billing": "True", "net_service": "DSL"}
PERSON = {"signup_date": "2022-02-05", "user_gender": "Female", "user_is_senior": "False"}
PERSON |= {"has_family": "True", "has_dependents": "False"}
TEXTS = PROFILE | PERSON | {"churn_label": "True"}


@dataclass(frozen=True)
class Event:
    """A load: per file its users and the one number that all their columns hold."""

    as_of: date
    known_at: date
    files: Mapping[str, Mapping[str, int]]

    def load(self) -> None:
        batches = {name: [self._batch(name)] for name in FILES}
        load = warehouse.MonthLoad(self.as_of, self.known_at, "made up")
        warehouse.load_month(load, batches, lambda cur, changes: lake.write_month(self.as_of, cur, changes))

    def _batch(self, name: str) -> pa.RecordBatch:
        rows = self.files[name]
        columns = {
            column: list(rows) if column == "user_id" else [TEXTS.get(column, str(value)) for value in rows.values()]
            for column in FILES[name].columns
        }
        return pa.record_batch({column: pa.array(values, pa.string()) for column, values in columns.items()})


def in_files() -> st.SearchStrategy[dict[str, dict[str, int]]]:
    """Sparse: each user is in each file or not, but for users.csv, which has everybody."""
    some = st.dictionaries(st.sampled_from(USERS), st.integers(0, 99))
    return st.fixed_dictionaries(
        {name: some if name not in ("users", "labels") else st.just(dict.fromkeys(USERS, 0)) for name in FILES}
    )


def events() -> st.SearchStrategy[Event]:
    months = st.sampled_from([JANUARY, FEBRUARY])
    return st.builds(
        lambda as_of, late, files: Event(as_of, LATER[as_of] if late else as_of, files),
        months,
        st.booleans(),
        in_files(),
    )


HISTORIES = st.lists(events(), min_size=1, max_size=5)


def known_files(history: list[Event], as_of: date) -> Mapping[str, Mapping[str, int]]:
    """The files known at as_of: those of the last load with that known_at."""
    loads = [event.files for event in history if event.as_of == event.known_at == as_of]
    return loads[-1] if loads else {name: {} for name in FILES}


def expected(history: list[Event], as_of: date) -> dict[str, tuple[int | None, ...]]:
    """Per user with a profile: months_active, skips_7d, failed_payments_90d and support_tickets_90d."""
    files = known_files(history, as_of)
    other_files = ("usage_agg_30d", "payments_agg_90d", "support_agg_90d")
    return {
        user: (value, *(files[name].get(user) for name in other_files))
        for user, value in files["subscriptions"].items()
    }


def play(history: list[Event]) -> None:
    """An empty warehouse, then the events in their order."""
    empty()
    warehouse.apply_schema()
    for event in history:
        event.load()


def without_rows() -> None:
    """Empties the tables of a warehouse with the newest schema, except those that only grow."""
    tables = fetch(
        "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') "
        "AND relname NOT IN ('schema_migrations', 'step_successes') AND NOT relispartition AND NOT EXISTS "
        "(SELECT FROM pg_trigger WHERE tgrelid = pg_class.oid AND tgtype & 32 <> 0)"  # one that refuses TRUNCATE
    )
    execute("TRUNCATE " + ", ".join(table for [table] in tables))


def play_again(history: list[Event]) -> None:
    """The same for each of many histories, in a warehouse with the newest schema."""
    without_rows()
    for event in history:
        event.load()
