"""The job template, through MLflow's own code and Kubernetes' own classes: what would be sent to a cluster is a job."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from kubernetes.client import ApiClient, V1Job
from mlflow.projects import _parse_kubernetes_config
from mlflow.projects._project_spec import load_project
from mlflow.projects.kubernetes import _get_kubernetes_job_definition, _get_run_command

from local_stack.settings import ROOT

DEPLOY = ROOT / "deploy" / "kubernetes"
IMAGE = "registry.example.org/streamflow-steps:1"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    command = ["sh", str(DEPLOY / "project.sh"), str(folder), IMAGE]
    subprocess.run(command, check=True, capture_output=True, timeout=30)
    return folder


@pytest.fixture
def job(project: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What MLflow makes of the template for a training."""
    monkeypatch.chdir(project)
    config = _parse_kubernetes_config(json.loads((project / "deploy/kubernetes/config.json").read_text()))
    entry_point = load_project(str(project)).get_entry_point("ingest")
    command = entry_point.compute_command({"month_dir": "/m", "as_of": "2024-01-31"}, None)
    made: dict[str, Any] = _get_kubernetes_job_definition(
        "streamflow", config["repository-uri"], "sha256:1", _get_run_command([command]), {"MLFLOW_RUN_ID": "1"},
        config["kube-job-template"],
    )  # fmt: skip
    return made


def test_the_template_becomes_a_job_that_kubernetes_knows(job: dict[str, Any]) -> None:
    read = ApiClient().deserialize(json.dumps(job), V1Job, "application/json")
    (container,) = read.spec.template.spec.containers
    assert (read.api_version, read.kind, read.metadata.namespace) == ("batch/v1", "Job", "streamflow")
    assert container.image == "registry.example.org/streamflow@sha256:1"
    assert container.command[:3] == ["python", "-m", "steps.ingest"]
    assert read.spec.template.spec.restart_policy == "Never"
    assert ApiClient().sanitize_for_serialization(read) == job, "a key that Kubernetes does not know is lost"


def test_the_job_knows_every_setting_of_the_steps(job: dict[str, Any]) -> None:
    (container,) = job["spec"]["template"]["spec"]["containers"]
    given = {variable["name"] for variable in container["env"]}
    settings = (ROOT / ".env.example").read_text().splitlines()
    ours = {line.split("=")[0] for line in settings if line.startswith("STREAMFLOW_")}
    of_the_stack = {"STREAMFLOW_STATE", "STREAMFLOW_POSTGRES"}
    assert ours - of_the_stack <= given
    assert "MLFLOW_RUN_ID" in given
    mounts = {mount["mountPath"] for mount in container["volumeMounts"]}
    assert {variable["value"] for variable in container["env"] if variable["name"] == "STREAMFLOW_LAKE"} == mounts


def test_the_copy_runs_in_containers_and_is_otherwise_the_project(project: Path) -> None:
    there = load_project(str(project))
    assert there.docker_env == {"image": IMAGE}
    here = yaml.safe_load((ROOT / "MLproject").read_text())
    copied = yaml.safe_load((project / "MLproject").read_text())
    assert copied["entry_points"] == here["entry_points"]
    steps = {path.name for path in (ROOT / "steps").glob("*.py")}
    assert {path.name for path in (project / "steps").glob("*.py")} == steps
