"""What holds before a version may serve: its seal, the gate's verdict in it, and its files. With the public key alone:
the watcher cannot sign."""

from pathlib import Path

from rollout.errors import Refused, first_line
from rollout.registry import TargetVersion
from rollout.settings import Settings
from sealing import keys, statement
from sealing.files import SealBroken
from sealing.statement import NO_SEAL, Statement
from steps import warehouse
from steps.warehouse import SealedObject


def seal_of(settings: Settings, target: TargetVersion) -> Statement:
    """The newest seal of the version, or of its model. Raises Refused."""
    about = SealedObject(settings.model_name, target.version, target.created_ms, target.model_id)
    try:
        envelope = warehouse.newest_seal(about)
    except Exception as error:
        raise Refused(f"its seal cannot be read: {first_line(error)}") from error
    if envelope is None:  # before the key: where nothing was ever sealed, there is none
        raise Refused(NO_SEAL.format(run_id=target.run_id or "…"))
    try:
        seal = statement.verify(envelope, keys.load_public(settings.seal_key))
        seal.require_identity(settings.model_name, target.version, target.created_ms, target.model_id)
    except keys.KeyUnusable as error:
        raise Refused(f"its seal cannot be verified: {error}") from error
    except SealBroken as error:
        raise Refused(str(error)) from error
    return seal


def require_verdict(seal: Statement) -> None:
    """Raises Refused unless the gate passed the version, or it was forced past the gate."""
    if seal.verdict is None:
        raise Refused("the gate has not examined it")
    if not seal.verdict.may_serve:
        raise Refused(f"the gate refused it: {seal.verdict.reason}")


def require_files(seal: Statement, folder: Path) -> None:
    """Raises Refused with the first file that is not as sealed."""
    try:
        seal.require_files(folder)
    except SealBroken as error:
        raise Refused(str(error)) from error
