"""The manifests as the documentation says to use them: copied, filled in, and built by kubectl."""

import base64
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from configuration.model_address import AUTHORITY, CERTIFICATE, KEY
from local_stack.settings import ROOT
from sealing import keys
from tests.rollout import certificates

FOLDER = ROOT / "deploy" / "kubernetes"
KUBECTL = Path(sys.executable).parent / "kubectl"
DIGEST = "sha256:" + "0123456789abcdef" * 4
NAME = "app.kubernetes.io/name"

Object = dict[str, Any]


def fill_in(parent: Path) -> Path:
    """Copies the manifests into a folder of `parent`, with the example as `mine`, filled in. Returns `mine`."""
    folder = parent / "kubernetes"
    shutil.copytree(FOLDER, folder, ignore=shutil.ignore_patterns("mine"))
    mine = folder / "mine"
    shutil.copytree(folder / "example", mine)
    for example in (mine / "secrets").glob("*.env.example"):
        lines = example.read_text().splitlines()
        filled = [f"{line}{value_of(line[:-1], example.stem)}" if line.endswith("=") else line for line in lines]
        example.with_suffix("").write_text("\n".join(filled))
    keys.make_pair(mine / "secrets" / "private.pem")
    made = certificates.make(parent / "certificates")
    for name in ("watcher", "gateway"):
        shutil.copy(made / CERTIFICATE, mine / "secrets" / f"{name}.crt")
        shutil.copy(made / KEY, mine / "secrets" / f"{name}.key")
    shutil.copy(made / AUTHORITY, mine / "secrets")
    (mine / "settings" / "ca.pem").write_text("a certificate")
    image = mine / "image" / "kustomization.yaml"
    image.write_text(image.read_text().replace("sha256:DIGEST", DIGEST))
    return mine


def value_of(variable: str, file: str) -> str:
    """A value for a line of a secret's file that ends with `=`."""
    if variable == "ENRICHER_API_KEYS":
        return "web:a-key-of-the-web-site-01"
    if variable == "CONSOLE_KEYS":
        return "ann:a-key-of-a-person-0001"
    if variable == "MLFLOW_TRACKING_PASSWORD":  # a client's, which mlflow.env has too
        variable, file = f"MLFLOW_{file.removesuffix('.env')}_PASSWORD", "mlflow.env"
    return f"{variable}-of-{file}".lower()


def build(folder: Path) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([KUBECTL, "kustomize", folder], capture_output=True, text=True, timeout=60, check=False)


def objects_of(folder: Path) -> list[Object]:
    done = build(folder)
    assert done.returncode == 0, done.stderr
    return list(yaml.safe_load_all(done.stdout))


def documents() -> Iterator[tuple[str, Object]]:
    """Every document of every YAML file in deploy/kubernetes, with its file's name."""
    for path in sorted(FOLDER.rglob("*.yaml")):
        if "mine" not in path.relative_to(FOLDER).parts:
            for document in yaml.safe_load_all(path.read_text()):
                yield path.relative_to(FOLDER).as_posix(), document


def pod_templates(value: Any) -> Iterator[Object]:
    """Every pod template in a document, wherever it is."""
    if isinstance(value, dict):
        if "containers" in value.get("spec", {}):
            yield value
        for inner in value.values():
            yield from pod_templates(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from pod_templates(inner)


def containers_of(template: Object) -> list[Object]:
    spec = template["spec"]
    return [*spec["containers"], *spec.get("initContainers", ())]


def named(objects: list[Object], kind: str, name: str) -> Object:
    """The only object of that kind and name; a hash may follow the name."""
    candidates = [item for item in objects if item["kind"] == kind and item["metadata"]["name"].startswith(name)]
    exact = [item for item in candidates if item["metadata"]["name"] == name] or candidates
    assert len(exact) == 1, f"{kind} {name}: {[item['metadata']['name'] for item in candidates]}"
    return exact[0]


def template_of(objects: list[Object], name: str) -> Object:
    """The pod template of a Deployment."""
    template: Object = named(objects, "Deployment", name)["spec"]["template"]
    return template


def environment_of(objects: list[Object], container: Object) -> dict[str, str]:
    """The container's variables, as the kubelet sets them."""
    values: dict[str, str] = {}
    for source in container["envFrom"]:
        if "configMapRef" in source:
            values |= named(objects, "ConfigMap", source["configMapRef"]["name"])["data"]
        else:
            data = named(objects, "Secret", source["secretRef"]["name"])["data"]
            values |= {key: base64.b64decode(value).decode() for key, value in data.items()}
    return values | {variable["name"]: variable["value"] for variable in container.get("env", ())}


def command_of(container: Object, environment: dict[str, str]) -> list[str]:
    """Its words, with this Python and `$(VARIABLE)` replaced."""
    words = [str(item) for item in container["command"]]
    for name, value in environment.items():
        words = [item.replace(f"$({name})", value) for item in words]
    programs = {"python": sys.executable, "mlflow": str(ROOT / "local_stack" / "bin" / "mlflow")}
    return [programs.get(words[0], words[0]), *words[1:]]
