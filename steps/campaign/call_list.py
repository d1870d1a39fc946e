"""A month's call list: its users are chosen and recorded, or, where the campaign was made before, read as recorded."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from steps import warehouse
from steps.campaign.profit import Measured
from steps.campaign.selection import Selection, control_draw, select
from steps.campaign.terms import Numbers, Terms
from steps.cli.errors import BadParameter
from steps.features import engines
from steps.scoring import known_labels
from steps.scoring.scores import MonthScores
from steps.warehouse.records.campaigns import CONTROL, LISTED, Campaign, RecordedCampaign

FEE = "monthly_fee"
NO_REASONS = "[]"

Explain = Callable[[Sequence[str]], list[list[str]]]
"""user_ids -> the strongest reasons of each, as texts; none from a version that gives no reasons"""


@dataclass(frozen=True)
class CallList:
    """rows: of the listed users, rank, user_id, probability, expected_gain, monthly_fee, trained_on, reason_1, …
    control: number of users. kept: None for a campaign that this run has made; or the number of users whom it would
    list, and who are not listed."""

    terms: Terms
    rows: pd.DataFrame
    control: int
    made: RecordedCampaign | None
    kept: int | None


def require_free(terms: Terms, as_of: date) -> None:
    """Raises BadParameter where the campaign is another month's."""
    made = warehouse.recorded_campaign(terms.campaign)
    if made and made.origin.as_of != as_of:
        raise BadParameter(
            f"Campaign {terms.campaign!r} is of {made.origin.as_of}. Give that of {as_of} another name: "
            "-P campaign=NAME"
        )


def fees_of(scored: MonthScores, as_of: date) -> Numbers:
    """Each scored user's monthly fee, in their order."""
    parts: list[pa.Table] = []
    warehouse.read_features({engines.PROFILES: [FEE]}, as_of, parts.append)
    fees = pa.concat_tables(parts)
    return np.asarray(fees[FEE].take(pc.index_in(scored.user_ids, value_set=fees["user_id"])), dtype=np.float64)


def make(terms: Terms, origin: Campaign, scored: MonthScores, fees: Numbers, explain: Explain) -> CallList:
    """Records the campaign with its users' reasons, if there is none of its name."""
    gains = terms.expected_gain(scored.probability, fees)
    is_control = control_draw(terms.campaign, terms.control_share)
    chosen = _users(scored, gains, select(scored.user_ids, gains, terms.contacts, is_control))
    if warehouse.recorded_campaign(terms.campaign) is None:
        chosen = _explained(chosen, explain)
    made = warehouse.record_campaign(origin, chosen)
    users = made.users if made else chosen
    listed = users.filter(pc.equal(users["role"], LISTED))
    kept = None
    if made and made.origin.run_id != origin.run_id:
        now = chosen.filter(pc.equal(chosen["role"], LISTED))["user_id"]
        kept = len(now) - (pc.sum(pc.is_in(now, value_set=listed["user_id"])).as_py() or 0)
    return CallList(terms, _rows(listed, scored, fees), users.num_rows - listed.num_rows, made, kept)


def _users(scored: MonthScores, gains: Numbers, selection: Selection) -> pa.Table:
    """As warehouse.record_campaign takes them."""
    order = np.concatenate([selection.listed, selection.control])
    roles = [LISTED] * len(selection.listed) + [CONTROL] * len(selection.control)
    return pa.table(
        {
            "user_id": scored.user_ids.take(pa.array(order)),
            "role": pa.array(roles, pa.string()),
            "probability": scored.probability[order],
            "expected_gain": gains[order],
            "reasons": pa.repeat(NO_REASONS, len(order)),
        }
    )


def _explained(users: pa.Table, explain: Explain) -> pa.Table:
    """With the reasons of the listed ones: nobody calls the control group."""
    is_listed = pc.equal(users["role"], LISTED)
    texts = [json.dumps(texts) for texts in explain(users.filter(is_listed)["user_id"].to_pylist())]
    reasons = pc.replace_with_mask(
        users["reasons"].combine_chunks(), is_listed.combine_chunks(), pa.array(texts, pa.string())
    )
    return users.set_column(users.schema.get_field_index("reasons"), "reasons", reasons)


def _rows(listed: pa.Table, scored: MonthScores, fees: Numbers) -> pd.DataFrame:
    """Fee and training are None for users of an earlier list who are not scored now."""
    places = pc.index_in(listed["user_id"], value_set=scored.user_ids)
    trained_on = pa.nulls(scored.users, pa.bool_()) if scored.trained_on is None else pa.array(scored.trained_on)
    columns = pd.DataFrame(
        {
            "rank": range(1, listed.num_rows + 1),
            "user_id": listed["user_id"].to_pylist(),
            "probability": listed["probability"].to_numpy(),
            "expected_gain": listed["expected_gain"].to_numpy(),
            FEE: pa.array(fees).take(places).to_pandas(),
            "trained_on": trained_on.take(places).to_pandas(),
        }
    )
    return columns.join(_reasons([json.loads(text) for text in listed["reasons"].to_pylist()]))


def _reasons(texts: Sequence[Sequence[str]]) -> pd.DataFrame:
    """reason_1, … of each user; no column where nobody has a reason."""
    reasons = pd.DataFrame(list(texts), index=range(len(texts)))
    return reasons.set_axis([f"reason_{nth}" for nth in range(1, reasons.shape[1] + 1)], axis=1)


def measured(scored: MonthScores, labels: pa.Table, fees: Numbers) -> Measured:
    """The labelled users that the version was never trained on."""
    positions, left = known_labels.unseen(scored, labels)
    return Measured(scored.probability[positions], fees[positions], left)
