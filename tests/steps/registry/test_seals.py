"""Every file of a version is sealed: a changed one is neither loaded by a step nor started by the watcher."""

import os
import random
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
import pytest
from mlflow.tracking import MlflowClient

from local_stack.settings import Settings
from rollout.errors import Refused
from rollout.model_server.launch import Launch
from rollout.registry import target_version
from rollout.settings import load_settings
from sealing import files, keys, statement
from sealing.statement import Environment, Statement
from steps import examine, register, train
from steps.cli.errors import SealKeyUnusable, UnusableVersion
from steps.cli.settings import LABEL, MODEL_NAME
from steps.cli.settings import Settings as StepSettings
from steps.registry import loaded_version, seals, versions
from steps.runs.entry_points import arguments
from steps.training import pipelines
from steps.training.model import logged_model
from tests.steps.states.database import execute, fetch, last_run
from tests.steps.states.lookalikes import lookalike
from tests.steps.states.scores import forget_versions, load_january
from tests.steps.states.seals import judge
from tests.steps.states.serving import in_production
from tests.steps.states.trainings import model_id, quick, train_quickly

CHANGES = int(os.environ.get("CHANGED_BYTES", "36"))  # of one byte each, over all files
LONGEST_S = 0.1  # to verify the 300-tree baseline
ANYTHING_GOES = {"min_auc": "0.1", "min_users": "20", "force": "true"}


@pytest.fixture(scope="module")
def version(trainings: dict[str, str], sample_months: Path) -> str:
    """A version in Production, made by `register`."""
    load_january(sample_months)
    forget_versions()
    register.main(arguments("register", {"run_id": trainings["random_forest"], **ANYTHING_GOES}))
    assert in_production() == ["1"]
    return "1"


@pytest.fixture
def stored(version: str) -> Iterator[Path]:
    """The version's folder in the artifact store, which is as it was after the test."""
    model = mlflow.get_logged_model(versions.model_id(versions.get(version)))
    folder = Path(model.artifact_location.removeprefix("file://"))
    files.remove_bytecode(folder)  # of tests that loaded the model in place
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    yield folder
    for path, whole in before.items():
        path.write_bytes(whole)


@pytest.fixture
def launched(version: str, server: Settings, tmp_path: Path) -> Callable[..., Path]:
    """What a launch of the watcher does before it starts a model server; with these settings."""

    def launch(**changed: str) -> Path:
        settings = load_settings({"FOLDER": str(tmp_path), "SEAL_KEY": str(public_key()), **changed})
        target = target_version(MlflowClient(), MODEL_NAME, "Production")
        assert target is not None
        attempt = Launch(settings, target)
        attempt.server.make_folder()
        try:
            attempt._downloaded()
            return attempt.server.model
        finally:
            attempt.server.end()

    return launch


def public_key() -> Path:
    return StepSettings.from_env().private_seal_key.with_name("public.pem")


def test_a_changed_byte_is_neither_loaded_nor_started(
    version: str, stored: Path, launched: Callable[..., Path]
) -> None:
    dice = random.Random(15)  # noqa: S311 - not for secrets
    paths = sorted(path for path in stored.rglob("*") if path.is_file())
    paths = [path for path in paths if path.name != files.REGISTERED_META]  # MLflow's, where it loads without a copy
    sealed = seals.of_version(versions.get(version))
    assert sealed is not None
    assert [path.relative_to(stored).as_posix() for path in paths] == sorted(sealed.files)
    launched()
    for number in range(CHANGES):
        path = paths[number % len(paths)]
        whole = path.read_bytes()
        position, changed = dice.randrange(len(whole)), bytearray(whole)
        changed[position] ^= dice.randint(1, 255)
        path.write_bytes(changed)
        name = path.relative_to(stored).as_posix()
        with pytest.raises(UnusableVersion) as refused:
            loaded_version.load(version)
        with pytest.raises(Refused) as not_started:
            launched()
        path.write_bytes(whole)
        assert f"{name} has sha256 " in str(refused.value)
        assert str(not_started.value).startswith(f"{name} has sha256 ")
    launched()
    assert loaded_version.load(version).pipeline is not None


def test_bytecode_in_the_artifact_store_is_neither_run_nor_an_alarm(
    version: str, stored: Path, launched: Callable[..., Path]
) -> None:
    """Python writes it there when somebody loads the model in place."""
    code = stored / "__pycache__" / f"served_model.{sys.implementation.cache_tag}.pyc"
    code.parent.mkdir()
    code.write_bytes(b"an attacker's")
    try:
        assert loaded_version.load(version).pipeline is not None
        launched()
        assert seals.require_stored(versions.get(version)).version == version
    finally:
        shutil.rmtree(code.parent)


