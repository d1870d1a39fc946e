"""A seal: an in-toto statement about a model in a DSSE envelope, signed with Ed25519.

https://in-toto.io/Statement/v1, https://github.com/secure-systems-lab/dsse
"""

import base64
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from sealing import files
from sealing.files import SealBroken
from sealing.keys import key_id

STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
PREDICATE_TYPE = "urn:streamflow:model-seal:v1"
PAYLOAD_TYPE = "application/vnd.in-toto+json"
NO_SEAL = (
    "it has no seal: it was logged without `train`, or before seals. Train it again, or accept its files as they are "
    "now: mlflow run . -e register -P run_id={run_id} -P accept_unsealed=true"
)
SERVABLE = ("passed", "forced")  # verdicts of the gate with which a version may serve


@dataclass(frozen=True)
class Verdict:
    """The gate's."""

    status: str  # passed, forced or refused
    reason: str
    lasting: str  # the last status except lost comparisons: a version that once passed may return to Production

    @property
    def may_serve(self) -> bool:
        return self.lasting in SERVABLE


@dataclass(frozen=True)
class Environment:
    """As installed when the model was logged."""

    python: str
    lock_sha256: str
    packages_sha256: str  # of the lines name==version of the lock's packages as installed


@dataclass(frozen=True)
class Statement:
    """A model's files and where they come from; of a version also its number and the verdict."""

    files: Mapping[str, str]  # sha256 by path
    model: str
    model_id: str | None  # of the logged model
    run_id: str | None
    feature_service: str | None
    dataset_sha256: str | None
    environment: Environment
    sealed_at: str
    version: str | None = None  # None: the model as logged, before it has a version
    version_created_ms: int | None = None  # numbers are reused once a registered model is deleted
    verdict: Verdict | None = None
    example_probability: float | None = None  # its answer to its own input example

    def require_identity(self, model: str, version: str, created_ms: int, model_id: str | None) -> None:
        """Raises SealBroken unless the statement is about this version, or about its model as logged."""
        of_version = (self.version, self.version_created_ms) == (version, created_ms)
        of_model = (self.version, self.version_created_ms) == (None, None) and model_id is not None
        if self.model != model or self.model_id != model_id or not (of_version or of_model):
            raise SealBroken(f"its seal is about version {self.version} of {self.model}, model {self.model_id}")

    def require_files(self, folder: Path) -> None:
        """Raises SealBroken with the first file that is not as sealed."""
        files.compare(self.files, folder)
        if self.version is not None:
            files.require_meta(folder, self.model, self.version)


def sign(statement: Statement, key: Ed25519PrivateKey) -> str:
    """The envelope, as JSON."""
    predicate = asdict(statement)
    subject = [{"name": name, "digest": {"sha256": sha256}} for name, sha256 in predicate.pop("files").items()]
    content = {
        "_type": STATEMENT_TYPE, "subject": subject, "predicateType": PREDICATE_TYPE, "predicate": predicate,
    }  # fmt: skip
    payload = json.dumps(content, sort_keys=True, separators=(",", ":")).encode()
    signature = {"keyid": key_id(key.public_key()), "sig": _text(key.sign(_signed(PAYLOAD_TYPE, payload)))}
    return json.dumps({"payload": _text(payload), "payloadType": PAYLOAD_TYPE, "signatures": [signature]})


def verify(envelope: str, key: Ed25519PublicKey) -> Statement:
    """Raises SealBroken unless the envelope holds a statement that this key's owner signed."""
    try:
        content = json.loads(envelope)
        kind, payload = content["payloadType"], base64.b64decode(content["payload"], validate=True)
        [signature] = content["signatures"]
        key.verify(base64.b64decode(signature["sig"], validate=True), _signed(kind, payload))
    except InvalidSignature as error:
        raise SealBroken(f"its seal was not signed with key {key_id(key)}") from error
    except (ValueError, KeyError, TypeError) as error:
        raise SealBroken("its seal is not a signed envelope") from error
    try:
        return _parsed(kind, json.loads(payload))
    except (ValueError, KeyError, TypeError) as error:
        raise SealBroken("its seal holds no statement that this version of the code knows") from error


def _parsed(kind: str, content: Mapping[str, Any]) -> Statement:
    if (kind, content["_type"], content["predicateType"]) != (PAYLOAD_TYPE, STATEMENT_TYPE, PREDICATE_TYPE):
        raise ValueError(content["predicateType"])
    predicate = dict(content["predicate"])
    verdict, environment = predicate.pop("verdict"), Environment(**predicate.pop("environment"))
    sealed = {subject["name"]: subject["digest"]["sha256"] for subject in content["subject"]}
    return Statement(sealed, environment=environment, verdict=Verdict(**verdict) if verdict else None, **predicate)


def _signed(kind: str, payload: bytes) -> bytes:
    """DSSE's pre-authentication encoding: a signature holds for this kind of payload only."""
    return b"DSSEv1 %d %b %d %b" % (len(kind.encode()), kind.encode(), len(payload), payload)


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()
