"""Seals of models and versions: written when a model is logged and when the gate has decided, checked before anything
of a version is loaded. They are kept in PostgreSQL, which MLflow's artifact API does not reach."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import mlflow
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from mlflow.entities.model_registry import ModelVersion
from mlflow.tracking import MlflowClient

from configuration import names
from sealing import files, keys, statement
from sealing.files import SealBroken
from sealing.statement import NO_SEAL, Environment, Statement, Verdict
from steps import warehouse
from steps.cli.disk import disk_full
from steps.cli.errors import SealKeyUnusable, UnusableVersion
from steps.cli.settings import MODEL_NAME, PROJECT_ROOT, Settings
from steps.registry import versions
from steps.runs import environment, search, tracking
from steps.warehouse import SealedObject

SEAL_TAG = "seal"


def require_key() -> Ed25519PrivateKey:
    """The private key, which is made where it is missing. Raises SealKeyUnusable."""
    try:
        return keys.make_pair(Settings.from_env().private_seal_key)
    except keys.KeyUnusable as error:
        raise SealKeyUnusable(str(error)) from error


def seal_model(
    model_id: str, run_id: str, feature_service: str, dataset_sha256: str, check: Callable[[Path], None]
) -> None:
    """Seals the logged model's files as they are stored, once `check` finds them as they were logged."""
    with downloaded(f"models:/{model_id}") as folder:
        check(folder)
        sealed = files.digests(folder)
    source = (model_id, run_id, feature_service, dataset_sha256)
    _record(Statement(sealed, MODEL_NAME, *source, _environment(), _now()))


def seal_verdict(version: ModelVersion, verdict: Verdict, example_probability: float | None) -> None:
    """Seals the files that the version was sealed with before, now with the verdict. A version without a seal stays
    without."""
    before = of_version(version)
    if before is not None:
        _seal_version(version, replace(before, verdict=verdict, example_probability=example_probability))


def accept(version: ModelVersion) -> None:
    """Seals a version that has no seal, with its files as they are now. Raises UnusableVersion."""
    if of_version(version) is not None:
        return
    number, training = str(version.version), versions.training_of(version)
    try:
        with downloaded(f"models:/{MODEL_NAME}/{number}") as folder:
            sealed = files.digests(folder)
    except SealBroken as error:
        raise UnusableVersion(f"version {number} cannot be sealed: {error}") from error
    tags = training.data.tags if training else {}
    run_id = training.info.run_id if training else None
    facts = (run_id, tags.get(names.FEATURE_SERVICE_TAG), tags.get(names.DATASET_SHA256_TAG))
    _seal_version(version, Statement(sealed, MODEL_NAME, versions.model_id(version), *facts, _environment(), _now()))


def of_version(version: ModelVersion) -> Statement | None:
    """What the newest seal of the version, or else of its model, says; None when neither has one.

    Raises UnusableVersion for a seal that was not signed with our key, or is about another version.
    """
    envelope = warehouse.newest_seal(_sealed_object(version))
    if envelope is None:
        return None
    number, key = str(version.version), require_key().public_key()
    try:
        sealed = statement.verify(envelope, key)
        sealed.require_identity(MODEL_NAME, number, version.creation_timestamp, versions.model_id(version))
    except SealBroken as error:
        raise UnusableVersion(f"version {number} cannot be loaded: {error}") from error
    return sealed


def require(version: ModelVersion, folder: Path) -> Statement:
    """The version's statement, if the folder holds the sealed files and no others. Raises UnusableVersion."""
    sealed, number = of_version(version), str(version.version)
    if sealed is None:
        run_id = version.run_id or "…"
        raise UnusableVersion(f"version {number} cannot be loaded: {NO_SEAL.format(run_id=run_id)}")
    try:
        sealed.require_files(folder)
    except SealBroken as error:
        raise UnusableVersion(f"version {number} cannot be loaded: {error}") from error
    return sealed


def require_stored(version: ModelVersion) -> Statement:
    """As require, for the files that MLflow stores now."""
    with downloaded(f"models:/{MODEL_NAME}/{version.version}") as folder:
        return require(version, folder)


@contextmanager
def downloaded(uri: str) -> Iterator[Path]:
    """A copy of the model's files, without bytecode, for the block.

    Raises UnusableVersion; TrackingUnavailable when MLflow does not answer, DiskFull when there is no room.
    """
    with tracking.scratch_folder() as scratch:
        try:
            folder = Path(mlflow.artifacts.download_artifacts(uri, dst_path=str(scratch)))
        except Exception as error:
            if full := disk_full(error):
                raise full from error
            # raises if MLflow does not answer: then the version may be intact
            search.look_up(lambda: MlflowClient().search_registered_models(max_results=1))
            name = uri.removeprefix(f"models:/{MODEL_NAME}/")
            raise UnusableVersion(f"version {name} cannot be loaded: {search.first_line(error)}") from error
        files.remove_bytecode(folder)
        yield folder


def _seal_version(version: ModelVersion, sealed: Statement) -> None:
    number, created = str(version.version), version.creation_timestamp
    envelope = _record(replace(sealed, version=number, version_created_ms=created, sealed_at=_now()))
    versions.tag(number, {SEAL_TAG: envelope})


def _record(sealed: Statement) -> str:
    envelope = statement.sign(sealed, require_key())
    warehouse.apply_schema()
    about = SealedObject(sealed.model, sealed.version, sealed.version_created_ms, sealed.model_id)
    warehouse.record_seal(about, envelope)
    return envelope


def _sealed_object(version: ModelVersion) -> SealedObject:
    return SealedObject(MODEL_NAME, str(version.version), version.creation_timestamp, versions.model_id(version))


def _environment() -> Environment:
    lock = PROJECT_ROOT / "requirements.txt"
    code = tracking.code_version()
    return Environment(code[tracking.PYTHON_TAG], code[tracking.LOCK_TAG], environment.installed_sha256(lock))


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
