"""`make chaos` and `make bench-swap` at small size: whatever goes wrong, a right answer or a named error; and what is
promoted or put back under load costs no request."""

import os
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from unittest import mock

import pytest

from bench import any_request, client_scenarios, scenarios, swap
from bench.checker import Checker
from bench.load import loops
from bench.testbed import candidates, systems
from bench.testbed.faults import all_faults
from bench.testbed.testbed import Ground, known_users
from tests.local_stack.conftest import OwnStack

pytestmark = pytest.mark.slow
FAULTS = {fault.name: fault for fault in all_faults(frozen_s=1.0)}
RATE, AROUND_S, AFTER_S = 20.0, 1.5, 4.0
CONNECTIONS = 64
# The gateway's requests a second by those of bench/testbed/empty_app.py: median of 12 rounds as below, least 0.30,
# most 0.52.
# Measured on two cores (AMD EPYC, Python 3.11) that other work shared, at a load average of 6.
USUAL_RATIO = 0.375


@pytest.fixture(scope="module")
def ground(up_stack: OwnStack) -> Iterator[Ground]:
    with mock.patch.dict(os.environ, up_stack.settings.exported()):
        yield Ground(up_stack.settings, known_users(up_stack.months))


@pytest.fixture(scope="module")
def checker() -> Checker:
    return Checker()


def test_the_gateway_keeps_at_least_half_of_its_usual_speed_beside_an_empty_application(
    ground: Ground, tmp_path: Path
) -> None:
    """A ratio within each round, so that neither the machine nor what else runs on it decides."""
    with systems.running(ground, [systems.empty(systems.answer_of(ground), tmp_path)]) as others:
        targets = {**others, "ours": ground.target()}
        for target in targets.values():
            loops.drive(loops.closed, target, CONNECTIONS, 1.0, 0)  # warm
        rounds = [
            {name: loops.drive(loops.closed, target, CONNECTIONS, 1.0, seed).rate() for name, target in targets.items()}
            for seed in range(5)
        ]
    assert median(rates["ours"] / rates["empty"] for rates in rounds) > USUAL_RATIO / 2, rounds


def test_a_steady_load_gets_right_answers_alone(ground: Ground, checker: Checker) -> None:
    outcome = scenarios.steady(ground, checker, RATE, 3.0)
    assert outcome.recording.codes() == {}
    assert outcome.verdict.checked == 60
    assert outcome.verdict.wrong == []
    assert outcome.notes["memory last"] > 10


def test_under_overload_what_is_too_much_is_refused_and_all_else_is_right(ground: Ground, checker: Checker) -> None:
    storm, calm = scenarios.overload(ground, checker, peak_rate=500.0, seconds=2.0, after_s=3.0)
    assert storm.unnamed == 0
    assert storm.verdict.wrong == []
    assert storm.recording.ok.sum() > 500
    assert set(storm.recording.codes()) <= {"no answer (no free connection)", "503 overloaded"}
    assert storm.notes["shed without Retry-After"] == 0
    assert calm.verdict.wrong == []
    assert calm.notes["normal after"] < 2


@pytest.mark.parametrize("kind", ["heads", "bodies", "answers"])
def test_normal_clients_are_answered_beside_slow_ones(ground: Ground, checker: Checker, kind: str) -> None:
    found = client_scenarios.beside_slow(ground, checker, 1.0, kind=kind, count=100)
    assert found.slow_at_work > 50
    assert found.badly_refused == 0
    assert found.outcome.verdict.checked > 100
    assert found.outcome.verdict.wrong == []
    assert {probe.status for probe in found.probes} == {200}


def test_many_clients_that_ask_again_at_once_get_predictions_or_a_503_with_retry_after(
    ground: Ground, checker: Checker
) -> None:
    found = client_scenarios.many(ground, checker, 1.0, count=1_000)
    assert found.badly_refused == 0
    assert found.outcome.verdict.checked > 500
    assert found.outcome.verdict.wrong == []
    assert {probe.status for probe in found.probes} == {200}


@pytest.mark.parametrize(
    "name",
    [
        "PostgreSQL restarted",
        "PostgreSQL's connections cut",
        "PostgreSQL frozen for 1 s",
        "model server frozen for 1 s",
        "MLflow server down",
    ],
)
def test_a_fault_costs_named_errors_at_most_and_passes(ground: Ground, checker: Checker, name: str) -> None:
    outcome = scenarios.under(ground, checker, FAULTS[name], rate=RATE, around_s=AROUND_S, after_s=AFTER_S)
    assert outcome.unnamed == 0
    assert outcome.verdict.wrong == []
    assert outcome.verdict.checked > AROUND_S * RATE / 2
    assert outcome.notes["recovery"] < AFTER_S
    if FAULTS[name].must_not_hurt:
        assert outcome.recording.codes() == {}


def test_any_request_that_the_document_describes_is_answered_as_it_says(ground: Ground) -> None:
    address = ground.settings.address("GATEWAY_PORT")
    for method, path in any_request.SHARES:
        statuses, unlike = any_request.ask(address, method, path, 60)
        assert unlike == []
        assert sum(statuses.values()) > 0


def test_a_promotion_and_a_rollback_cost_no_request(ground: Ground, checker: Checker) -> None:
    first = str(ground.live()["serving"]["version"])
    second = candidates.right("churn_v2", "hist_gradient_boosting", trees=8)
    swapped = swap.turn_about(ground, checker, first, second, swaps=1)
    assert swapped.recording.codes() == {}
    assert swapped.verdict.wrong == []
    assert swapped.verdict.versions == sorted([first, second], key=int)
    assert max(swapped.seconds_to_first_answer()) < swap.LIVE_TIMEOUT_S


def test_a_version_that_raises_is_never_turned_to(ground: Ground, checker: Checker) -> None:
    raising = next(each for each in candidates.broken() if each.name == "a model that raises")
    version, recording, verdict, reason = swap.refuse(ground, checker, raising)
    assert recording.codes() == {}
    assert verdict.wrong == []
    assert version not in verdict.versions
    assert "status" in reason
    assert version in reason


def test_a_killed_model_server_is_replaced(ground: Ground, checker: Checker) -> None:
    outcome = scenarios.under(
        ground, checker, FAULTS["model server killed"], rate=RATE, around_s=AROUND_S, after_s=20.0
    )
    assert outcome.unnamed == 0
    assert outcome.verdict.wrong == []
    assert outcome.notes["recovery"] < 20
