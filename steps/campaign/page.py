"""The call list in words, figures and a picture, for the report of `score`. Pure, except that it draws into a folder.

What the list is expected to gain is not measured. What is measured is on users that the version was never trained on.
"""

from pathlib import Path

from matplotlib.axes import Axes

from steps.campaign.call_list import CallList
from steps.campaign.effect import MIN_GROUP, expected_precision
from steps.campaign.profit import Profit
from steps.scoring.plots import CONTACTED, Pictures
from steps.scoring.quality import LEVEL, SHARES
from steps.scoring.report import Facts, ListPart, Subject
from steps.training.plots import draw

PICTURE = "profit.png"
NOT_CALIBRATED = "; the scores are not calibrated, so these are no amounts of money"


def part(folder: Path, subject: Subject, calls: CallList, profit: Profit | None) -> ListPart:
    """profit: None with too few measured users."""
    figures = facts(calls, profit)
    pictures = curve(folder, subject, profit) if profit else []
    rows = {**list_rows(subject, calls), **profit_rows(profit, figures)}
    return ListPart(calls.rows, figures, rows, pictures)


def facts(calls: CallList, profit: Profit | None) -> Facts:
    rows, terms = calls.rows, calls.terms
    unseen = rows[rows["trained_on"].eq(False)]
    figures: Facts = {
        **{name: value for name, value in vars(terms).items() if value is not None},
        "campaign_version": calls.made.origin.version if calls.made else None,
        "campaign_run_id": calls.made.origin.run_id if calls.made else None,
        "campaign_kept": calls.kept,
        "control": calls.control,
        "cost_of_list": len(rows) * terms.contact_cost,
        "expected_gain_of_list": float(rows["expected_gain"].sum()),
        "expected_gain_never_trained_on": float(unseen["expected_gain"].sum()),
    }
    if profit:
        figures |= {
            "profit_measured_on": population(profit),
            "profit_share": profit.share,
            "profit_per_1000": profit.at_share,
            "profit_per_1000_by_probability": profit.at_share_by_probability,
            "profit_difference": profit.difference.value,
            "profit_difference_low": profit.difference.low,
            "profit_difference_high": profit.difference.high,
            "best_share": profit.best_share,
            "best_profit_per_1000": max(0.0, float(profit.by_gain[profit.best])),
        }
    return figures


def population(profit: Profit) -> str:
    return f"{profit.users:,} users never trained on"


def list_rows(subject: Subject, calls: CallList) -> dict[str, str]:
    terms, rows = calls.terms, calls.rows
    unseen = rows["trained_on"].eq(False)
    limit = f"at most {terms.top:,} contacts" if terms.budget is None else f"a budget of {terms.budget:,.2f}"
    money = "" if subject.calibration not in (None, "none") else NOT_CALIBRATED
    before = {"campaign was made before": kept(calls)} if kept(calls) else {}
    has_reasons = any(str(name).startswith("reason_") for name in rows)
    by = (
        {"reasons of the listed users": f"by version {calls.made.origin.version}"} if calls.made and has_reasons else {}
    )
    return {
        **before,
        **by,
        "campaign": f"{terms.campaign}: {limit}",
        "assumptions": (
            f"a contact keeps {terms.response_rate:.1%} of those who would leave, for {terms.horizon_months} months of "
            f"their fee, and costs {terms.contact_cost:,.2f}"
        ),
        "expected gain of the list (expected, not measured)": f"{rows['expected_gain'].sum():,.2f}{money}",
        "of it, of users never trained on": f"{rows['expected_gain'][unseen].sum():,.2f}, {unseen.sum():,} users",
        "cost of the list": f"{len(rows) * terms.contact_cost:,.2f}",
        "control group, never listed": f"{calls.control:,} users{precision(calls)}",
    }


def kept(calls: CallList) -> str:
    """What is different where the campaign was made before; '' where it was not."""
    if calls.kept is None or calls.made is None:
        return ""
    origin = calls.made.origin
    return (
        f"The list is of run {origin.run_id}, made on {calls.made.made_at:%Y-%m-%d} with version {origin.version}; "
        f"this run would list {calls.kept:,} other users. -P campaign=NAME makes another campaign."
    )


def precision(calls: CallList) -> str:
    """How well the effect will be known, by the probabilities of the listed users."""
    share = float(calls.rows["probability"].mean()) if len(calls.rows) else 0.0
    half = expected_precision(len(calls.rows), calls.control, share)
    if half is None:
        return f": too few for an effect, which needs {MIN_GROUP} in each group"
    return f"; next month's labels will show the effect to about ±{half:.1%} of the users"


def profit_rows(profit: Profit | None, figures: Facts) -> dict[str, str]:
    if profit is None:
        return {"profit of lists": "not measured: too few labelled users that were never trained on"}
    users, gap = population(profit), profit.difference
    return {
        f"profit of the first {profit.share:.1%} by expected gain, {users}": f"{_money(profit.at_share)}",
        f"profit of as many by probability alone, {users}": f"{_money(profit.at_share_by_probability)}",
        f"difference, {users}": (
            f"{_money(gap.value)} ({LEVEL:.0%} interval {gap.low:,.2f} to {gap.high:,.2f}), with the assumed response"
        ),
        f"most profitable length, {users}": (
            f"{profit.best_share:.0%} of all users, with {_money(figures['best_profit_per_1000'])}; chosen on these "
            "users, so a little too good"
        ),
    }


def _money(value: float) -> str:
    return f"{value:,.2f} for each 1,000 users"


def curve(folder: Path, subject: Subject, profit: Profit) -> Pictures:
    title = f"{subject.title}, {population(profit)}"

    def lines(axes: Axes) -> None:
        axes.plot(SHARES, profit.by_gain, label="by expected gain")
        axes.plot(SHARES, profit.by_probability, "--", label="by probability")
        axes.axvline(profit.share, color="0.3", linewidth=0.8, label="this list")
        axes.plot(SHARES[profit.best], profit.by_gain[profit.best], "o", color="C0", label="most profitable")
        axes.legend()

    draw(folder / PICTURE, f"Profit for each 1,000 users\n{title}", lines, (CONTACTED, "profit"))
    return [(f"Profit by length of the list, at the assumed response rate: {title}", folder / PICTURE)]
