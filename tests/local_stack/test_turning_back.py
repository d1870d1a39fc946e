"""A promoted version whose server is killed: the stack turns back under load, until a person rolls back."""

import os
from collections.abc import Iterator
from unittest import mock

import pytest

from bench import swap
from bench.checker import Checker
from bench.load import loops
from bench.testbed import candidates
from bench.testbed.testbed import Testbed, read_users
from steps import rollback, warehouse
from steps.cli.settings import MODEL_NAME
from steps.runs.entry_points import arguments
from tests.local_stack.conftest import OwnStack

pytestmark = pytest.mark.slow
RATE, AFTER_S = 20.0, 3.0
NAMED = {"503 model_unavailable", "503 model_circuit_open"}


@pytest.fixture(scope="module")
def testbed(up_stack: OwnStack) -> Iterator[Testbed]:
    with mock.patch.dict(os.environ, up_stack.settings.exported()):
        yield Testbed(up_stack.settings, read_users(up_stack.months))


def test_a_killed_new_server_is_turned_back_under_load_until_a_person_rolls_back(
    testbed: Testbed, up_stack: OwnStack
) -> None:
    before = testbed.live()["serving"]
    # of another kind than test_under_load.py promotes: only a version that has not served is on probation
    second = candidates.valid_version("churn_v2", "random_forest", trees=8)
    with loops.start(testbed.target(), RATE, swap.LONGEST_S, 64, 1) as running:
        swap.swap_to(testbed, second, lambda: candidates.promote(second))
        testbed.model_server().kill()
        swap.wait_for(lambda: testbed.live()["turned_back"] is not None, "the way back")
        running.end_in(AFTER_S)
        recording = running.result()
    check = Checker().check(recording, testbed.users)

    assert testbed.live()["serving"] == before, "the same server, which had been kept"
    assert (check.wrong, set(recording.codes()) - NAMED) == ([], set())
    assert check.versions == sorted([before["version"], second], key=int)
    status = up_stack.stack("status")
    assert status.returncode == 0
    assert f"[WARNING] Version {second} was turned back at " in status.stdout
    [decision] = [decision for decision in warehouse.decisions(MODEL_NAME) if decision.outcome == "turned_back"]
    assert (decision.version, decision.decided_by) == (second, "watcher")
    assert warehouse.cutovers(MODEL_NAME)[-1].reason == f"turned back: {decision.reason}"

    rollback.main(arguments("rollback", {}))
    swap.wait_for(lambda: testbed.live()["turned_back"] is None, "the end of the way back")
    assert testbed.live()["serving"] == before
    assert "[WARNING]" not in up_stack.stack("status").stdout
