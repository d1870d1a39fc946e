"""The effects of campaigns as rows of the monitor, and in a sentence each. Pure."""

from collections.abc import Sequence

from steps.campaign.effect import MIN_GROUP, Group, effect
from steps.monitoring.rows import Row
from steps.warehouse.records.campaigns import CONTROL, LISTED, Outcome

EFFECT, SHARE = "campaign_effect", "campaign_share_left"
Groups = dict[str, Outcome]


def rows(outcomes: Sequence[Outcome]) -> list[Row]:
    """Of each campaign the share who left of both groups, and their difference, which is recorded and not judged."""
    by_campaign: dict[str, Groups] = {}
    for outcome in outcomes:
        by_campaign.setdefault(outcome.campaign, {})[outcome.role] = outcome
    return [row for groups in by_campaign.values() for row in _campaign(groups)]


def lines(effects: Sequence[Row]) -> list[str]:
    """For the console."""
    return [f"  {row.reason}" for row in effects if row.metric == EFFECT]


def group_of(outcome: Outcome | None) -> Group:
    """Users who are gone have left; those without a label are no part of it."""
    if outcome is None:
        return Group(0, 0)
    return Group(outcome.users - outcome.unlabelled, outcome.left + outcome.gone)


def _campaign(groups: Groups) -> list[Row]:
    origin = next(iter(groups.values()))
    listed, control = (group_of(groups.get(role)) for role in (LISTED, CONTROL))
    shares = [
        Row(
            SHARE,
            f"{origin.campaign}, {role}",
            group.users,
            group.share,
            reason=counts(groups[role]),
            month=origin.month,
        )
        for role, group in ((LISTED, listed), (CONTROL, control))
        if group.users
    ]
    return [*shares, _effect(origin, listed, control)]


def _effect(origin: Outcome, listed: Group, control: Group) -> Row:
    of, users, reference = origin.campaign, listed.users + control.users, f"control group, {control.users:,} users"
    name = f"campaign {of} of {origin.as_of} (version {origin.version}), by the labels of {origin.month}"
    if not origin.in_time:
        reason = f"{name}: no effect, its list was made after that month was loaded"
        return Row(EFFECT, of, users, None, reference=reference, reason=reason, month=origin.month)
    figure = effect(listed, control)
    if figure is None:
        groups = f"{listed.users:,} listed users and {control.users:,} of the control group"
        reason = f"{name}: no effect measured on {groups}; it takes {MIN_GROUP} in each"
        return Row(EFFECT, of, users, None, reference=reference, reason=reason, month=origin.month)
    reason = (
        f"{name}: {listed.share:.1%} of {listed.users:,} listed users left, {control.share:.1%} of {control.users:,} "
        f"of the control group; difference {figure.value:+.1%} (95% interval {figure.low:+.1%} to {figure.high:+.1%})"
    )
    return Row(EFFECT, of, users, figure.value, figure.low, figure.high, reference=reference, reason=reason,
               month=origin.month)  # fmt: skip


def counts(outcome: Outcome) -> str:
    gone = f"{outcome.left:,} left by the labels, {outcome.gone:,} are no longer users"
    return f"{gone}; {outcome.unlabelled:,} without a label are not counted"
