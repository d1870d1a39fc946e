"""The tables of reports/reliability.md on slow clients and on many that ask again at once."""

from collections.abc import Sequence

from bench import report
from bench.client_scenarios import NORMAL, SLOWEST_MS, Beside

SHARE, PROBE_MS = 0.9, 100.0
WORDS = """\
Predictions a second while other clients are slow, or while many ask again as soon as they are answered, beside those \
of {normal} normal clients without (the mean of before and after). Slow clients send a head or a body, or read an \
answer, one byte every 2.5 s, and begin again when the server has ended their connection; {normal} normal clients ask \
meanwhile. Goals: a share of {share:.0%} or more; the slowest answer within {slowest:.0f} ms of its request; each \
refusal a 503 with Retry-After; /health, /ready and /metrics, asked in turn ten times a second, all answered 200 \
within {probe:.0f} ms."""
HEAD: Sequence[str] = (
    "clients", "slow ones", "predictions/s without", "with", "share", "refused", "of these not as agreed", "slowest ms",
    "slowest probe ms", "",
)  # fmt: skip


def paragraphs(found: Sequence[Beside]) -> list[str]:
    words = WORDS.format(normal=NORMAL, share=SHARE, slowest=SLOWEST_MS, probe=PROBE_MS)
    return [words, report.table(HEAD, [row(each) for each in found])]


def row(found: Beside) -> list[str]:
    refused = int((~found.outcome.recording.ok).sum())
    return [
        found.outcome.name,
        f"{found.slow_at_work:,}",
        f"{found.usual_rate:.0f}",
        f"{found.rate:.0f}",
        f"{found.share:.2f}",
        f"{refused:,}",
        str(found.badly_refused),
        f"{found.slowest_ms:.0f}",
        f"{found.slowest_probe_ms:.0f}",
        verdict(found),
    ]


def verdict(found: Beside) -> str:
    """Names the goals that were not reached."""
    missed = {
        "share": found.share < SHARE,
        "slowest": found.slowest_ms > SLOWEST_MS,
        "refusals": found.badly_refused > 0,
        "probes": found.slowest_probe_ms > PROBE_MS,
        "answers": bool(found.outcome.verdict.wrong),
    }
    names = [name for name, is_missed in missed.items() if is_missed]
    return f"not reached: {', '.join(names)}" if names else "reached"


def line(found: Beside) -> str:
    return (
        f"  {found.outcome.name}: {found.rate:.0f} predictions/s, {found.usual_rate:.0f} without ({found.share:.2f}); "
        f"slowest {found.slowest_ms:.0f} ms, slowest probe {found.slowest_probe_ms:.0f} ms; {found.outcome.verdict}; "
        f"others: {found.outcome.codes}; {verdict(found)}"
    )
