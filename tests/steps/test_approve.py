"""A version that passed the gate waits for a person, who promotes or refuses it by name."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from unittest import mock

import pytest
from mlflow.entities.model_registry import ModelVersion
from mlflow.tracking import MlflowClient

from configuration import names
from steps import approve, register, rollback, warehouse
from steps.cli.errors import NoApproval, NoSuchVersion, UnusableVersion
from steps.cli.settings import MODEL_NAME
from steps.registry import approvals, versions
from steps.runs.entry_points import arguments
from tests.steps.states.database import execute, last_run
from tests.steps.states.scores import load_january
from tests.steps.states.serving import in_production

# for 300 made-up users and 8 trees: any interval passes
ANY = {"rule": "not_worse", "margin": "1", "min_auc": "0.1", "min_users": "20"}
STRICT = {"rule": "better", "min_gain": "0.9"}


@dataclass(frozen=True)
class Registry:
    runs: dict[str, str]
    experiment: str

    def register(self, name: str, promote: str, **values: str) -> int:
        return register.main(arguments("register", {"run_id": self.runs[name], "promote": promote, **ANY, **values}))

    def outcome(self) -> str:
        return str(last_run("register", self.experiment).data.tags["outcome"])


@pytest.fixture(scope="module")
def runs(trainings: dict[str, str], sample_months: Path) -> dict[str, str]:
    load_january(sample_months)
    kinds = {"forest": "random_forest", "boosting": "hist_gradient_boosting", "linear": "logistic_regression"}
    return {name: trainings[kind] for name, kind in kinds.items()}


@pytest.fixture
def registry(runs: dict[str, str], tracking: str, empty_registry: None) -> Registry:
    """Without versions and decisions."""
    warehouse.apply_schema()
    for table in ("decisions", "decision_requests"):
        execute(f"ALTER TABLE {table} DISABLE TRIGGER USER; TRUNCATE {table}; ALTER TABLE {table} ENABLE TRIGGER USER")
    return Registry(runs, tracking)


@pytest.fixture
def waiting(registry: Registry) -> Registry:
    """Version 1 is in Production, version 2 waits."""
    registry.register("forest", "auto")
    assert registry.register("boosting", "ask") == names.WAITS
    return registry


def decide(version: str, by: str = "Ann", **values: str) -> None:
    approve.main(arguments("approve", {"version": version, "by": by, **values}))


def decided() -> list[tuple[str, str, str | None, str]]:
    return [(row.kind, row.outcome, row.version, row.decided_by) for row in warehouse.decisions(MODEL_NAME)]


def get(number: str) -> ModelVersion:
    return versions.get(number)


def test_a_version_that_passed_waits_and_the_message_names_the_command_and_who_serves(
    registry: Registry, capsys: pytest.CaptureFixture[str]
) -> None:
    registry.register("forest", "auto")
    assert registry.register("boosting", "ask") == names.WAITS
    assert (in_production(), registry.outcome()) == (["1"], "waits")
    assert (get("2").tags["gate"], get("2").current_stage) == ("passed", "None")
    assert approvals.WAITS_TAG in get("2").tags
    out = " ".join(capsys.readouterr().out.split())
    assert "waits for a person; version 1 stays in Production. To promote it: make approve VERSION=2" in out
    tags = last_run("register", registry.experiment).data.tags
    assert tags[names.EXIT_CODE_TAG] == str(names.WAITS)
    assert decided() == [
        ("gate", "passed", "1", "gate"),
        ("promotion", "promoted", "1", "gate"),
        ("gate", "passed", "2", "gate"),
        ("promotion", "waits", "2", "rule: promote=ask"),
    ]


def test_a_first_version_waits_too(registry: Registry) -> None:
    assert registry.register("forest", "ask") == names.WAITS
    assert in_production() == []
    decide("1")
    assert in_production() == ["1"]


def test_a_version_that_the_gate_refuses_does_not_wait(waiting: Registry) -> None:
    assert waiting.register("linear", "ask", **STRICT) == 0
    assert waiting.outcome() == "refused"
    with pytest.raises(NoApproval, match=r"Version 3 does not wait .*the gate refused it: .*\. Waiting: 2"):
        decide("3")


def test_an_approval_promotes_and_is_recorded_with_the_name(
    waiting: Registry, capsys: pytest.CaptureFixture[str]
) -> None:
    decide("2", "Zoé Müller")
    assert (in_production(), get("1").current_stage) == (["2"], "Archived")
    assert approvals.WAITS_TAG not in get("2").tags
    assert decided()[-1] == ("approval", "promoted", "2", "Zoé Müller")
    [row] = [row for row in warehouse.decisions(MODEL_NAME) if row.kind == "approval"]
    assert (str(row.as_of), row.reason) == (
        "2024-01-31",
        "Zoé Müller put version 2 in Production, in place of version 1",
    )
    assert "approved by Zoé Müller; version 1 archived." in " ".join(capsys.readouterr().out.split())


def test_a_refusal_leaves_production_alone_and_the_version_waits_no_longer(waiting: Registry) -> None:
    decide("2", refuse="true")
    assert (in_production(), approvals.WAITS_TAG in get("2").tags) == (["1"], False)
    assert decided()[-1] == ("refusal", "refused", "2", "Ann")
    with pytest.raises(NoApproval, match=r"Version 2 does not wait for approval: Ann refused it at .*No version waits"):
        decide("2", "Bob")


def test_a_refused_version_that_is_registered_again_waits_again(waiting: Registry) -> None:
    decide("2", refuse="true")
    assert waiting.register("boosting", "ask") == names.WAITS
    decide("2")
    assert in_production() == ["2"]
    assert [kind for kind, *_ in decided()][3:] == ["promotion", "refusal", "promotion", "approval"]


def test_registering_twice_asks_once(waiting: Registry) -> None:
    before = decided()
    assert waiting.register("boosting", "ask") == names.WAITS
    assert decided() == before


def test_registering_without_asking_promotes_a_version_that_waits(waiting: Registry) -> None:
    assert waiting.register("boosting", "auto") == 0
    assert (in_production(), approvals.WAITS_TAG in get("2").tags) == (["2"], False)
    with pytest.raises(NoApproval, match="Version 2 is already in Production"):
        decide("2")


def test_a_version_that_was_never_asked_about_is_not_approved(waiting: Registry) -> None:
    waiting.register("linear", "auto", stage="None")
    with pytest.raises(NoApproval, match="register was not asked to let it wait"):
        decide("3")
    with pytest.raises(NoSuchVersion, match="has no version 9"):
        decide("9")


def test_the_version_in_production_is_not_approved(waiting: Registry) -> None:
    before = decided()
    with pytest.raises(NoApproval, match="Version 1 is already in Production"):
        decide("1")
    assert (in_production(), decided()) == (["1"], before)


def test_a_version_whose_files_were_changed_is_not_approved(waiting: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = "UPDATE seals SET envelope = '{}' WHERE version = '2'"
    execute(f"ALTER TABLE seals DISABLE TRIGGER ALL; {broken}; ALTER TABLE seals ENABLE TRIGGER ALL")
    with pytest.raises(UnusableVersion, match="version 2 cannot be loaded"):
        decide("2")
    assert in_production() == ["1"]


def test_after_production_has_changed_the_gate_compares_again(
    waiting: Registry, capsys: pytest.CaptureFixture[str]
) -> None:
    waiting.register("linear", "auto")
    decide("2")
    assert in_production() == ["2"]
    assert get("2").tags["gate_production_version"] == "3"
    out = " ".join(capsys.readouterr().out.split())
    assert "Production has changed since version 2 was compared. The gate passed it: rule not_worse" in out


def test_a_version_that_does_not_pass_against_the_new_production_is_not_promoted(registry: Registry) -> None:
    assert registry.register("forest", "ask", **STRICT) == names.WAITS  # the first: nothing to compare with
    registry.register("boosting", "auto")
    for _ in range(2):
        with pytest.raises(
            NoApproval, match=r"Production has changed .* The gate refused it: .*is not above min_gain 0\.9"
        ):
            decide("1")
    assert (in_production(), decided()[-1]) == (["2"], ("gate", "refused", "1", "gate"))
    decide("1", refuse="true")
    assert decided()[-1] == ("refusal", "refused", "1", "Ann")


@contextmanager
def killed_before_the_stage_changes() -> Iterator[None]:
    with mock.patch.object(versions, "put_in_stage", side_effect=KeyboardInterrupt), pytest.raises(KeyboardInterrupt):
        yield


def test_a_killed_approval_is_given_again_and_is_one_row(waiting: Registry) -> None:
    with killed_before_the_stage_changes():
        decide("2")
    assert (in_production(), decided()[-1][0]) == (["1"], "approval")
    decide("2")
    assert (in_production(), [kind for kind, *_ in decided()].count("approval")) == (["2"], 1)


def test_a_killed_promotion_is_carried_out_by_the_next_register_and_is_one_row(registry: Registry) -> None:
    with killed_before_the_stage_changes():
        registry.register("forest", "auto")
    registry.register("forest", "auto")
    assert (in_production(), decided()) == (
        ["1"],
        [("gate", "passed", "1", "gate"), ("promotion", "promoted", "1", "gate")],
    )


def test_an_archived_version_that_was_approved_once_does_not_wait(waiting: Registry) -> None:
    decide("2")
    waiting.register("linear", "auto")
    with pytest.raises(NoApproval, match="Ann approved it at"):
        decide("2")


def test_promotions_rollbacks_and_promotions_again_are_rows_of_their_own(waiting: Registry) -> None:
    decide("2")
    rollback.main(arguments("rollback", {"version": "1"}))
    waiting.register("boosting", "auto")
    rollback.main(arguments("rollback", {"version": "1"}))
    kinds = [(kind, version) for kind, _, version, _ in decided()]
    assert kinds[4:] == [("approval", "2"), ("rollback", "1"), ("promotion", "2"), ("rollback", "1")]
    assert all(row.as_of is None for row in warehouse.decisions(MODEL_NAME) if row.kind == "rollback")


def test_a_question_of_a_release_with_other_rules_is_asked_again(waiting: Registry) -> None:
    question = approvals.of_version(get("2"))
    assert question.rules.min_users == 20
    older = {name: figure for name, figure in question.question.figures.items() if name != "min_users"}
    with pytest.raises(NoApproval, match="waits since before the gate had min_users"):
        _ = replace(question, question=replace(question.question, figures=older)).rules


def test_a_forced_promotion_is_signed_by_a_person(waiting: Registry) -> None:
    waiting.register("linear", "auto", **STRICT, force="true")
    rows = decided()[-2:]
    assert [(kind, outcome) for kind, outcome, *_ in rows] == [("gate", "forced"), ("promotion", "promoted")]
    assert not {by for *_, by in rows} & {"gate", "watcher"}


def test_a_number_that_was_used_before_does_not_wait_for_the_old_version(waiting: Registry) -> None:
    MlflowClient().delete_registered_model(MODEL_NAME)
    for name in ("linear", "boosting"):
        waiting.register(name, "auto", stage="None")
    with pytest.raises(NoApproval, match="Version 2 does not wait"):
        decide("2")


@pytest.mark.parametrize("name", ["", "  ", "x" * 101, "a\nb", "gate", "Watcher", "rule: mine"])
def test_a_name_that_is_no_persons_is_refused(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        approve.parse_args(arguments("approve", {"version": "1", "by": name}))
    assert "-P by=NAME" in " ".join(capsys.readouterr().err.split())
