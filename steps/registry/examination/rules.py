"""The gate's rules, as parameters of register. Elsewhere MLproject's defaults for register apply.

    better      the lower end of the gain's 95% interval is above min_gain
    not_worse   the lower end is above -margin

How often each promotes at which true gain: docs/gate-error-rates.md.
"""

import argparse
from dataclasses import dataclass, fields
from typing import Literal

from steps.cli import parameters
from steps.runs import entry_points

Rule = Literal["better", "not_worse"]
RULES: tuple[Rule, ...] = ("better", "not_worse")
MONTHS = ("pool", "newest")
MAX_USERS = 1_000_000
ANY_MONTH = "2024-01-31"  # register requires one; the rules do not depend on it


@dataclass(frozen=True)
class Rules:
    rule: Rule
    min_gain: float  # of AUC over Production, for better
    margin: float  # of AUC that may be lost, for not_worse
    min_auc: float  # on the candidate's own validation rows
    min_users: int  # with fewer there is no comparison
    allow_older: bool  # a candidate of an older month than Production's
    months: str  # newest: older ones only where it has fewer than min_users; pool: as many as give a narrow interval
    force: bool  # overrides every objection, but no blocking issue

    @property
    def bound(self) -> float:
        """The lower end of the gain's interval must be above it."""
        return self.min_gain if self.rule == "better" else 0.0 - self.margin

    @property
    def bound_text(self) -> str:
        return f"min_gain {self.bound:g}" if self.rule == "better" else f"{self.bound:g}, the margin"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The rules as parameters of register."""
    parser.add_argument("--rule", choices=RULES, required=True, help="bound of the gain's interval")
    parser.add_argument(
        "--min-gain", type=parameters.number(-1, 1), required=True, help="of AUC over Production, for rule better"
    )
    parser.add_argument(
        "--margin", type=parameters.number(0, 1), required=True, help="of AUC that may be lost, for rule not_worse"
    )
    parser.add_argument("--min-auc", type=parameters.number(0, 1), required=True, help="on its own validation rows")
    parser.add_argument(
        "--min-users", type=parameters.whole_number(2, MAX_USERS), required=True, help="with fewer, no comparison"
    )
    parser.add_argument(
        "--allow-older", type=parameters.yes_or_no, required=True, help="true: a month older than Production's"
    )
    parser.add_argument("--months", choices=MONTHS, required=True, help="newest: what users do now counts alone")
    parser.add_argument(
        "--force", type=parameters.yes_or_no, required=True, help="true: promote whatever the comparison shows"
    )


def rules_of(args: argparse.Namespace) -> Rules:
    return Rules(**{field.name: getattr(args, field.name) for field in fields(Rules)})


def default_rules(*, allow_older: bool) -> Rules:
    """MLproject's defaults for register, except allow_older."""
    parser = argparse.ArgumentParser(prog="gate")
    add_arguments(parser)
    values = {"as_of": ANY_MONTH, "allow_older": str(allow_older).lower()}
    args, _ = parser.parse_known_args(entry_points.arguments("register", values))
    return rules_of(args)
