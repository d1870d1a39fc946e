"""What a campaign has changed: the share who left among the listed users, less that of the control group. Pure.

The interval is Newcombe's hybrid score interval for the difference of two independent shares (R. G. Newcombe,
Statistics in Medicine 17:873-890, 1998, method 10): it is made of Wilson's intervals of the two shares, and holds for
small groups and shares near 0, too.
"""

from dataclasses import dataclass
from math import sqrt

from steps.scoring.quality import Figure

NORMAL_95 = 1.959963984540054
MIN_GROUP = 10


@dataclass(frozen=True)
class Group:
    """Users whose outcome is known, and those of them who left."""

    users: int
    left: int

    @property
    def share(self) -> float:
        return self.left / self.users


def wilson(users: float, left: float) -> tuple[float, float]:
    """The 95% interval of a share."""
    share, square = left / users, NORMAL_95**2
    middle = share + square / (2 * users)
    half = NORMAL_95 * sqrt(share * (1 - share) / users + square / (4 * users**2))
    return (middle - half) / (1 + square / users), (middle + half) / (1 + square / users)


def difference(listed: Group, control: Group) -> Figure:
    """Below 0 where fewer of the listed users left."""
    value = listed.share - control.share
    (low, high), (control_low, control_high) = (wilson(group.users, group.left) for group in (listed, control))
    below = sqrt((listed.share - low) ** 2 + (control_high - control.share) ** 2)
    above = sqrt((high - listed.share) ** 2 + (control.share - control_low) ** 2)
    return Figure(value, value - below, value + above)


def effect(listed: Group, control: Group) -> Figure | None:
    """None where a group has fewer than MIN_GROUP users."""
    return difference(listed, control) if min(listed.users, control.users) >= MIN_GROUP else None


def expected_precision(listed: int, control: int, share: float) -> float | None:
    """Half the interval that the effect will have, where this share of both groups leaves; None: no figure."""
    if min(listed, control) < MIN_GROUP:
        return None
    (low, high), (control_low, control_high) = (wilson(users, share * users) for users in (listed, control))
    return (sqrt((share - low) ** 2 + (control_high - share) ** 2)
            + sqrt((high - share) ** 2 + (share - control_low) ** 2)) / 2  # fmt: skip
