"""make gate-rates: how often each rule of the gate promotes at a known gain -> docs/gate-error-rates.md.

Two models' scores follow the bivariate binormal model: within each class both are normal, with one correlation; the
means of the leaving users are shifted to give the intended AUCs. Each comparison draws a new population. The interval
is the gate's own. A cell's random numbers depend only on its position, so any cell can be computed again alone.
"""

import argparse
import math
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from statistics import NormalDist

import numpy as np
from tqdm import tqdm

from bench.report import table
from local_stack.settings import ROOT
from steps.registry.examination import interval, rules
from steps.runs import entry_points

SEED = 42
GAINS = (-0.02, -0.01, 0.0, 0.01, 0.02)
PRODUCTION_AUC = 0.82
CORRELATION = 0.9
VALIDATES = Fraction(1, 4)
DRAWS = 200  # of the bootstrap; the gate makes 2,000
DOCUMENT = ROOT / "docs" / "gate-error-rates.md"
RULES = ("better", "not_worse", "point")


@dataclass(frozen=True)
class Setting:
    users: int
    leave: float
    comparisons: int

    @property
    def rows(self) -> int:
        return math.ceil(self.users * VALIDATES)


SETTINGS = tuple(
    Setting(users, leave, comparisons)
    for leave in (0.265, 0.08)
    for users, comparisons in ((2_000, 400), (7_000, 400), (100_000, 40))
)


@dataclass(frozen=True)
class Cell:
    """Comparisons at one true gain: the share that each rule promotes, and half the mean width of the intervals."""

    gain: float
    comparisons: int
    promotes: dict[str, float]
    width: float


def population(setting: Setting, gain: float, chance: np.random.Generator) -> interval.Rows:
    """The validation users of one month with both models' scores, `setting.rows` of them."""
    leaving = round(setting.rows * setting.leave)
    truth = np.arange(setting.rows) < leaving
    shared = chance.standard_normal(setting.rows) * math.sqrt(CORRELATION)
    own = chance.standard_normal((2, setting.rows)) * math.sqrt(1 - CORRELATION)
    candidate, production = (
        shared + own[row] + truth * math.sqrt(2) * NormalDist().inv_cdf(auc)
        for row, auc in enumerate((PRODUCTION_AUC + gain, PRODUCTION_AUC))
    )
    return interval.Rows.of_one_month(truth, candidate, production)


def cell(setting: Setting, gain: float, margin: float) -> Cell:
    seed = [SEED, setting.users, round(setting.leave * 1000), GAINS.index(gain)]
    chance = np.random.default_rng(seed)
    promoted, widths = dict.fromkeys(RULES, 0), 0.0
    for _ in range(setting.comparisons):
        rows = population(setting, gain, chance)
        low, high = interval.gain_interval(rows, DRAWS)
        seen = exact_auc(rows, rows.candidate) - exact_auc(rows, rows.production)
        for rule, promotes in {"better": low > 0, "not_worse": low > -margin, "point": seen >= 0}.items():
            promoted[rule] += int(promotes)
        widths += (high - low) / 2
    shares = {rule: times / setting.comparisons for rule, times in promoted.items()}
    return Cell(gain, setting.comparisons, shares, widths / setting.comparisons)


def exact_auc(rows: interval.Rows, scores: interval.Probabilities) -> float:
    return float(interval.Ranked(rows.truth, scores).aucs(np.ones((1, len(rows))))[0])


def standard_error(share: float, comparisons: int) -> float:
    return math.sqrt(share * (1 - share) / comparisons)


def shown(share: float, comparisons: int) -> str:
    return f"{share:.1%} ±{standard_error(share, comparisons):.1%}"


def usual_margin() -> float:
    """The margin that MLproject sets for `register`."""
    arguments = entry_points.arguments("register", {"as_of": "2024-01-31"})
    [margin] = [argument.removeprefix("--margin=") for argument in arguments if argument.startswith("--margin=")]
    return float(margin)


def section(setting: Setting, cells: list[Cell]) -> str:
    half = sum(cell.width for cell in cells) / len(cells)
    title = (
        f"**{setting.users:,} users, of whom {setting.rows:,} validate and {setting.leave:.1%} leave**: the interval "
        f"is ±{half:.4f} on average; {setting.comparisons} comparisons per row."
    )
    lines = [[f"{cell.gain:+.2f}", *(shown(cell.promotes[rule], cell.comparisons) for rule in RULES)] for cell in cells]
    return f"{title}\n\n{table(['true gain', '`better`', '`not_worse`', 'point estimate'], lines)}"


def document(sections: Iterator[str] | list[str], margin: float) -> str:
    head = DOCUMENT_HEAD.format(
        margin=margin, auc=PRODUCTION_AUC, correlation=CORRELATION, seed=SEED, draws=DRAWS, gate_draws=interval.DRAWS
    )
    return "\n\n".join([head, *sections]) + "\n"


DOCUMENT_HEAD = """\
# How often the gate is wrong

For readers who choose `-P rule=`: how often each rule promotes a candidate whose true AUC differs from Production's
by a known amount, ± its standard error. Made by `make gate-rates` (`bench/gate_rates.py`, seed {seed}); a test computes
one cell again.

- `better`: the lower end of the gain's 95% interval is above 0 (`min_gain`);
- `not_worse`: the lower end is above -{margin:g} (`-P margin=`);
- point estimate: the measured gain is not below 0. This is no rule of the gate; it is shown for comparison.

The scores are simulated by the bivariate binormal model (C. E. Metz, P.-L. Wang and H. B. Kronman, A new approach for
testing the significance of differences between ROC curves measured from correlated data, 1984; J. A. Hanley and
B. J. McNeil, Radiology 148:839-843, 1983): within each class both models' scores are normal with correlation
{correlation:g}, and Production's true AUC is {auc:g}. On the real January the forest and gradient boosting correlate
0.83 (staying) to 0.89 (leaving), and the interval is ±0.0096 wide. A lower correlation makes every interval wider.
The interval is the gate's own bootstrap, with {draws} draws instead of {gate_draws:,}. One month is compared; pooled
months with other users count as more users.

At a share of 0% or 100% the standard error is meaningless: the true share may be 3/n away, 0.8% at 400 comparisons and
7.5% at 40.

Conclusions. `better` promotes 2 to 5 of 100 candidates that are only as good as Production, at every size, and needs
many users to detect a small gain. `not_worse` promotes 3 to 6 of 100 candidates that are worse by the margin. It
promotes most of those that are as good only where the interval is narrower than the margin. The point estimate promotes
half of all candidates that are as good as Production, and with few users many that are worse."""


def main() -> None:
    parser = argparse.ArgumentParser(prog="gate_rates", description=__doc__)
    parser.add_argument("--to", type=Path, required=True, help="the document to write")
    to, margin, sections, started = parser.parse_args().to, usual_margin(), [], time.monotonic()
    with tqdm(total=len(SETTINGS) * len(GAINS), unit=" cells", file=sys.stderr) as bar:
        for setting in SETTINGS:
            cells = []
            for gain in GAINS:
                cells.append(cell(setting, gain, margin))
                bar.update()
            sections.append(section(setting, cells))
    to.write_text(document(sections, margin))
    print(f"[OK] Wrote {to} in {time.monotonic() - started:.0f} s ({', '.join(rules.RULES)})")


if __name__ == "__main__":
    main()
