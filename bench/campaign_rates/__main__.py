"""make campaign-rates: how often the interval of a campaign's effect covers the truth, and what the call list is worth
against the users most likely to leave -> docs/call-list-rates.md.

Everything is made up: users, fees and outcomes. The lists, control groups, effects and profits are the project's own.
"""

import argparse
import math
import sys
import time
from pathlib import Path

import numpy as np
from tqdm import tqdm

from bench.campaign_rates.campaigns import SETTINGS, Result, Setting, campaigns
from bench.campaign_rates.orders import RESAMPLES, TERMS, Comparison, comparisons, out_of_fold
from bench.monitor_rates.months import calm_months
from bench.report import table

SEED = 42


def main() -> None:
    parser = argparse.ArgumentParser(prog="campaign_rates", description=__doc__)
    parser.add_argument("--campaigns", type=int, required=True, help="simulated ones for each setting")
    parser.add_argument("--users", type=int, required=True, help="made-up users to compare the two orders on")
    parser.add_argument("--to", type=Path, required=True, help="the document to write")
    options, started = parser.parse_args(), time.monotonic()
    lines = []
    for setting in tqdm(SETTINGS, unit=" settings", file=sys.stderr):
        lines.append(line(setting, list(campaigns(setting, options.campaigns))))
    [month] = calm_months(SEED, 1, options.users)
    compared = comparisons(out_of_fold(month))
    options.to.write_text(document(options, lines, compared))
    print(f"[OK] Wrote {options.to} in {time.monotonic() - started:.0f} s")


def line(setting: Setting, results: list[Result]) -> list[str]:
    measured = [result for result in results if result.estimate is not None]
    covered = sum(result.covered for result in measured) / len(measured)
    error = math.sqrt(covered * (1 - covered) / len(measured))
    bias = float(np.mean([(result.estimate or 0.0) - result.truth for result in measured]))
    half = float(np.mean([(result.high - result.low) / 2 for result in measured]))
    sees = sum(result.high < 0 for result in measured) / len(measured)
    return [
        f"{setting.users:,}", f"{setting.top:,}", f"{setting.control_share:.0%}", f"{setting.response_rate:.0%}",
        f"{covered:.1%} ±{error:.1%}", f"{bias:+.2%}", f"±{half:.1%}", f"{sees:.1%}",
    ]  # fmt: skip


def document(options: argparse.Namespace, lines: list[list[str]], compared: list[Comparison]) -> str:
    titles = ["users", "listed", "control", "kept", "interval covers", "bias", "interval", "effect shown"]
    orders = [
        [f"{row.share:.0%}", f"{row.by_gain:,.0f}", f"{row.by_probability:,.0f}", f"{row.wins:.1%}"] for row in compared
    ]
    head = HEAD.format(campaigns=options.campaigns, settings=len(SETTINGS))
    terms = {name: value for name, value in vars(TERMS).items() if name not in ("campaign", "top", "budget")}
    between = BETWEEN.format(users=options.users, resamples=RESAMPLES, seed=SEED, **terms)
    titles_of_orders = ["listed", "by expected gain", "by probability", "resamples in which it is worth more"]
    return "\n\n".join([head, table(titles, lines), between, table(titles_of_orders, orders)]) + "\n"


HEAD = """\
# What a call list's figures are worth

For readers who decide how many users to keep apart as control group, and whether to order by money. Made by
`make campaign-rates` (`bench/campaign_rates`), from made-up users; a test plays some of the campaigns again.

**The effect's interval.** {campaigns} campaigns for each of {settings} settings: users with probabilities and fees of
their own are listed or kept apart by the project's code, then leave or stay. A contact keeps a known share of the
listed users who would leave, so the true effect is known.

- interval covers: how often the 95% interval has the true effect in it, ± the standard error;
- bias: the mean of the estimate less the truth, in shares of the users;
- interval: half its mean width;
- effect shown: how often the whole interval is below 0. Where nobody is kept, this should be 2.5%."""

BETWEEN = """\
A control group of 80 users shows no effect of a usual size: it takes thousands of listed users, or several months.

**The order by expected gain.** {users:,} made-up users (`sample_months`, seed {seed}), each scored by gradient boosting
that did not train on the user (five folds); the rest are the defaults of `score`: response rate {response_rate:g},
{horizon_months} months, {contact_cost:g} a contact. What the first users are worth with their true labels, for each
1,000 users, and in how many of {resamples} resamples of the users the list is worth more than as many users by
probability alone. The decision record has the same for the [real January](decisions/0088-call-list.md)."""


if __name__ == "__main__":
    main()