def test_a_version_is_not_promoted_with_changed_files_and_keeps_its_seal(
    version: str, stored: Path, trainings: dict[str, str], tracking: str
) -> None:
    before = seals.of_version(versions.get(version))
    (stored / "MLmodel").write_text("flavors: {}")
    register.main(arguments("register", {"run_id": trainings["random_forest"], **ANYTHING_GOES}))
    closing = last_run("register", tracking).data.tags["mlflow.note.content"]
    assert "stays out of Production. The gate refused it: version 1 cannot be loaded: MLmodel has sha256 " in closing
    assert "This cannot be forced." in closing
    after = seals.of_version(versions.get(version))
    assert before is not None
    assert after is not None
    assert after.files == before.files


def test_a_refused_version_is_started_only_where_no_gate_is_required(
    version: str, launched: Callable[..., Path]
) -> None:
    judge(version, "refused")
    with pytest.raises(Refused, match="the gate refused it: it was judged by a test"):
        launched()
    launched(REQUIRE_GATE="false")
    judge(version, "refused", lasting="passed")  # it lost a later comparison, and may come back
    launched()
    judge(version, "passed")


def test_without_the_public_key_nothing_is_started(launched: Callable[..., Path], tmp_path: Path) -> None:
    with pytest.raises(Refused, match=f"its seal cannot be verified: The key {tmp_path}/none cannot be read: No such"):
        launched(SEAL_KEY=str(tmp_path / "none"))


