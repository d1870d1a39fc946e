"""A folder is compared with its sealed digests: each kind of change is named."""

import hashlib
import os
import random
from pathlib import Path

import pytest

from sealing import files
from sealing.files import SealBroken
from tests.sealing.models import make_model


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return make_model(tmp_path / "model")


def test_every_file_has_its_digest(model: Path) -> None:
    digests = files.digests(model)
    assert sorted(digests) == ["MLmodel", "artifacts/pipeline.skops", "served_model.py"]
    assert digests["MLmodel"] == hashlib.sha256(b"the bytes of MLmodel").hexdigest()


def test_an_unchanged_folder_is_as_sealed(model: Path) -> None:
    files.compare(files.digests(model), model)


def test_a_changed_file_is_named_with_both_digests(model: Path) -> None:
    sealed = files.digests(model)
    (model / "served_model.py").write_text("import os")
    changed = hashlib.sha256(b"import os").hexdigest()
    with pytest.raises(SealBroken) as caught:
        files.compare(sealed, model)
    expected = f"served_model.py has sha256 {changed}; it was sealed with sha256 {sealed['served_model.py']}"
    assert str(caught.value) == expected


def test_a_missing_file_is_named(model: Path) -> None:
    sealed = files.digests(model)
    (model / "MLmodel").unlink()
    with pytest.raises(SealBroken, match="MLmodel is missing; it was sealed with sha256 "):
        files.compare(sealed, model)


@pytest.mark.parametrize("name", ["sitecustomize.py", "artifacts/registered_model_meta"])
def test_a_further_file_is_named(model: Path, name: str) -> None:
    sealed = files.digests(model)
    (model / name).touch()
    with pytest.raises(SealBroken, match=f"{name} was not sealed; its sha256 is "):
        files.compare(sealed, model)


@pytest.mark.parametrize("target", ["served_model.py", "/etc/hostname", "nowhere"])
def test_a_link_is_no_file_of_a_model(model: Path, target: str) -> None:
    sealed = files.digests(model)
    (model / "MLmodel").unlink()
    (model / "MLmodel").symlink_to(target)
    with pytest.raises(SealBroken, match="MLmodel is neither a file nor a folder"):
        files.compare(sealed, model)


def test_a_pipe_is_no_file_of_a_model(model: Path) -> None:
    os.mkfifo(model / "pipe")
    with pytest.raises(SealBroken, match="pipe is neither a file nor a folder"):
        files.digests(model)


def test_every_single_byte_counts(model: Path) -> None:
    sealed, dice = files.digests(model), random.Random(15)  # noqa: S311 - not for secrets
    for name in sealed:
        whole = (model / name).read_bytes()
        for position in range(len(whole)):
            changed = bytearray(whole)
            changed[position] ^= dice.randint(1, 255)
            (model / name).write_bytes(changed)
            with pytest.raises(SealBroken, match=f"{name} has sha256 "):
                files.compare(sealed, model)
        (model / name).write_bytes(whole)
    files.compare(sealed, model)


def test_bytecode_is_deleted_from_a_copy_and_links_are_not_followed(model: Path, tmp_path: Path) -> None:
    sealed = files.digests(model)
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "kept").touch()
    for folder in (model, model / "artifacts"):
        (folder / "__pycache__").mkdir()
        (folder / "__pycache__" / "served_model.cpython-311.pyc").touch()
    (model / "__pycache__" / "link").symlink_to(outside)
    files.remove_bytecode(model)
    files.compare(sealed, model)
    (model / "__pycache__").symlink_to(outside)
    files.remove_bytecode(model)
    with pytest.raises(SealBroken, match="__pycache__ is neither a file nor a folder"):
        files.compare(sealed, model)
    assert (outside / "kept").exists()


META = "model_name: churn\nmodel_version: '3'\n"


def test_the_file_that_mlflow_adds_must_name_the_version(model: Path) -> None:
    sealed = files.digests(model)
    (model / "registered_model_meta").write_text(META)
    files.compare(sealed, model)
    files.require_meta(model, "churn", "3")


@pytest.mark.parametrize("text", [META.replace("3", "4"), META.replace("churn", "other"), META + "more: 1\n", "", "]["])
def test_another_identity_in_it_is_refused(model: Path, text: str) -> None:
    (model / "registered_model_meta").write_text(text)
    with pytest.raises(SealBroken, match="registered_model_meta "):
        files.require_meta(model, "churn", "3")
