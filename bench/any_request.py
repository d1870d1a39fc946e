"""make chaos, second part: requests of every kind that the API's document describes, right ones and wrong ones, to the
running gateway; each answer has to be as the document says (schemathesis, all its checks). Its section of
reports/reliability.md."""

from collections import Counter
from pathlib import Path
from typing import Any

import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis.core.failures import FailureGroup
from schemathesis.generation import GenerationMode

from bench import report
from bench.testbed.testbed import standing

# The share of the cases that each gets; those without parameters have few different ones.
SHARES = {
    ("POST", "/predict"): 0.65,
    ("GET", "/features/{user_id}"): 0.4,
    ("GET", "/ready"): 0.01,
    ("GET", "/health"): 0.01,
}
HEAD = "## Any request"
HOW = """\
schemathesis, all its checks, over the document that the gateway serves at /docs/openapi.json: bodies, paths and \
headers that it allows and such that it forbids, {cases:,} in all, one after the other, to the running gateway."""
MOST_SHOWN = 5


def main(data: Path, state: str, cases: int) -> None:
    with standing(data, state) as ground:
        ground.await_ready(60.0)
        found = {f"{method} {path}": ask(ground.settings.address("GATEWAY_PORT"), method, path, round(cases * share))
                 for (method, path), share in SHARES.items()}  # fmt: skip
    path = report.REPORTS / "reliability.md"
    report.put_section(path, HEAD, paragraphs(found))
    report.say(f"[OK] {path.name} says what came of {sum(sum(each.values()) for each, _ in found.values()):,} requests")


def ask(address: str, method: str, path: str, cases: int) -> tuple[Counter[str], list[str]]:
    """How often each status was met, and what was not as the document says."""
    operation = schemathesis.openapi.from_url(f"{address}/docs/openapi.json")[path][method]
    statuses: Counter[str] = Counter()
    unlike: list[str] = []

    @settings(max_examples=cases, deadline=None, derandomize=True, database=None, phases=[Phase.generate],
              suppress_health_check=list(HealthCheck))  # fmt: skip
    @given(st.one_of(*(operation.as_strategy(generation_mode=mode) for mode in GenerationMode)))
    def one(case: Any) -> None:
        answer = case.call(base_url=address, session=session)
        statuses[_outcome(answer)] += 1
        try:
            case.validate_response(answer)
        except FailureGroup as failures:
            unlike.extend(str(failure) for failure in failures.exceptions)

    with requests.Session() as session:
        one()
    report.say(f"  {method} {path}: {dict(statuses)}, {len(unlike)} not as the document says")
    return statuses, unlike


def _outcome(answer: Any) -> str:
    """The status, and of an error the name that it has."""
    named = answer.headers.get("content-type", [""])[0] == "application/problem+json"
    return f"{answer.status_code} {answer.json()['code']}" if named else str(answer.status_code)


def paragraphs(found: dict[str, tuple[Counter[str], list[str]]]) -> list[str]:
    rows = [
        [
            name,
            f"{sum(statuses.values()):,}",
            ", ".join(f"{n:,} x {each}" for each, n in statuses.most_common()),
            len(unlike),
        ]
        for name, (statuses, unlike) in found.items()
    ]
    shown = [
        f"- {name}: {' '.join(each.split())[:300]}"
        for name, (_, unlike) in found.items()
        for each in unlike[:MOST_SHOWN]
    ]
    cases = sum(sum(statuses.values()) for statuses, _ in found.values())
    table = report.table(["request", "cases", "answers", "not as the document says"], rows)
    return [HOW.format(cases=cases), table, *(["\n".join(shown)] if shown else [])]