def test_a_version_from_before_seals_is_said_to_have_none_where_there_is_no_key_yet(
    launched: Callable[..., Path], tmp_path: Path, server: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGDATABASE", server["MLFLOW_DATABASE"])  # without seals
    with pytest.raises(Refused, match=r"it has no seal: .* accept its files .* -P accept_unsealed=true"):
        launched(SEAL_KEY=str(tmp_path / "none"))


def test_a_pair_made_anew_verifies_no_earlier_seal(launched: Callable[..., Path], tmp_path: Path) -> None:
    keys.make_pair(tmp_path / "anew" / "private.pem")
    with pytest.raises(Refused, match=r"its seal was not signed with key [0-9a-f]{16}"):
        launched(SEAL_KEY=str(tmp_path / "anew" / "public.pem"))


def test_an_examination_that_could_not_seal_its_verdict_is_no_run(
    version: str, tracking: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    examinations = partial(MlflowClient().search_runs, [tracking], "tags.`streamflow.step` = 'examine'")
    before = {run.info.run_id for run in examinations()}
    monkeypatch.setenv("STREAMFLOW_SEAL_KEY", str(tmp_path / "file" / "private.pem"))
    with pytest.raises(SealKeyUnusable, match=r"private\.pem, .*public\.pem cannot be made: "):
        examine.main(arguments("examine", {"version": version}))
    assert {run.info.run_id for run in examinations()} == before


def test_an_examined_version_keeps_its_verdict(version: str, tracking: str) -> None:
    before = versions.get(version).tags["seal"]
    examine.main(arguments("examine", {"version": version}))
    assert versions.get(version).tags["seal"] == before
    assert (
        last_run("examine", tracking)
        .data.tags["mlflow.note.content"]
        .startswith("[OK] streamflow_churn version 1: passed: ")
    )


def test_the_seal_is_a_tag_too(version: str) -> None:
    registered = versions.get(version)
    [(newest,)] = fetch("SELECT envelope FROM seals WHERE version = '1' ORDER BY id DESC LIMIT 1")
    assert registered.tags["seal"] == newest


def test_seals_cannot_be_changed(version: str) -> None:
    for change in ("UPDATE seals SET envelope = '{}'", "DELETE FROM seals", "TRUNCATE seals"):
        with pytest.raises(Exception, match="seals is append-only"):
            execute(change)


def test_a_model_without_a_seal_is_not_loaded_until_it_is_accepted(
    version: str, trainings: dict[str, str], tracking: str
) -> None:
    run_id = lookalike(trainings["random_forest"], params=False, sealed=False)  # else it is a duplicate
    values = {"run_id": run_id, "stage": "Staging", **ANYTHING_GOES}
    register.main(arguments("register", values))
    number = last_run("register", tracking).data.tags["model_version"]
    assert f"-P run_id={run_id} -P accept_unsealed=true" in versions.get(number).tags["gate_reason"]
    with pytest.raises(UnusableVersion, match="it has no seal"):
        loaded_version.load(number)

    register.main(arguments("register", {**values, "accept_unsealed": "true"}))
    sealed = seals.of_version(versions.get(number))
    assert sealed is not None
    assert (sealed.run_id, sealed.feature_service, sealed.version) == (run_id, "churn_v1", number)
    assert loaded_version.load(number).number == number


def test_a_seal_that_is_broken_is_not_accepted_anew(version: str, stored: Path) -> None:
    (stored / "served_model.py").write_text("import os")
    seals.accept(versions.get(version))
    with pytest.raises(UnusableVersion, match=r"served_model\.py has sha256 "):
        loaded_version.load(version)


BETWEEN_UPLOAD_AND_SEAL: dict[str, Callable[[Path], object]] = {
    "the code": lambda folder: (folder / "served_model.py").write_text("import os"),
    "the pipeline": lambda folder: (folder / "artifacts" / "pipeline.skops").write_bytes(b"another"),
    "further code": lambda folder: (folder / "numpy.py").touch(),
    "MLmodel": lambda folder: (folder / "MLmodel").write_text(
        (folder / "MLmodel")
        .read_text()
        .replace("loader_module: mlflow.pyfunc.loaders.code_model", "loader_module: antigravity")
    ),
}


@pytest.mark.parametrize("change", BETWEEN_UPLOAD_AND_SEAL.values(), ids=BETWEEN_UPLOAD_AND_SEAL)
def test_a_model_changed_between_upload_and_seal_is_not_sealed(
    version: str, change: Callable[[Path], object], monkeypatch: pytest.MonkeyPatch
) -> None:
    log, models = logged_model.log, []

    def log_and_change(*arguments: object) -> logged_model.LoggedModel:
        logged = log(*arguments)  # type: ignore[arg-type]
        models.append(logged.model_id)
        location = mlflow.get_logged_model(logged.model_id).artifact_location
        change(Path(location.removeprefix("file://")))
        return logged

    monkeypatch.setattr(logged_model, "log", log_and_change)
    with pytest.raises(UnusableVersion, match="was changed: "):
        train.main(quick("logistic_regression"))
    assert fetch("SELECT count(*) FROM seals WHERE model_id = %s", models) == [(0,)]


def test_a_model_has_no_compiled_code_where_python_writes_it(
    version: str, monkeypatch: pytest.MonkeyPatch, tracking: str
) -> None:
    monkeypatch.setattr(sys, "dont_write_bytecode", False)  # pytest's process may have set it
    sealed_model = model_id(train_quickly("logistic_regression", tracking))
    [(envelope,)] = fetch("SELECT envelope FROM seals WHERE model_id = %s", [sealed_model])
    sealed = statement.verify(envelope, seals.require_key().public_key())
    assert [name for name in sealed.files if "pyc" in name] == []
    assert sys.dont_write_bytecode is False


def test_a_model_that_nobody_changed_is_sealed(trainings: dict[str, str]) -> None:
    for run_id in trainings.values():
        tags = mlflow.get_run(run_id).data.tags
        [(envelope,)] = fetch("SELECT envelope FROM seals WHERE version IS NULL AND model_id = %s", [model_id(run_id)])
        sealed = statement.verify(envelope, seals.require_key().public_key())
        assert (sealed.run_id, sealed.dataset_sha256) == (run_id, tags["dataset_sha256"])
        assert (sealed.version, sealed.verdict, sealed.environment.lock_sha256) == (
            None,
            None,
            tags["streamflow.lock_sha256"],
        )


def test_the_baseline_is_verified_within_a_tenth_of_a_second(tracking: str, tmp_path: Path) -> None:
    """300 trees on 5,282 rows with labels at random, which make larger trees than real ones."""
    dice = np.random.default_rng(7)
    names = [f"feature_{number}" for number in range(14)]
    rows = pd.DataFrame(dice.random((5282, len(names))), columns=names).assign(**{LABEL: dice.random(5282) < 0.27})
    facts = {"types": dict.fromkeys(names, "Float64"), "categorical_cols": [], "feature_service": "churn_v1"}
    baseline = pipelines.Hyperparameters(n_estimators=300, max_iter=1, max_leaf_nodes=2, learning_rate=0.1, C=1.0)
    training = train.Training("random_forest", baseline, "random", "none", 0.5, rows, facts)
    with mlflow.start_run(experiment_id=tracking) as run:
        logged = train.log_pipeline(training, training.fitted(rows), run.info.run_id)
    key = seals.require_key()
    with seals.downloaded(f"models:/{logged.model_id}") as folder:
        about = (MODEL_NAME, logged.model_id, run.info.run_id, "churn_v1", "c" * 64)
        envelope = statement.sign(Statement(files.digests(folder), *about, Environment("", "", ""), ""), key)
        seconds = []
        for _fifth in range(5):
            started = time.process_time()  # of this process: a test beside it does not count
            statement.verify(envelope, key.public_key()).require_files(folder)
            seconds.append(time.process_time() - started)
        size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    print(f"{size / 1e6:.1f} MB verified in {sorted(round(1000 * second, 1) for second in seconds)} ms")
    assert sorted(seconds)[2] <= LONGEST_S
