"""Call list: the users that a campaign lists, by expected gain, as a page and as a CSV file."""

import math
from collections.abc import Sequence
from contextlib import suppress

from flask import Blueprint, Response, abort, render_template, request

from console.charts import curve, profit
from steps import warehouse
from steps.warehouse import CampaignSummary, ListFilter

SHOWN = 100
MOST_PAGES = 1_000  # a page costs time in proportion to the users before it; the file has all
LONGEST_PART = 128

blueprint = Blueprint("call_list", __name__)


@blueprint.get("/call-list")
def page() -> str:
    campaigns = warehouse.campaign_summaries()
    campaign = chosen(campaigns)
    number = min(max(request.args.get("page", 1, type=int), 1), MOST_PAGES)
    offset = (number - 1) * SHOWN
    users = warehouse.listed_users(campaign.name, filter_of(), offset, SHOWN + 1) if campaign else []
    gains = warehouse.campaign_gains(campaign.name) if campaign else None
    measured = warehouse.newest_profit(campaign.name) if campaign else None
    reasons = warehouse.strongest_reasons(campaign.name) if campaign else []
    return render_template(
        "call_list.html",
        campaigns=campaigns,
        campaign=campaign,
        filter=filter_of(),
        strongest_reasons=reasons,
        users=users[:SHOWN],
        has_more=len(users) > SHOWN,
        page=number,
        last_page=MOST_PAGES,
        offset=offset,
        gains=gains,
        chart=curve.chart(gains.curve) if gains else None,
        measured=measured,
        profits=profit.chart(measured.profit) if measured and measured.profit else None,
    )


@blueprint.get("/call-list.csv")
def download() -> Response:
    """The whole list with the filter. Texts that a spreadsheet would run are made harmless."""
    import pandas as pd  # noqa: PLC0415 - other pages do not need it

    from steps.cli import spreadsheet  # noqa: PLC0415

    campaign = chosen(warehouse.campaign_summaries())
    if campaign is None:
        return abort(404, "There is no campaign.")
    users = warehouse.listed_users(campaign.name, filter_of())
    most = max((len(user.reasons) for user in users), default=0)
    columns = ["user_id", "probability", "expected_gain", *(f"reason_{nth}" for nth in range(1, most + 1))]
    rows = [(user.user_id, user.probability, user.expected_gain, *padded(user.reasons, most)) for user in users]
    frame = pd.DataFrame(rows, columns=columns)
    frame.insert(0, "rank", range(1, len(frame) + 1))
    answer = Response(spreadsheet.to_csv(frame), content_type="text/csv; charset=utf-8")
    answer.headers.set("Content-Disposition", "attachment", filename="call_list.csv")
    return answer


def padded(reasons: Sequence[str], length: int) -> list[str | None]:
    return [*reasons, *[None] * (length - len(reasons))]


def chosen(campaigns: Sequence[CampaignSummary]) -> CampaignSummary | None:
    """The campaign that the address names, else the newest."""
    name = request.args.get("campaign")
    if not name:
        return next(iter(campaigns), None)
    return next((campaign for campaign in campaigns if campaign.name == name), None) or abort(
        404, "There is no such campaign among the newest ones."
    )


def filter_of() -> ListFilter:
    """A probability that is no number is no filter."""
    least = 0.0
    with suppress(ValueError):
        least = min(max(float(request.args.get("least", "")), 0.0), 1.0)
    return ListFilter(0.0 if math.isnan(least) else least, text_of("part"), text_of("reason"))


def text_of(field: str) -> str:
    """PostgreSQL has no text with a NUL."""
    return request.args.get(field, "")[:LONGEST_PART].replace("\0", "")
