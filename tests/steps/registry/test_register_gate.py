"""Production never gets worse: register promotes or refuses, and records the reason."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import mlflow
import pandas as pd
import pytest
from mlflow.entities import Param, Run, RunData, RunInfo, RunTag
from mlflow.entities.model_registry import ModelVersion
from mlflow.tracking import MlflowClient
from sklearn.metrics import roc_auc_score

from steps import build_dataset, ingest, register, warehouse
from steps.cli.errors import DatabaseUnavailable
from steps.cli.settings import MODEL_NAME
from steps.registry import loaded_version
from steps.registry.examination import duplicates
from steps.runs.entry_points import arguments
from steps.training.split import split
from tests.conftest import JANUARY
from tests.steps.states.database import empty, execute, last_run
from tests.steps.states.lookalikes import lookalike
from tests.steps.states.trainings import model_folder, pipeline, rows, train_quickly

SMALL = {"min_auc": "0.5", "min_users": "50"}  # for 300 made-up users and 8 trees; a real month has higher limits
POINT = {"rule": "not_worse", "margin": "1"}  # accepts any interval: for tests that are not about the comparison


@pytest.fixture(scope="module")
def runs(trainings: dict[str, str], tracking: str, sample_months: Path) -> dict[str, str]:
    """Trainings by name: worse and better on churn_v1, contract on churn_v2; January is loaded as they read it."""
    empty()
    ingest.main(arguments("ingest", {"month_dir": str(sample_months / "month_000"), "as_of": str(JANUARY)}))
    build_dataset.main(arguments("build_dataset", {"as_of": str(JANUARY), "feature_service": "churn_v2"}))
    contract = train_quickly("hist_gradient_boosting", tracking, feature_service="churn_v2")
    worse, *_, better = sorted(trainings.values(), key=auc_of)
    return {"worse": worse, "better": better, "contract": contract}


def auc_of(run_id: str) -> float:
    return float(mlflow.get_run(run_id).data.metrics["AUC"])


Register = Callable[..., ModelVersion]


@pytest.fixture
def registered(runs: dict[str, str], empty_registry: None, tracking: str) -> Register:
    """Registers a training, by name or run id, and returns the version made."""

    def run(name: str, **values: str) -> ModelVersion:
        register.main(arguments("register", {"run_id": runs.get(name, name), **SMALL, **values}))
        ended = last_run("register", tracking)
        assert ended.info.status == "FINISHED"
        return MlflowClient().get_model_version(MODEL_NAME, ended.data.tags["model_version"])

    return run


def in_production() -> list[str]:
    return [str(version.version) for version in all_versions() if version.current_stage == "Production"]


def test_a_better_candidate_is_promoted_with_both_figures_as_tags(
    registered: Register, runs: dict[str, str], tracking: str, capsys: pytest.CaptureFixture[str]
) -> None:
    registered("worse")
    version = registered("better", min_gain="-0.2")  # 75 users: the interval is wide
    assert in_production() == [str(version.version)] == ["2"]
    figures = {name: float(version.tags[f"gate_{name}"]) for name in FIGURES}
    assert (figures["auc_candidate"], figures["auc_production"]) == (auc_of(runs["better"]), auc_of(runs["worse"]))
    assert figures["auc_gain"] == figures["auc_candidate"] - figures["auc_production"]
    assert figures["auc_gain_low"] < figures["auc_gain"] < figures["auc_gain_high"]
    assert (version.tags["gate"], version.tags["gate_production_version"]) == ("passed", "1")
    ended = last_run("register", tracking).data
    assert {name: ended.metrics[name] for name in FIGURES} == figures
    assert (ended.tags["gate"], ended.tags["gate_rule"], ended.tags["gate_months"]) == (
        "passed",
        "better",
        "2024-01-31",
    )
    assert (
        "is in Production; version 1 archived. The gate passed it: rule better: the lower end of"
        in capsys.readouterr().out
    )


FIGURES = ("auc_candidate", "auc_production", "auc_gain", "auc_gain_low", "auc_gain_high")


def test_a_worse_candidate_is_refused_by_a_finished_run_with_the_reason(
    registered: Register, runs: dict[str, str], tracking: str, capsys: pytest.CaptureFixture[str]
) -> None:
    registered("better")
    capsys.readouterr()
    version = registered("worse")
    assert (in_production(), version.current_stage) == (["1"], "None")
    assert version.tags["gate"] == last_run("register", tracking).data.tags["gate"] == "refused"
    low, high = (float(version.tags[f"gate_auc_gain_{end}"]) for end in ("low", "high"))
    assert version.tags["gate_reason"] == (
        f"rule better: the lower end of the gain's interval, {low:+.4f}, is not above min_gain 0"
    )
    out = capsys.readouterr().out
    assert f"[REFUSED] {MODEL_NAME} version 2 from run {runs['worse']} stays out of Production." in out
    assert f"AUC {auc_of(runs['worse']):.4f} against {auc_of(runs['better']):.4f} of version 1 in Production" in out
    assert f"(95% interval {low:+.4f} to {high:+.4f})" in out
    assert "-P force=true" in out


def test_a_refused_version_does_not_move_the_alias(registered: Register) -> None:
    registered("better")
    registered("worse")
    assert str(MlflowClient().get_model_version_by_alias(MODEL_NAME, "Production").version) == "1"


def test_registering_a_training_again_makes_no_version(registered: Register) -> None:
    registered("better")
    again = registered("better")
    assert (str(again.version), in_production(), len(all_versions())) == ("1", ["1"], 1)


def test_a_duplicate_of_the_version_in_production_gets_no_version(
    registered: Register, runs: dict[str, str], tracking: str, capsys: pytest.CaptureFixture[str]
) -> None:
    registered("better")
    duplicate = train_quickly(mlflow.get_run(runs["better"]).data.params["model"], tracking)
    assert duplicate != runs["better"]
    capsys.readouterr()
    registered(duplicate, force="true")
    assert (len(all_versions()), in_production()) == (1, ["1"])
    assert (
        f"[OK] Run {duplicate} is a duplicate of version 1 of {MODEL_NAME} in Production: same data, code and "
        "parameters; no new version is made."
    ) in capsys.readouterr().out
    assert last_run("register", tracking).data.tags["duplicate_of"] == "1"


@pytest.mark.parametrize(
    "changed",
    [
        {"dataset_sha256": "0" * 64},
        {"streamflow.code_sha256": "0"},
        {"streamflow.lock_sha256": "0"},
        {"streamflow.python": "3.11.0"},
    ],
)
def test_other_data_code_or_packages_make_no_duplicate(runs: dict[str, str], changed: dict[str, str]) -> None:
    original, copy = (mlflow.get_run(run_id) for run_id in (runs["better"], lookalike(runs["better"])))
    other = mlflow.get_run(lookalike(runs["better"], tags=changed))
    assert (duplicates.is_duplicate(original, copy), duplicates.is_duplicate(original, other)) == (True, False)


@pytest.mark.parametrize(
    ("params", "same"),
    [
        ({"learning_rate": "5e-2"}, True),  # another spelling of the number
        ({"C": "7", "n_estimators": "5"}, True),  # not a hyperparameter of this model
        ({"learning_rate": "0.06"}, False),
        ({"split": "random"}, False),
        ({"threshold": "0.4"}, False),  # the other training has no such parameter
    ],
)
def test_parameters_that_change_the_model_make_no_duplicate(params: dict[str, str], same: bool) -> None:
    default = {"model": "hist_gradient_boosting", "max_iter": "8", "learning_rate": "0.05", "split": "user"}
    assert duplicates.is_duplicate(training_with(default), training_with({**default, **params})) == same


def training_with(params: dict[str, str]) -> Run:
    tags = [RunTag(name, "same") for name in duplicates.COMPARED_TAGS]
    return Run(RunInfo(*["0"] * 7), RunData(params=[Param(*param) for param in params.items()], tags=tags))


def all_versions() -> list[ModelVersion]:
    return list(MlflowClient().search_model_versions(f"name='{MODEL_NAME}'"))


def test_force_promotes_a_worse_version_as_forced(
    registered: Register, tracking: str, capsys: pytest.CaptureFixture[str]
) -> None:
    registered("better")
    version = registered("worse", force="true")
    assert in_production() == ["2"]
    assert version.tags["gate"] == last_run("register", tracking).data.tags["gate"] == "forced"
    assert "is not above min_gain 0" in version.tags["gate_reason"]
    assert "Forced past the gate: rule better" in capsys.readouterr().out


def test_a_first_version_needs_min_auc_alone(registered: Register) -> None:
    refused = registered("better", min_auc="1.0")
    assert (in_production(), refused.tags["gate"]) == ([], "refused")
    assert refused.tags["gate_reason"].endswith("is below min_auc 1")
    passed = registered("worse")
    assert (in_production(), passed.tags["gate"]) == (["2"], "passed")
    assert "gate_production_version" not in passed.tags


@pytest.mark.parametrize("stage", ["None", "Staging"])
def test_the_gate_does_not_guard_other_stages(registered: Register, stage: str) -> None:
    registered("better")
    version = registered("worse", stage=stage)
    assert (version.current_stage, version.tags["gate"], in_production()) == (stage, "refused", ["1"])


def test_of_two_in_production_the_higher_is_compared_and_both_are_archived(registered: Register) -> None:
    registered("worse")
    registered("better", **POINT)
    MlflowClient().transition_model_version_stage(MODEL_NAME, "1", "Production", archive_existing_versions=False)
    version = registered("contract", **POINT)
    assert version.tags["gate_production_version"] == "2"
    assert in_production() == ["3"]


@pytest.mark.parametrize(("candidate", "production"), [("better", "contract"), ("contract", "better")])
def test_the_old_version_is_scored_on_the_same_users_through_its_own_features(
    registered: Register, runs: dict[str, str], candidate: str, production: str
) -> None:
    registered(production)
    version = registered(candidate, force="true")
    held_out = split(rows(runs[candidate]), "user").validation
    own = rows(runs[production]).set_index("user_id").loc[held_out["user_id"]]
    features = own.drop(columns="churn_label")
    expected = roc_auc_score(held_out["churn_label"], pipeline(runs[production]).predict_proba(features)[:, 1])
    assert float(version.tags["gate_auc_production"]) == expected
    assert float(version.tags["gate_rows_compared"]) == len(held_out) == 75


def test_a_month_that_has_changed_since_prevents_a_comparison(registered: Register, sample_months: Path) -> None:
    registered("contract")
    execute("UPDATE support_agg_90d_snapshots SET support_tickets_90d = support_tickets_90d + 1")
    try:
        version = registered("better")
    finally:
        ingest.main(arguments("ingest", {"month_dir": str(sample_months / "month_000"), "as_of": str(JANUARY)}))
    assert (in_production(), version.tags["gate"]) == (["1"], "refused")
    assert "2024-01-31 has changed since its training set was built" in version.tags["gate_reason"]


def test_an_emptied_warehouse_prevents_a_comparison_without_a_crash(registered: Register, sample_months: Path) -> None:
    registered("contract")
    empty()
    try:
        version = registered("better")
    finally:
        ingest.main(arguments("ingest", {"month_dir": str(sample_months / "month_000"), "as_of": str(JANUARY)}))
    assert (in_production(), version.tags["gate"]) == (["1"], "refused")
    assert "has changed since" in version.tags["gate_reason"]


def test_a_damaged_version_in_production_is_replaced_by_force_only(registered: Register, runs: dict[str, str]) -> None:
    damaged = lookalike(runs["worse"])
    registered(damaged)
    damage(damaged)
    refused = registered("better")
    assert (in_production(), refused.tags["gate"]) == (["1"], "refused")
    assert "no comparison with Production: version 1 cannot be loaded: " in refused.tags["gate_reason"]
    forced = registered("worse", force="true")  # a duplicate of a damaged version gets a version
    assert (in_production(), forced.tags["gate"]) == (["3"], "forced")


def no_number(source: str) -> str:
    return source.replace("probability[:, 1]", "probability[:, 1] + float('nan')")


def test_a_version_in_production_that_answers_nan_is_named(registered: Register, runs: dict[str, str]) -> None:
    registered(lookalike(runs["worse"], source=no_number), stage="None")
    MlflowClient().transition_model_version_stage(MODEL_NAME, "1", "Production")
    version = registered("better")
    assert (in_production(), version.tags["gate"]) == (["1"], "refused")
    assert version.tags["gate_reason"] == (
        "no comparison with Production: version 1 answers no probability on 75 of 75 rows"
    )


def test_a_training_on_the_second_list_encodes_both_text_columns(runs: dict[str, str]) -> None:
    (_, one_hot, columns), _rest = pipeline(runs["contract"])["encode"].transformers_
    assert columns == ["net_service", "contract_type"]
    assert [list(values) for values in one_hot.categories_] == [
        ["DSL", "Fiber optic", "No"],
        ["Month-to-month", "One year", "Two year"],
    ]


def test_a_version_is_tagged_with_the_answer_to_its_own_example(registered: Register, runs: dict[str, str]) -> None:
    version = registered("better")
    example = loaded_version.load(version.version).example
    (expected,) = pipeline(runs["better"]).predict_proba(example)[:, 1].tolist()
    assert version.tags["example_probability"] == repr(expected)


def damage(run_id: str) -> None:
    (path,) = model_folder(run_id).rglob("pipeline.skops")
    path.write_bytes(path.read_bytes()[:100])


def test_a_candidate_that_cannot_be_loaded_is_refused_despite_force(registered: Register, runs: dict[str, str]) -> None:
    registered("worse")
    damaged = lookalike(runs["better"])
    damage(damaged)
    version = registered(damaged, force="true")
    assert (in_production(), version.tags["gate"]) == (["1"], "refused")
    assert "version 2 cannot be loaded: " in version.tags["gate_reason"]


def reversed_types(types: dict[str, str]) -> dict[str, str]:
    return dict(reversed(types.items()))


def with_a_whole_fee(types: dict[str, str]) -> dict[str, str]:
    return {**types, "monthly_fee": "Int64"}


def without_the_fee(types: dict[str, str]) -> dict[str, str]:
    return {name: kind for name, kind in types.items() if name != "monthly_fee"}


def a_little_more(source: str) -> str:
    """Changes the last bit of about one probability in ten."""
    return source.replace("probability[:, 1]", "probability[:, 1] * (1 + 2e-16 * (probability[:, 1] > 0.4))")


def another_class(source: str) -> str:
    return source.replace("(leaving > self.threshold)", "(leaving <= self.threshold)")


def raising(source: str) -> str:
    return source.replace("        del context\n", "        raise RuntimeError('out of order')\n")


def another_name(source: str) -> str:
    return source.replace('"model_version": None if version is None else str(version)', '"model_version": "77"')


def contributing_more(source: str) -> str:
    wrong = "_wrong = lambda model, rows: model.reasons.contributions(model.encoded(rows)) + 2e-9"
    return source.replace("np.asarray(self.reasons.contributions(self.encoded(rows)))", "_wrong(self, rows)").replace(
        "mlflow.models.set_model(", f"{wrong}\nmlflow.models.set_model("
    )


BLOCKING_ISSUES: dict[str, tuple[dict[str, Any], str]] = {
    "no signature": ({"types": None, "example": False}, "the model has no signature"),
    "no example": ({"example": False}, "the model has no input example"),
    "another order": ({"types": reversed_types}, "not the features of churn_v1: in another order"),
    "another type": ({"types": with_a_whole_fee, "example": False}, "missing: monthly_fee; unexpected: monthly_fee"),
    "one too few": ({"types": without_the_fee}, "missing: monthly_fee; unexpected: none"),
    "another probability": ({"source": a_little_more}, "the served prediction differs from the pipeline's on"),
    "no number": ({"source": no_number}, "version 1 answers no probability on 75 of 75 rows"),
    "another class": ({"source": another_class}, "differs from the pipeline's on 75 of 75 validation rows"),
    "an error": ({"source": raising}, "version 1 cannot score these rows: RuntimeError: out of order"),
    "another version": ({"source": another_name}, "its answers name version 77"),
    "other reasons": ({"source": contributing_more}, "the reasons do not add up to the score on 75 of 75 validation"),
    "another service": ({"tags": {"feature_service": "churn_v2"}}, "names FeatureService 'churn_v2', its dataset"),
    "another dataset": ({"tags": {"dataset_sha256": "0" * 64}}, "the training names dataset sha256 0000"),
    "no dataset": ({"tags": {"dataset_run_id": "f" * 32}}, f"the dataset of run {'f' * 32} cannot be read"),
}


def test_answers_that_depend_on_the_batch_are_a_blocking_issue(registered: Register, trainings: dict[str, str]) -> None:
    """As of a linear model whose copied code is from before each row had an answer of its own."""

    def of_the_batch(source: str) -> str:
        return source.replace('fast["row_by_row"](pipeline)', "pipeline").replace(
            "if self.fast_path is not None", "if False"
        )

    version = registered(lookalike(trainings["logistic_regression"], source=of_the_batch), force="true")
    assert (in_production(), version.tags["gate"]) == ([], "refused")
    assert "the served prediction differs from the pipeline's on" in version.tags["gate_reason"]
    assert version.tags["gate_reason"].endswith("Train the model again")


@pytest.mark.filterwarnings("ignore:.*An input example was not provided")  # the lookalikes have none
@pytest.mark.parametrize(("changes", "reason"), BLOCKING_ISSUES.values(), ids=BLOCKING_ISSUES)
def test_a_version_with_a_blocking_issue_is_refused_despite_force(
    registered: Register,
    runs: dict[str, str],
    changes: dict[str, Any],
    reason: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    version = registered(lookalike(runs["better"], **changes), force="true")
    assert (in_production(), version.tags["gate"]) == ([], "refused")
    assert reason in version.tags["gate_reason"]
    assert "This cannot be forced." in capsys.readouterr().out


def test_a_damaged_dataset_is_a_blocking_issue(registered: Register, runs: dict[str, str]) -> None:
    run = mlflow.get_run(mlflow.get_run(runs["better"]).data.tags["dataset_run_id"])
    path = Path(run.info.artifact_uri.removeprefix("file://")) / "dataset.parquet"
    whole = path.read_bytes()
    frame = pd.read_parquet(path)
    frame.assign(monthly_fee=frame["monthly_fee"] + 1).to_parquet(path, index=False)
    try:
        version = registered("better", force="true")
    finally:
        path.write_bytes(whole)
    assert version.tags["gate"] == "refused"
    assert f"dataset.parquet of run {run.info.run_id} has sha256" in version.tags["gate_reason"]


def test_two_registers_at_once_are_compared_one_after_the_other(registered: Register, runs: dict[str, str]) -> None:
    registered("worse")
    commands = [arguments("register", {"run_id": runs[name], **SMALL, **POINT}) for name in ("better", "contract")]
    with ThreadPoolExecutor(2) as threads:
        for ended in [threads.submit(register.main, argv) for argv in commands]:
            ended.result(timeout=120)
    versions = [MlflowClient().get_model_version(MODEL_NAME, number) for number in ("2", "3")]
    compared_with = {str(v.version): v.tags["gate_production_version"] for v in versions}
    assert compared_with == {"2": "1", "3": "2"}
    assert in_production() == ["3"]


def test_one_training_registered_twice_at_once_is_one_version(registered: Register, runs: dict[str, str]) -> None:
    argv = arguments("register", {"run_id": runs["better"], **SMALL})
    with ThreadPoolExecutor(2) as threads:
        for ended in [threads.submit(register.main, argv) for _ in range(2)]:
            ended.result(timeout=120)
    assert (len(all_versions()), in_production()) == (1, ["1"])


def test_a_promotion_that_never_ends_is_an_error_after_the_timeout(
    registered: Register, runs: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(warehouse.connection, "LOCK_TIMEOUT_MS", 200)
    with warehouse.promotion_lock(), pytest.raises(DatabaseUnavailable, match="another promotion is under way"):
        registered("better")
    assert in_production() == []
