"""What every pod template in deploy/kubernetes must have: a new one cannot forget any of it."""

import copy
from collections.abc import Callable
from typing import Any

import pytest

from feature_enricher.settings import Settings as GatewaySettings
from local_stack.settings import ROOT
from tests.deploy.manifests import (
    NAME,
    Object,
    containers_of,
    documents,
    environment_of,
    named,
    pod_templates,
    template_of,
)

USER = 10001
TEMPORARY = "/tmp"  # noqa: S108 - the image's HOME
TEMPLATES = [(file, template) for file, document in documents() for template in pod_templates(document)]
RESOURCES = ("cpu", "memory", "ephemeral-storage")
# field of the pod -> whether its value is right
OF_THE_POD: dict[str, Callable[[Any], bool]] = {
    "automountServiceAccountToken": lambda value: value is False,
    "enableServiceLinks": lambda value: value is False,
    "securityContext.runAsNonRoot": lambda value: value is True,
    "securityContext.runAsUser": lambda value: value == USER,
    "securityContext.runAsGroup": lambda value: value == USER,
    "securityContext.seccompProfile.type": lambda value: value == "RuntimeDefault",
    "hostNetwork": lambda value: value is None,
    "hostPID": lambda value: value is None,
    "hostIPC": lambda value: value is None,
}
OF_A_CONTAINER: dict[str, Callable[[Any], bool]] = {
    "securityContext.allowPrivilegeEscalation": lambda value: value is False,
    "securityContext.readOnlyRootFilesystem": lambda value: value is True,
    "securityContext.capabilities.drop": lambda value: value == ["ALL"],
    "securityContext.capabilities.add": lambda value: value is None,
    "securityContext.privileged": lambda value: value is None,
    "securityContext.runAsUser": lambda value: value is None,
    **{f"resources.{kind}.{name}": bool for kind in ("requests", "limits") for name in RESOURCES},
}
OF_A_SERVER = ("startupProbe", "livenessProbe", "readinessProbe")


def at(value: Any, path: str) -> Any:
    """The value at a dotted path, or None."""
    for name in path.split("."):
        value = value.get(name) if isinstance(value, dict) else None
    return value


def gaps(template: Object) -> list[str]:
    """What the pod lacks."""
    spec = template["spec"]
    missing = [path for path, is_right in OF_THE_POD.items() if not is_right(at(spec, path))]
    temporary = {volume["name"] for volume in spec.get("volumes", ()) if at(volume, "emptyDir.sizeLimit")}
    for container in containers_of(template):
        missing += [path for path, is_right in OF_A_CONTAINER.items() if not is_right(at(container, path))]
        mounted = {mount["name"] for mount in container.get("volumeMounts", ()) if mount["mountPath"] == TEMPORARY}
        missing += [] if mounted & temporary else ["a temporary folder with a limit"]
        if "ports" in container:
            missing += [probe for probe in OF_A_SERVER if not at(container, f"{probe}.httpGet")]
    return missing


def test_the_walk_sees_every_pod() -> None:
    assert sorted(file for file, _template in TEMPLATES) == [
        "base/console.yaml", "base/gateway.yaml", "base/mlflow.yaml", "base/months.yaml",
        "base/requests.yaml", "base/steps.yaml", "base/watcher.yaml", "job.yaml", "month/job.yaml",
    ]  # fmt: skip


@pytest.mark.parametrize(("file", "template"), TEMPLATES, ids=[file for file, _template in TEMPLATES])
def test_every_pod_has_minimal_rights_and_limits(file: str, template: Object) -> None:
    assert gaps(template) == []


@pytest.mark.parametrize("path", [*OF_THE_POD, *OF_A_CONTAINER, *OF_A_SERVER])
def test_a_pod_that_lacks_one_of_them_is_noticed(objects: list[Object], path: str) -> None:
    template = copy.deepcopy(template_of(objects, "gateway"))
    owner = template["spec"] if path in OF_THE_POD else template["spec"]["containers"][0]
    *parents, name = path.split(".")
    for parent in parents:
        owner = owner[parent]
    if owner.pop(name, None) is None:
        owner[name] = True  # a right that no pod may have
    assert gaps(template)[0] == path


