"""make monitor-rates: how often the monitor alarms in calm made-up months, and how often it finds what is wrong
-> docs/monitor-error-rates.md.

Each population is a seed's: gradient boosting is trained on its first month as `train` does, and every later month is
assessed as `monitor` does, with its labels; then compared again with each fault put into it.
"""

import argparse
import sys
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from tqdm import tqdm

from bench.monitor_rates.faults import CASES, finds
from bench.monitor_rates.months import subjects
from bench.report import table
from steps.monitoring.assessment import assess
from steps.monitoring.rows import Row
from steps.monitoring.verdict import judge


def causes(rows: Sequence[Row]) -> list[str]:
    return sorted({f"{row.metric} {row.slice}" for row in rows if row.verdict == "alarm"})


def main() -> None:
    parser = argparse.ArgumentParser(prog="monitor_rates", description=__doc__)
    for name in ("populations", "months", "users"):
        parser.add_argument(f"--{name}", type=int, required=True)
    parser.add_argument("--to", type=Path, required=True, help="the document to write")
    options, started = parser.parse_args(), time.monotonic()
    verdicts: Counter[str] = Counter()
    alarms: Counter[str] = Counter()
    found_in: Counter[str] = Counter()
    with tqdm(total=options.populations * options.months, unit=" months", file=sys.stderr) as bar:
        for seed in range(options.populations):
            for subject in subjects(seed, options.months, options.users):
                rows = assess(subject)
                verdicts[judge(rows).verdict] += 1
                alarms.update(causes(rows))
                found_in.update(case.text for case in CASES if finds(case, subject))
                bar.update()
    options.to.write_text(document(options, verdicts, alarms, found_in))
    print(f"[OK] Wrote {options.to} in {time.monotonic() - started:.0f} s: {dict(verdicts)}")


def document(options: argparse.Namespace, verdicts: Counter[str], alarms: Counter[str], found_in: Counter[str]) -> str:
    months = verdicts.total()
    calm = [
        [verdict, str(verdicts[verdict]), f"{verdicts[verdict] / months:.1%}"] for verdict in ("ok", "watch", "alarm")
    ]
    why = [[cause, str(count)] for cause, count in sorted(alarms.items())] or [["none", ""]]
    faults = [
        [case.text, f"{found_in[case.text]} of {months}", f"{found_in[case.text] / months:.1%}"] for case in CASES
    ]
    return (
        "\n\n".join(
            [
                DOCUMENT_HEAD.format(**vars(options)),
                table(["verdict in a calm month", "months", "share"], calm),
                table(["cause of an alarm", "months"], why),
                "The same months with something wrong put into them; found means that a row of its own names it:",
                table(["fault", "found", "share"], faults),
            ]
        )
        + "\n"
    )


DOCUMENT_HEAD = """\
# How often the monitor is wrong

For readers who wonder what an alarm is worth. Made by `make monitor-rates` (`bench/monitor_rates`): {populations}
populations of {users:,} made-up users, {months} consecutive months each, with labels. Gradient boosting is trained on
the month before the first. Every later month is assessed as by `monitor`, against the training set and the month
before. In calm months only what `sample_months` makes happens: users come, go and age."""


if __name__ == "__main__":
    main()
