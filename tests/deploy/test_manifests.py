"""The manifests as kubectl builds them: Kubernetes' schemas, references, image, settings and secrets."""

import copy
import os
import re
import shutil
import socket
import ssl
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import kubernetes_validate
import mlflow.environment_variables
import psycopg
import pytest

from local_stack.environment import variables
from local_stack.settings import ROOT
from sealing.keys import EVERYBODY
from tests.deploy.manifests import (
    DIGEST,
    FOLDER,
    NAME,
    Object,
    build,
    containers_of,
    documents,
    fill_in,
    named,
    objects_of,
    pod_templates,
    template_of,
)

KUBERNETES = "1.37.0"
KUSTOMIZATIONS = {"Kustomization", "Component"}  # kubectl itself refuses unknown fields in these
# pod -> the secrets whose values it gets
SECRETS = {
    "gateway": {"gateway", "model-tls-client"},
    "watcher": {"watcher", "model-tls-server"},
    "mlflow": {"mlflow"},
    "console": {"console"},
    "steps": {"streamflow", "streamflow-seal"},
}


def test_every_object_is_as_kubernetes_schema_says(objects: list[Object]) -> None:
    kinds = {item["kind"] for item in objects}
    assert {"Deployment", "Service", "PodDisruptionBudget", "NetworkPolicy", "Job", "CronJob"} <= kinds
    for item in objects:
        kubernetes_validate.validate(item, KUBERNETES, strict=True)


def test_every_file_is_as_kubernetes_schema_says() -> None:
    manifests = [(file, document) for file, document in documents() if document["kind"] not in KUSTOMIZATIONS]
    assert {"job.yaml", "month/job.yaml", "base/gateway.yaml"} <= {file for file, _document in manifests}
    for _file, document in manifests:
        kubernetes_validate.validate(document, KUBERNETES, strict=True)


@pytest.mark.parametrize("place", ["deployment", "pod", "container", "probe"])
def test_an_unknown_field_is_noticed(objects: list[Object], place: str) -> None:
    deployment = copy.deepcopy(named(objects, "Deployment", "gateway"))
    pod = deployment["spec"]["template"]["spec"]
    [container] = pod["containers"]
    places = {"deployment": deployment["spec"], "pod": pod, "container": container, "probe": container["livenessProbe"]}
    places[place]["unknownField"] = 1
    with pytest.raises(kubernetes_validate.ValidationError, match="unknownField"):
        kubernetes_validate.validate(deployment, KUBERNETES, strict=True)


def test_an_unknown_field_of_a_kustomization_stops_the_build(tmp_path: Path) -> None:
    mine = fill_in(tmp_path)
    kustomization = mine / "kustomization.yaml"
    kustomization.write_text(kustomization.read_text() + "imagess: []\n")
    done = build(mine)
    assert done.returncode == 1
    assert 'unknown field "imagess"' in done.stderr


@pytest.mark.parametrize(
    "secret", [*(f"{name}.env" for name in ("gateway", "watcher", "mlflow", "console", "steps")), "private.pem"]
)
def test_without_a_secret_s_file_nothing_is_built(tmp_path: Path, secret: str) -> None:
    mine = fill_in(tmp_path)
    (mine / "secrets" / secret).unlink()
    done = build(mine)
    assert (done.returncode, done.stdout) == (1, "")
    assert secret in done.stderr


def test_no_password_is_written_down() -> None:
    lines = [line for path in FOLDER.rglob("*.env*") for line in path.read_text().splitlines()]
    secret = re.compile(r"(PGUSER|\w*PASSWORD\w*|\w*KEYS?)=(.*)")
    values = [match[2] for line in lines if (match := secret.fullmatch(line)) and "SEAL_KEY" not in match[1]]
    assert len(values) >= 9
    assert set(values) == {""}