def test_pods_run_as_the_image_s_user() -> None:
    for dockerfile in (ROOT / "Dockerfile", ROOT / "deploy" / "kubernetes" / "Dockerfile"):
        text = dockerfile.read_text()
        assert f"useradd --uid {USER} --create-home streamflow" in text
        assert "\nUSER streamflow\n" in text


def test_the_namespace_refuses_pods_with_more_rights(objects: list[Object]) -> None:
    labels = named(objects, "Namespace", "streamflow")["metadata"]["labels"]
    assert labels["pod-security.kubernetes.io/enforce"] == "restricted"
    in_it = [item for item in objects if item["kind"] != "Namespace"]
    assert {item["metadata"].get("namespace") for item in in_it} == {"streamflow"}


def test_volumes_belong_to_the_group_of_their_pod() -> None:
    for _file, template in TEMPLATES:
        needs_group = [
            volume for volume in template["spec"]["volumes"] if {"persistentVolumeClaim", "secret"} & set(volume)
        ]
        assert (at(template, "spec.securityContext.fsGroup") == USER) == bool(needs_group)


def test_a_stopping_gateway_has_time_for_its_requests(objects: list[Object]) -> None:
    template = template_of(objects, "gateway")
    [container] = containers_of(template)
    values = environment_of(objects, container)
    drain_s = float(values["ENRICHER_DRAIN_S"])
    deadline_s = float(values.get("ENRICHER_DEADLINE_S", GatewaySettings.model_fields["deadline_s"].default))
    assert template["spec"]["terminationGracePeriodSeconds"] > drain_s + deadline_s + 1
    ready = container["readinessProbe"]
    assert ready["timeoutSeconds"] > deadline_s
    # a load balancer that asks /ready as often as Kubernetes does has noticed before the listener closes
    assert ready["periodSeconds"] * ready["failureThreshold"] < drain_s


def test_probes_ask_what_kubernetes_wants_to_know(objects: list[Object]) -> None:
    paths = {
        name: [
            at(template_of(objects, name)["spec"]["containers"][0], f"{probe}.httpGet.path") for probe in OF_A_SERVER
        ]
        for name in ("gateway", "watcher", "mlflow", "console")
    }
    health = ["/health"] * 3
    # a gateway without a model is alive and takes no requests
    assert paths == {"gateway": ["/health", "/health", "/ready"], "watcher": health, "mlflow": health,
                     "console": health}  # fmt: skip


def test_there_is_always_a_gateway_and_never_a_second_watcher(objects: list[Object]) -> None:
    gateway = named(objects, "Deployment", "gateway")["spec"]
    budget = named(objects, "PodDisruptionBudget", "gateway")["spec"]
    assert (gateway["replicas"], gateway["strategy"]["rollingUpdate"]["maxUnavailable"]) == (2, 0)
    assert (budget["minAvailable"], budget["selector"]) == (1, gateway["selector"])
    assert gateway["template"]["spec"]["topologySpreadConstraints"][0]["topologyKey"] == "kubernetes.io/hostname"
    for name in ("watcher", "mlflow", "console", "requests"):
        spec = named(objects, "Deployment", name)["spec"]
        assert (spec["replicas"], spec["strategy"]) == (1, {"type": "Recreate"})


def test_jobs_end_and_do_not_overlap(objects: list[Object]) -> None:
    cron = named(objects, "CronJob", "months")["spec"]
    assert (cron["concurrencyPolicy"], cron["timeZone"]) == ("Forbid", "Etc/UTC")
    assert {"startingDeadlineSeconds", "successfulJobsHistoryLimit", "failedJobsHistoryLimit"} <= set(cron)
    jobs = [cron["jobTemplate"], *(document for _file, document in documents() if document["kind"] == "Job")]
    assert len(jobs) == 3
    for job in jobs:
        assert job["spec"]["activeDeadlineSeconds"] > 0
        assert job["spec"]["backoffLimit"] == 1
        assert job["spec"]["template"]["metadata"]["labels"][NAME] == "steps"
