"""make chaos, second part: valid and invalid requests, generated from the OpenAPI document, to the running gateway.

Each answer must conform to the document (all checks of schemathesis). Writes a section of reports/reliability.md.
"""

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
from bench.testbed.testbed import open_testbed

# Share of the cases per operation. Operations without parameters have few distinct requests.
SHARES = {
    ("POST", "/predict"): 0.65,
    ("GET", "/features/{user_id}"): 0.4,
    ("GET", "/ready"): 0.01,
    ("GET", "/health"): 0.01,
}
HEAD = "## Any request"
HOW = """\
schemathesis with all its checks generates requests from the gateway's /docs/openapi.json: bodies, paths and headers \
that the document allows and others that it forbids, {cases:,} in all. They are sent one by one to the running \
gateway."""
MOST_SHOWN = 5

Result = tuple[Counter[str], list[str]]
"""How often each status was returned, and each violation of the document"""


def main(data: Path, state: str, cases: int) -> None:
    with open_testbed(data, state) as testbed:
        testbed.await_ready(60.0)
        address = testbed.settings.address("GATEWAY_PORT")
        results = {
            f"{method} {path}": check_operation(address, method, path, round(cases * share))
            for (method, path), share in SHARES.items()
        }
    path = report.REPORTS / "reliability.md"
    report.put_section(path, HEAD, paragraphs(results))
    report.say(f"[OK] Sent {count_requests(results):,} requests; {path.name} has the results")


def check_operation(address: str, method: str, path: str, cases: int) -> Result:
    """Sends `cases` generated requests to one operation of the API."""
    operation = schemathesis.openapi.from_url(f"{address}/docs/openapi.json")[path][method]
    statuses: Counter[str] = Counter()
    violations: list[str] = []

    @settings(max_examples=cases, deadline=None, derandomize=True, database=None, phases=[Phase.generate],
              suppress_health_check=list(HealthCheck))  # fmt: skip
    @given(st.one_of(*(operation.as_strategy(generation_mode=mode) for mode in GenerationMode)))
    def send(case: Any) -> None:
        answer = case.call(base_url=address, session=session)
        statuses[_outcome(answer)] += 1
        try:
            case.validate_response(answer)
        except FailureGroup as failures:
            violations.extend(str(failure) for failure in failures.exceptions)

    with requests.Session() as session:
        send()
    report.say(f"  {method} {path}: {dict(statuses)}, {len(violations)} violations of the document")
    return statuses, violations


def _outcome(answer: Any) -> str:
    """The status; for an error also its code."""
    named = answer.headers.get("content-type", [""])[0] == "application/problem+json"
    return f"{answer.status_code} {answer.json()['code']}" if named else str(answer.status_code)


def count_requests(results: dict[str, Result]) -> int:
    return sum(sum(statuses.values()) for statuses, _ in results.values())


def paragraphs(results: dict[str, Result]) -> list[str]:
    rows = [
        [
            name,
            f"{sum(statuses.values()):,}",
            ", ".join(f"{count:,} x {status}" for status, count in statuses.most_common()),
            len(violations),
        ]
        for name, (statuses, violations) in results.items()
    ]
    shown = [
        f"- {name}: {' '.join(violation.split())[:300]}"
        for name, (_, violations) in results.items()
        for violation in violations[:MOST_SHOWN]
    ]
    table = report.table(["request", "cases", "answers", "violations of the document"], rows)
    return [HOW.format(cases=count_requests(results)), table, *(["\n".join(shown)] if shown else [])]
