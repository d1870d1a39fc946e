"""The tables of reports/reliability.md on slow clients and on many clients."""

from collections.abc import Sequence

from bench import report
from bench.clients.scenarios import NORMAL, SLOWEST_MS, ClientOutcome

SHARE, PROBE_MS = 0.9, 100.0
METHOD = """\
Predictions a second while other clients are slow, or while many clients send their next request as soon as they have \
an answer, compared with {normal} normal clients alone (the mean of before and after). Slow clients send a head or a \
body, or read an answer, one byte every 2.5 s, and reconnect when the server has closed their connection; {normal} \
normal clients send requests at the same time. Goals: a share of {share:.0%} or more; the slowest answer within \
{slowest:.0f} ms of its request; each refusal a 503 with Retry-After; /health, /ready and /metrics, requested in turn \
ten times a second, all answered 200 within {probe:.0f} ms."""
HEAD: Sequence[str] = (
    "clients", "slow", "predictions/s without", "with", "share", "refused", "refused otherwise", "slowest ms",
    "slowest probe ms", "",
)  # fmt: skip


def paragraphs(outcomes: Sequence[ClientOutcome]) -> list[str]:
    method = METHOD.format(normal=NORMAL, share=SHARE, slowest=SLOWEST_MS, probe=PROBE_MS)
    return [method, report.table(HEAD, [row(result) for result in outcomes])]


def row(result: ClientOutcome) -> list[str]:
    refused = int((~result.outcome.recording.ok).sum())
    return [
        result.outcome.name,
        f"{result.slow_at_work:,}",
        f"{result.usual_rate:.0f}",
        f"{result.rate:.0f}",
        f"{result.share:.2f}",
        f"{refused:,}",
        str(result.badly_refused),
        f"{result.slowest_ms:.0f}",
        f"{result.slowest_probe_ms:.0f}",
        goals(result),
    ]


def goals(result: ClientOutcome) -> str:
    """`reached`, or the names of the goals that were not."""
    missed = {
        "share": result.share < SHARE,
        "slowest": result.slowest_ms > SLOWEST_MS,
        "refusals": result.badly_refused > 0,
        "probes": result.slowest_probe_ms > PROBE_MS,
        "answers": bool(result.outcome.check.wrong),
    }
    names = [name for name, is_missed in missed.items() if is_missed]
    return f"not reached: {', '.join(names)}" if names else "reached"


def line(result: ClientOutcome) -> str:
    return (
        f"  {result.outcome.name}: {result.rate:.0f} predictions/s, {result.usual_rate:.0f} without "
        f"({result.share:.2f}); slowest {result.slowest_ms:.0f} ms, slowest probe {result.slowest_probe_ms:.0f} ms; "
        f"{result.outcome.check}; other answers: {result.outcome.codes}; {goals(result)}"
    )
