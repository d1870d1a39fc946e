"""A candidate and the version in Production on the rows of users that neither was trained on.

With trainings split by user, a user validates in every month or in none. The validation users' rows of the months
after the older of the two trainings, up to the newer one's month, form one sample: the newest month first, until there
are POOL_USERS users. A training that was split at random gives no information about other months: then the sample is
the newer training's own validation part. Each version gets its own features of each month, as known at its as_of.
"""

from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from steps.cli.errors import DatasetMismatch, IncomparableVersions, UnusableVersion
from steps.cli.settings import LABEL
from steps.registry import loaded_version, training_sets, versions
from steps.registry.examination import gate, interval
from steps.registry.examination.month_rows import Side, answered, months_after_older
from steps.registry.examination.rules import Rules

if TYPE_CHECKING:
    from feast import FeatureStore

POOL_USERS = 7_000  # with so many users in one month, the gain's interval is about 0.01 wide


def with_production(
    store: "FeatureStore", candidate: Side, auc: float, production: str | None, rules: Rules
) -> gate.Evidence:
    """The evidence of a candidate without blocking issues. auc: on its own validation rows."""
    if production is None:
        return gate.Evidence([], auc, None, None)
    if production == candidate.loaded.number:
        return gate.Evidence([], auc, None, None, alone="it is itself in Production")
    older = None
    try:
        other = _side(production)
        if candidate.as_of < other.as_of:
            older = f"its month {candidate.as_of} is older than {other.as_of} of version {production} in Production"
        comparison = compare(store, candidate, other, rules)
    except (UnusableVersion, IncomparableVersions) as error:
        return gate.Evidence([], auc, None, f"no comparison with Production: {error}", older)
    return gate.Evidence([], auc, comparison, None, older)


def _side(number: str) -> Side:
    """Raises UnusableVersion; IncomparableVersions when the version's training users are unknown."""
    loaded = loaded_version.load(number)
    training = versions.training_of(versions.get(number))
    unknown = f"the training users of version {number} are unknown"
    if training is None:
        raise IncomparableVersions(f"{unknown}: its training run no longer exists")
    try:
        return Side(loaded, training_sets.training_set(training))
    except DatasetMismatch as error:
        raise IncomparableVersions(f"{unknown}: {error}") from error


def compare(store: "FeatureStore", candidate: Side, production: Side, rules: Rules) -> gate.Comparison:
    """Raises IncomparableVersions when there are too few users, UnusableVersion when a version cannot answer."""
    left_out: Counter[str] = Counter()
    answered_months: list[pd.DataFrame] = []
    names: list[str] = []
    enough = rules.min_users if rules.months == "newest" else POOL_USERS
    for month in months_after_older(store, candidate, production):
        rows_of_month = answered(store, month, (candidate, production), left_out)
        if rows_of_month[LABEL].nunique() > 1:
            answered_months.append(rows_of_month)
            names.append(str(month.as_of))
        if answered_months and pd.concat(answered_months)["user_id"].nunique() >= enough:
            break
    rows = _rows(answered_months)
    no_month = f"no month has users of both classes (rows left out: {gate.left_out_text(left_out)})"
    few = no_month if rows is None else gate.too_few(rows, rules.min_users)
    if rows is None or few:
        raise IncomparableVersions(f"too few users are unseen by both versions: {few}")
    return gate.compare(production.loaded.number, rows, names, left_out)


def _rows(months: list[pd.DataFrame]) -> interval.Rows | None:
    if not months:
        return None
    rows = pd.concat(months, keys=range(len(months)), names=["month", None])
    numbers: dict[str, Any] = {name: rows[name].to_numpy(np.float64) for name in ("candidate", "production")}
    users, _ = pd.factorize(rows["user_id"])
    month_numbers = rows.index.get_level_values("month").to_numpy(np.intp)
    return interval.Rows(rows[LABEL].to_numpy(np.bool_), **numbers, users=users, months=month_numbers)
