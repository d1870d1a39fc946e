"""`make sbom` lists every package of the lock, with the hashes of its files, in CycloneDX's format."""

import json
import re
import shlex
import subprocess
from typing import Any

import pytest

from local_stack.settings import ROOT

RECIPE = re.compile(r"^sbom: dev .*\n\t@(.+)$", re.MULTILINE)


@pytest.fixture(scope="module")
def sbom(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What the recipe writes."""
    path = tmp_path_factory.mktemp("sbom") / "sbom.json"
    recipe = RECIPE.search((ROOT / "Makefile").read_text())
    assert recipe
    command = [str(path) if argument == "sbom.json" else argument for argument in shlex.split(recipe[1])]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True, timeout=300)
    return path.read_text()


def errors(text: str) -> Any:
    """What CycloneDX's schema says against it; None for a valid document."""
    from cyclonedx.schema import SchemaVersion  # noqa: PLC0415 - takes a second, which other tests should not wait
    from cyclonedx.validation.json import JsonStrictValidator  # noqa: PLC0415

    version = SchemaVersion.from_version(json.loads(text)["specVersion"])
    return JsonStrictValidator(version).validate_str(text)


def test_it_is_valid_by_the_schema(sbom: str) -> None:
    assert errors(sbom) is None
    assert errors(json.dumps({**json.loads(sbom), "components": "none"})) is not None


def test_it_has_every_package_of_the_lock_with_its_hashes(sbom: str) -> None:
    locked = {}
    for package in re.split(r"\n(?=\S)", (ROOT / "requirements.txt").read_text()):
        name, version = re.findall(r"^([a-z0-9._-]+)[^=]*==([^ ;]+)", package)[0]
        locked[name, version] = set(re.findall(r"sha256:([0-9a-f]{64})", package))
    listed = {}
    for component in json.loads(sbom)["components"]:
        hashes = [item for reference in component["externalReferences"] for item in reference.get("hashes", [])]
        listed[component["name"], component["version"]] = {item["content"] for item in hashes}
    assert listed == locked


def test_the_same_lock_gives_the_same_document(sbom: str) -> None:
    document = json.loads(sbom)
    assert {"serialNumber"} & document.keys() == set()
    assert "timestamp" not in document["metadata"]
    assert document["metadata"]["component"]["name"] == "streamflow"
