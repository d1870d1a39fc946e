"""A statement comes back from its envelope only with the right key, and no byte of the envelope can be changed."""

import base64
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from sealing import statement
from sealing.files import SealBroken
from sealing.statement import Statement, Verdict
from tests.sealing.models import make_model, statement_of

KEY, OTHER = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return make_model(tmp_path / "model")


@pytest.fixture
def stated(model: Path) -> Statement:
    return statement_of(model)


def test_the_statement_comes_back(stated: Statement) -> None:
    assert statement.verify(statement.sign(stated, KEY), KEY.public_key()) == stated


def test_a_model_without_version_or_verdict_comes_back(stated: Statement) -> None:
    of_model = replace(stated, version=None, version_created_ms=None, verdict=None, example_probability=None)
    assert statement.verify(statement.sign(of_model, KEY), KEY.public_key()) == of_model


def test_the_envelope_is_dsse_around_in_toto(stated: Statement) -> None:
    envelope = json.loads(statement.sign(stated, KEY))
    payload = json.loads(base64.b64decode(envelope["payload"]))
    assert envelope["payloadType"] == "application/vnd.in-toto+json"
    assert (payload["_type"], sorted(payload)) == (
        "https://in-toto.io/Statement/v1",
        ["_type", "predicate", "predicateType", "subject"],
    )
    assert {subject["name"]: subject["digest"]["sha256"] for subject in payload["subject"]} == stated.files


def test_another_key_is_refused(stated: Statement) -> None:
    with pytest.raises(SealBroken, match=r"was not signed with key [0-9a-f]{16}"):
        statement.verify(statement.sign(stated, OTHER), KEY.public_key())


def test_no_byte_of_the_payload_or_the_signature_can_be_changed(stated: Statement) -> None:
    envelope = json.loads(statement.sign(stated, KEY))
    [signature] = envelope["signatures"]
    for field, holder in (("payload", envelope), ("sig", signature)):
        whole = base64.b64decode(holder[field])
        for position in range(len(whole)):
            changed = bytearray(whole)
            changed[position] ^= 1
            holder[field] = base64.b64encode(changed).decode()
            with pytest.raises(SealBroken):
                statement.verify(json.dumps(envelope), KEY.public_key())
        holder[field] = base64.b64encode(whole).decode()
    assert statement.verify(json.dumps(envelope), KEY.public_key()) == stated


def signed(content: Any, kind: str = "application/vnd.in-toto+json") -> str:
    """An envelope of anything, rightly signed."""
    payload = json.dumps(content).encode()
    signature = KEY.sign(b"DSSEv1 %d %b %d %b" % (len(kind), kind.encode(), len(payload), payload))
    texts = [base64.b64encode(part).decode() for part in (payload, signature)]
    return json.dumps({"payload": texts[0], "payloadType": kind, "signatures": [{"keyid": "", "sig": texts[1]}]})


def content_of(stated: Statement) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(base64.b64decode(json.loads(statement.sign(stated, KEY))["payload"]))
    return content


CHANGES: dict[str, Callable[[dict[str, Any]], Any]] = {
    "another type": lambda content: {**content, "_type": "https://in-toto.io/Statement/v0.1"},
    "another predicate": lambda content: {**content, "predicateType": "urn:other"},
    "a field more": lambda content: {**content, "predicate": {**content["predicate"], "more": 1}},
    "no predicate": lambda content: {**content, "predicate": None},
    "a subject without digest": lambda content: {**content, "subject": [{"name": "MLmodel"}]},
    "no object": lambda _content: 3,
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_signed_payload_of_another_shape_is_no_statement(stated: Statement, change: Callable[..., Any]) -> None:
    assert statement.verify(signed(content_of(stated)), KEY.public_key()) == stated
    with pytest.raises(SealBroken, match="holds no statement"):
        statement.verify(signed(change(content_of(stated))), KEY.public_key())


def test_a_signature_holds_for_its_kind_of_payload_only(stated: Statement) -> None:
    with pytest.raises(SealBroken, match="holds no statement"):
        statement.verify(signed(content_of(stated), "text/plain"), KEY.public_key())
    envelope = json.loads(statement.sign(stated, KEY))
    with pytest.raises(SealBroken, match="not signed"):
        statement.verify(json.dumps({**envelope, "payloadType": "text/plain"}), KEY.public_key())


@pytest.mark.parametrize("text", ["", "{}", "[]", "null", '{"payloadType": 1, "payload": "?", "signatures": []}'])
def test_another_text_is_no_envelope(text: str) -> None:
    with pytest.raises(SealBroken, match="its seal is not a signed envelope"):
        statement.verify(text, KEY.public_key())


IDENTITIES = {
    "another model": ("other", "3", 1706702400000, "m-1"),
    "another version": ("churn", "4", 1706702400000, "m-1"),
    "a version made anew": ("churn", "3", 1706702400001, "m-1"),
    "another logged model": ("churn", "3", 1706702400000, "m-2"),
    "no logged model": ("churn", "3", 1706702400000, None),
}


@pytest.mark.parametrize("identity", IDENTITIES.values(), ids=IDENTITIES)
def test_a_seal_holds_for_its_version_only(stated: Statement, identity: tuple[str, str, int, str | None]) -> None:
    stated.require_identity("churn", "3", 1706702400000, "m-1")
    with pytest.raises(SealBroken, match="its seal is about version 3 of churn, model m-1"):
        stated.require_identity(*identity)


def test_the_seal_of_a_model_holds_for_each_version_of_it(stated: Statement) -> None:
    of_model = replace(stated, version=None, version_created_ms=None)
    of_model.require_identity("churn", "3", 1706702400000, "m-1")
    of_model.require_identity("churn", "4", 1706702400009, "m-1")
    with pytest.raises(SealBroken):
        of_model.require_identity("churn", "4", 1706702400009, "m-2")


def test_the_files_must_be_the_stated_ones(stated: Statement, model: Path) -> None:
    stated.require_files(model)
    (model / "registered_model_meta").write_text("model_name: churn\nmodel_version: '4'\n")
    with pytest.raises(SealBroken, match="registered_model_meta names "):
        stated.require_files(model)


@pytest.mark.parametrize(
    ("lasting", "serves"), [("passed", True), ("forced", True), ("refused", False), ("Passed", False), ("", False)]
)
def test_only_passed_and_forced_versions_may_serve(lasting: str, serves: bool) -> None:
    assert Verdict("refused", "it lost a comparison", lasting).may_serve is serves