def test_git_and_the_images_leave_out_the_filled_in_copy(tmp_path: Path) -> None:
    mine = "deploy/kubernetes/mine/secrets/steps.env"
    assert subprocess.run(["git", "check-ignore", "-q", mine], cwd=ROOT, check=False).returncode == 0
    assert [line for line in (ROOT / ".dockerignore").read_text().splitlines() if "kubernetes" in line] == []
    project = tmp_path / "project"
    subprocess.run(["sh", FOLDER / "project.sh", project, "image"], check=True, capture_output=True, timeout=30)
    copied = {path.relative_to(project).as_posix() for path in (project / "deploy").rglob("*") if path.is_file()}
    assert copied == {"deploy/kubernetes/job.yaml", "deploy/kubernetes/config.json"}


def test_the_documented_commands_make_the_secrets_files_for_their_owner_alone(tmp_path: Path) -> None:
    shutil.copytree(FOLDER, tmp_path / "deploy" / "kubernetes", ignore=shutil.ignore_patterns("mine"))
    commands = (ROOT / "docs" / "kubernetes.md").read_text().split("```sh\n")[1].split("```")[0]
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    environment = {"PATH": path, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
    subprocess.run(["sh", "-ec", commands], cwd=tmp_path, env=environment, check=True, capture_output=True, timeout=60)
    secrets = tmp_path / "deploy" / "kubernetes" / "mine" / "secrets"
    modes = {path.name: path.stat().st_mode & 0o777 for path in secrets.iterdir() if path.suffix != ".example"}
    names = {
        *(f"{name}.env" for name in SECRETS),
        *(f"{name}.{end}" for name in ("ca", "watcher", "gateway") for end in ("key", "crt")),
    }
    assert modes == {**dict.fromkeys((*names, "private.pem"), 0o600), "public.pem": 0o644}
    assert shakes_hands(secrets)


def context_of(secrets: Path, name: str, purpose: ssl.Purpose) -> ssl.SSLContext:
    context = ssl.create_default_context(purpose, cafile=str(secrets / "ca.crt"))
    context.verify_mode = ssl.CERT_REQUIRED
    context.verify_flags |= ssl.VERIFY_X509_STRICT  # the default from Python 3.13 on
    context.load_cert_chain(secrets / f"{name}.crt", secrets / f"{name}.key")
    return context


def shakes_hands(secrets: Path) -> bool:
    """Whether gateway and model server accept each other's certificate, under the name of the watcher's Service."""
    first, second = socket.socketpair()
    server = context_of(secrets, "watcher", ssl.Purpose.CLIENT_AUTH)
    client = context_of(secrets, "gateway", ssl.Purpose.SERVER_AUTH)
    with ThreadPoolExecutor() as executor, first, second:
        accepted = executor.submit(server.wrap_socket, first, server_side=True)
        with client.wrap_socket(second, server_hostname="watcher") as connection, accepted.result(10) as other:
            connection.sendall(b"ping")
            return other.recv(4) == b"ping"


def test_every_pod_runs_the_image_with_the_user_s_digest(objects: list[Object]) -> None:
    images = [container["image"] for template in pod_templates(objects) for container in containers_of(template)]
    assert len(images) == 8
    assert set(images) == {f"registry.example.org/streamflow@{DIGEST}"}


def test_without_a_digest_no_image_could_be_pulled() -> None:
    for _file, document in documents():
        for template in pod_templates(document):
            for container in containers_of(template):
                assert container["image"] == "streamflow" or container["image"].startswith("{replaced with URI")
    assert "digest: sha256:DIGEST" in (FOLDER / "example" / "image" / "kustomization.yaml").read_text()


def references(template: Object) -> set[tuple[str, str]]:
    """(kind, name) of everything that a pod reads or mounts."""
    read = set()
    for container in containers_of(template):
        for source in container.get("envFrom", ()):
            [(kind, reference)] = source.items()
            read.add(({"configMapRef": "ConfigMap", "secretRef": "Secret"}[kind], reference["name"]))
    for volume in template["spec"].get("volumes", ()):
        if "configMap" in volume:
            read.add(("ConfigMap", volume["configMap"]["name"]))
        elif "secret" in volume:
            read.add(("Secret", volume["secret"]["secretName"]))
        elif "persistentVolumeClaim" in volume:
            read.add(("PersistentVolumeClaim", volume["persistentVolumeClaim"]["claimName"]))
        else:
            assert set(volume) == {"name", "emptyDir"}
    return read


def all_templates(objects: list[Object]) -> list[Object]:
    """With the template of MLflow's backend, which is not part of the build."""
    [job] = [document for file, document in documents() if file == "job.yaml"]
    return [*pod_templates(objects), *pod_templates(job)]


def test_everything_that_a_pod_reads_exists(objects: list[Object]) -> None:
    present = {(item["kind"], item["metadata"]["name"]) for item in objects}
    for template in all_templates(objects):
        assert references(template) <= present
        volumes = {volume["name"] for volume in template["spec"]["volumes"]}
        mounts = {mount["name"] for container in containers_of(template) for mount in container["volumeMounts"]}
        assert mounts == volumes


def test_a_pod_gets_the_secrets_of_its_role_alone(objects: list[Object]) -> None:
    for template in all_templates(objects):
        secrets = {re.sub(r"-[a-z0-9]{10}$", "", name) for kind, name in references(template) if kind == "Secret"}
        assert secrets == SECRETS[template["metadata"]["labels"][NAME]]


def test_only_steps_can_sign_and_the_watcher_has_the_public_key(objects: list[Object]) -> None:
    with_private = [
        item for item in objects if item["kind"] in ("Secret", "ConfigMap") and "private.pem" in item["data"]
    ]
    assert [item["metadata"]["name"] for item in with_private] == ["streamflow-seal"]
    for template in all_templates(objects):
        for volume in template["spec"]["volumes"]:
            if "secret" in volume:
                assert not volume["secret"]["defaultMode"] & EVERYBODY
    assert set(named(objects, "ConfigMap", "seal-public")["data"]) == {"public.pem"}


def known_variables() -> set[str]:
    libpq = {option.envvar.decode() for option in psycopg.pq.Conninfo.get_defaults() if option.envvar}
    of_mlflow = {name for name in dir(mlflow.environment_variables) if name.startswith("MLFLOW_")}
    # an option of `mlflow server`, and the month of ../month
    return variables.all_names() | libpq | of_mlflow | {"MLFLOW_BACKEND_STORE_URI", "AS_OF"}


def test_every_setting_exists(objects: list[Object]) -> None:
    files = {"ca.pem", "public.pem", "private.pem", "tls.crt", "tls.key", "ca.crt"}
    held: set[Any] = {key for item in objects if item["kind"] in ("Secret", "ConfigMap") for key in item["data"]}
    assert {"PGHOST", "ENRICHER_DRAIN_S", "ROLLOUT_SEAL_KEY", "STREAMFLOW_LAKE", "PGPASSWORD"} <= held
    assert held - files - known_variables() == set()


def test_a_changed_setting_gives_its_program_new_pods(objects: list[Object], tmp_path: Path) -> None:
    mine = fill_in(tmp_path)
    (mine / "settings" / "gateway.env").write_text("ENRICHER_ALLOWED_HOSTS=other.example.org\n")
    changed = objects_of(mine)
    read = [{(kind, name) for kind, name in references(template_of(built, "gateway")) if kind == "ConfigMap"}
            for built in (objects, changed)]  # fmt: skip
    assert len(read[0] - read[1]) == 1
    assert references(template_of(objects, "mlflow")) == references(template_of(changed, "mlflow"))


def test_selectors_and_ports_lead_to_pods(objects: list[Object]) -> None:
    templates = list(pod_templates(objects))
    services = [item for item in objects if item["kind"] == "Service"]
    assert {service["metadata"]["name"] for service in services} == {"gateway", "watcher", "mlflow", "console"}
    for service in services:
        [template] = selected(templates, service["spec"]["selector"])
        ports = {port["name"]: port["containerPort"] for port in containers_of(template)[0]["ports"]}
        assert {port["targetPort"]: port["port"] for port in service["spec"]["ports"]} == ports
    owners = [item for item in objects if item["kind"] in ("Deployment", "PodDisruptionBudget")]
    for item in owners:
        assert len(selected(templates, item["spec"]["selector"]["matchLabels"])) == 1


def selected(templates: list[Object], labels: dict[str, str]) -> list[Object]:
    return [template for template in templates if labels.items() <= template["metadata"]["labels"].items()]
