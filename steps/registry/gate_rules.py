"""The gate's rules as parameters: of register, whose defaults in MLproject hold wherever else a version is judged."""

import argparse

from steps.cli import parameters
from steps.registry.gate import RULES, Rules
from steps.runs import entry_points

MOST_USERS = 1_000_000
ANY_MONTH = "2024-01-31"  # register wants one, and the rules do not depend on it


def add_to(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--rule", choices=RULES, required=True, help="what the gain's interval has to be above")
    parser.add_argument(
        "--min-gain", type=parameters.number(-1, 1), required=True, help="of AUC over Production, for rule better"
    )
    parser.add_argument(
        "--margin", type=parameters.number(0, 1), required=True, help="of AUC that may be lost, for rule not_worse"
    )
    parser.add_argument("--min-auc", type=parameters.number(0, 1), required=True, help="on its own validation rows")
    parser.add_argument(
        "--min-users", type=parameters.whole_number(2, MOST_USERS), required=True, help="fewer are no comparison"
    )
    parser.add_argument(
        "--allow-older", type=parameters.yes_or_no, required=True, help="true: a month older than Production's"
    )
    parser.add_argument(
        "--force", type=parameters.yes_or_no, required=True, help="true: promote whatever the comparison says"
    )


def rules_of(args: argparse.Namespace) -> Rules:
    return Rules(args.rule, args.min_gain, args.margin, args.min_auc, args.min_users, args.allow_older, args.force)


def usual(*, allow_older: bool) -> Rules:
    """register's defaults; allow_older says itself whether an older month is an objection."""
    parser = argparse.ArgumentParser(prog="gate")
    add_to(parser)
    older = {"allow_older": str(allow_older).lower()}
    args, _ = parser.parse_known_args(entry_points.arguments("register", {"as_of": ANY_MONTH, **older}))
    return rules_of(args)
