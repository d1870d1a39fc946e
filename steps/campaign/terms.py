"""What a contact costs and may gain: the assumptions of a campaign. Pure.

A user who leaves takes `horizon_months` of the fee along. A contact keeps `response_rate` of those who would leave.
Contacting a user is expected to gain p(leave) x response rate x value - cost.
"""

from dataclasses import dataclass
from decimal import Decimal

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]


@dataclass(frozen=True)
class Terms:
    """The parameters of `score`, by their names. Money is in the currency of monthly_fee."""

    campaign: str
    top: int
    budget: float | None  # instead of top
    response_rate: float
    horizon_months: int
    contact_cost: float
    control_share: float

    @property
    def contacts(self) -> int | None:
        """At most so many users are listed; None: a budget without a price for each contact."""
        if self.budget is None:
            return self.top
        budget, cost = Decimal(repr(self.budget)), Decimal(repr(self.contact_cost))  # 10 pays 100 contacts of 0.1
        return int(budget // cost) if cost else None

    def kept(self, monthly_fee: Numbers) -> Numbers:
        """What contacting a user is worth if the user would leave, before its cost."""
        return self.response_rate * self.horizon_months * monthly_fee

    def expected_gain(self, probability: Numbers, monthly_fee: Numbers) -> Numbers:
        return probability * self.kept(monthly_fee) - self.contact_cost

    def realised_gain(self, left: NDArray[np.bool_], monthly_fee: Numbers) -> Numbers:
        """With what happened instead of the probability. The response rate stays an assumption."""
        return left * self.kept(monthly_fee) - self.contact_cost
