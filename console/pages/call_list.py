"""Call list: the users that a campaign lists, by expected gain, as a page and as a CSV file."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict

from flask import Blueprint, Response, abort, render_template, request

from console.charts import curve
from steps import warehouse
from steps.warehouse import CampaignSummary, ListFilter

SHOWN = 100
MOST_PAGES = 100_000
LONGEST_PART = 128

blueprint = Blueprint("call_list", __name__)


@blueprint.get("/call-list")
def page() -> str:
    campaigns = warehouse.campaign_summaries()
    campaign = chosen(campaigns)
    number = min(max(request.args.get("page", 1, type=int), 1), MOST_PAGES)
    offset = (number - 1) * SHOWN
    users = warehouse.listed_users(campaign.name, filter_of(), offset, SHOWN + 1) if campaign else []
    points = warehouse.gain_curve(campaign.name) if campaign else []
    return render_template(
        "call_list.html",
        campaigns=campaigns,
        campaign=campaign,
        filter=filter_of(),
        users=users[:SHOWN],
        has_more=len(users) > SHOWN,
        page=number,
        offset=offset,
        points=points,
        chart=curve.chart(points),
    )


@blueprint.get("/call-list.csv")
def download() -> Response:
    """The whole list with the filter. Texts that a spreadsheet would run are made harmless."""
    import pandas as pd  # noqa: PLC0415 - other pages do not need it

    from steps.cli import spreadsheet  # noqa: PLC0415

    campaign = chosen(warehouse.campaign_summaries())
    if campaign is None:
        return abort(404, "There is no campaign.")
    users = [asdict(user) for user in warehouse.listed_users(campaign.name, filter_of())]
    frame = pd.DataFrame(users, columns=["user_id", "probability", "expected_gain"])
    frame.insert(0, "rank", range(1, len(frame) + 1))
    answer = Response(spreadsheet.to_csv(frame), content_type="text/csv; charset=utf-8")
    answer.headers.set("Content-Disposition", "attachment", filename="call_list.csv")
    return answer


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
    return ListFilter(least if least == least else 0.0, request.args.get("part", "")[:LONGEST_PART].replace("\0", ""))  # noqa: PLR0124 - NaN
