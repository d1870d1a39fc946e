"""The real February as one command: stopped by its frozen columns; with those accepted, an alarm, a new training, and a
gate that refuses it. Each test builds on the one before."""

import pytest
from mlflow.entities import Run

from local_stack.settings import Settings
from steps import main as chain
from steps import warehouse
from steps.cli.errors import StoppedByRule
from steps.cli.settings import MODEL_NAME
from steps.registry import versions
from steps.runs.entry_points import arguments
from tests.conftest import FEBRUARY, JANUARY, REAL_DATA, needs_real_data
from tests.steps.states.database import empty, fetch, last_run
from tests.steps.states.scores import forget_versions

pytestmark = needs_real_data
ACCEPTED = "frozen"


def february(**options: str) -> int:
    values = {"month_dir": str(REAL_DATA / "month_001"), "as_of": str(FEBRUARY), **options}
    return chain.main(arguments("main", values))


def decided() -> list[tuple[str, str, str | None]]:
    return [(made.kind, made.outcome, made.version) for made in warehouse.decisions(MODEL_NAME, FEBRUARY)]


@pytest.fixture(scope="module")
def january(server: Settings, tracking: str) -> str:
    """The version that the real January has put into Production."""
    empty()
    forget_versions()
    assert chain.main(arguments("main", {"month_dir": str(REAL_DATA / "month_000"), "as_of": str(JANUARY)})) == 0
    number = versions.in_production()
    assert number is not None
    return number


@pytest.fixture(scope="module")
def stopped(january: str) -> str:
    """What is said about a February that nobody has accepted."""
    with pytest.raises(StoppedByRule) as stop:
        february()
    assert stop.value.exit_code == 3
    return str(stop.value)


@pytest.fixture(scope="module")
def accepted(stopped: str, tracking: str) -> Run:
    assert february(accept=ACCEPTED) == 0
    return last_run("main", tracking)


def test_the_frozen_columns_stop_february_before_it_is_loaded(stopped: str, tracking: str) -> None:
    assert warehouse.loaded_months() == [JANUARY]
    for column in ("months_active", "skips_7d", "ticket_avg_resolution_hrs_90d"):
        assert f"{column} is frozen: the same value as before for each of 7,043 users [frozen]" in stopped
    assert f"Look at {REAL_DATA / 'month_001' / 'subscriptions.csv'}, " in stopped
    assert f"add -P accept={ACCEPTED}." in stopped
    run = last_run("main", tracking)
    assert (run.info.status, run.data.tags["streamflow.exit_code"]) == ("FAILED", "3")


def test_the_stop_is_a_decision(stopped: str, january: str) -> None:
    assert decided()[0] == ("stop", "stopped", january)
    [stop] = [made for made in warehouse.decisions(MODEL_NAME, FEBRUARY) if made.kind == "stop"]
    assert (stop.decided_by, stop.figures["frozen months_active"], stop.reason) == ("rule: frozen", 1.0, stopped)


def test_with_the_rule_accepted_the_verdict_asks_for_a_training(accepted: Run, tracking: str) -> None:
    monitored = last_run("monitor", tracking)
    assert (monitored.data.tags["verdict"], monitored.data.tags["retrain"]) == ("alarm", "true")
    assert last_run("train", tracking).data.params["as_of"] == str(FEBRUARY)


def test_the_gate_refuses_the_training_and_january_stays(accepted: Run, january: str) -> None:
    candidate = versions.all_versions()[0]
    assert candidate.tags["gate"] == "refused"
    assert 0.6 < float(candidate.tags["gate_auc_own_validation"]) < 0.7  # min_auc
    assert versions.in_production() == january


def test_each_decision_is_recorded_once(accepted: Run, january: str) -> None:
    kinds = [kind for kind, _outcome, _version in decided()]
    assert kinds[:3] == ["stop", "accept", "retrain"]
    assert len(set(decided())) == len(decided())


def test_february_is_online_and_scored_by_january_s_version(accepted: Run, january: str) -> None:
    assert fetch("SELECT DISTINCT model_version FROM churn_scores WHERE as_of = %s", (FEBRUARY,)) == [(january,)]
    assert warehouse.loaded_months() == [JANUARY, FEBRUARY]


def test_the_same_command_again_has_nothing_to_do(accepted: Run, tracking: str) -> None:
    before = (decided(), [version.version for version in versions.all_versions()])
    assert february(accept=ACCEPTED) == 0
    assert "nothing to do" in last_run("main", tracking).data.tags["mlflow.note.content"]
    assert (decided(), [version.version for version in versions.all_versions()]) == before
