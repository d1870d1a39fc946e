"""The parameters of `score` about its call list."""

import argparse
from datetime import date

from steps.campaign.terms import Terms
from steps.cli import parameters

MOST_CONTACTS, MOST_MONEY, MOST_MONTHS, LARGEST_CONTROL = 10_000_000, 1e12, 120, 0.5


def add(parser: argparse.ArgumentParser) -> None:
    contacts = parameters.whole_number(1, MOST_CONTACTS)
    parser.add_argument("--top", type=contacts, required=True, help="users on the call list, at most")
    money = parameters.number(0, MOST_MONEY)
    instead = "money for the contacts, instead of --top; '' for none"
    parser.add_argument("--budget", type=parameters.optional(money), required=True, help=instead)
    name = "the campaign's name; '' for the month's day"
    parser.add_argument("--campaign", type=parameters.optional(parameters.campaign), required=True, help=name)
    kept = "share of those who would leave whom a contact keeps"
    parser.add_argument("--response-rate", type=parameters.number(0, 1), required=True, help=kept)
    months = parameters.whole_number(1, MOST_MONTHS)
    parser.add_argument("--horizon-months", type=months, required=True, help="months of the fee that a kept user pays")
    parser.add_argument("--contact-cost", type=money, required=True, help="in the currency of monthly_fee")
    control = parameters.number(0, LARGEST_CONTROL)
    parser.add_argument("--control-share", type=control, required=True, help="of those worth a contact, never listed")


def terms(args: argparse.Namespace, as_of: date) -> Terms:
    return Terms(
        args.campaign or str(as_of), args.top, args.budget, args.response_rate, args.horizon_months, args.contact_cost,
        args.control_share,
    )  # fmt: skip
