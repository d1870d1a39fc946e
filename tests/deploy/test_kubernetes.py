"""The job template, filled in by MLflow's code and validated by Kubernetes' classes."""

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
from sealing.keys import EVERYBODY
from steps.runs import tracking

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
    """The template as MLflow fills it in for ingest."""
    monkeypatch.chdir(project)
    config = _parse_kubernetes_config(json.loads((project / "deploy/kubernetes/config.json").read_text()))
    entry_point = load_project(str(project)).get_entry_point("ingest")
    command = entry_point.compute_command({"month_dir": "/m", "as_of": "2024-01-31"}, None)
    definition: dict[str, Any] = _get_kubernetes_job_definition(
        "streamflow", config["repository-uri"], "sha256:1", _get_run_command([command]), {"MLFLOW_RUN_ID": "1"},
        config["kube-job-template"],
    )  # fmt: skip
    return definition


def test_the_filled_in_template_is_a_valid_job(job: dict[str, Any]) -> None:
    parsed = ApiClient().deserialize(json.dumps(job), V1Job, "application/json")
    (container,) = parsed.spec.template.spec.containers
    assert (parsed.api_version, parsed.kind, parsed.metadata.namespace) == ("batch/v1", "Job", "streamflow")
    assert container.image == "registry.example.org/streamflow@sha256:1"
    assert container.command[:3] == ["python", "-m", "steps.ingest"]
    assert parsed.spec.template.spec.restart_policy == "Never"
    assert ApiClient().sanitize_for_serialization(parsed) == job, "a key unknown to Kubernetes is lost"


def test_the_job_sets_every_setting_of_the_steps(job: dict[str, Any]) -> None:
    (container,) = job["spec"]["template"]["spec"]["containers"]
    job_variables = {variable["name"] for variable in container["env"]}
    settings = (ROOT / ".env.example").read_text().splitlines()
    step_variables = {line.split("=")[0] for line in settings if line.startswith("STREAMFLOW_")}
    stack_variables = {"STREAMFLOW_STATE", "STREAMFLOW_POSTGRES"}
    assert step_variables - stack_variables <= job_variables
    assert "MLFLOW_RUN_ID" in job_variables
    mounts = {mount["mountPath"] for mount in container["volumeMounts"]}
    values = {variable["name"]: variable["value"] for variable in container["env"]}
    assert {values["STREAMFLOW_LAKE"], str(Path(values["STREAMFLOW_SEAL_KEY"]).parent)} <= mounts


def test_the_private_key_is_a_secret_that_not_every_user_reads(job: dict[str, Any]) -> None:
    secret = next(volume["secret"] for volume in job["spec"]["template"]["spec"]["volumes"] if "secret" in volume)
    assert not secret["defaultMode"] & EVERYBODY


def test_the_job_names_the_commit_as_the_image_has_no_git(job: dict[str, Any]) -> None:
    (container,) = job["spec"]["template"]["spec"]["containers"]
    values = {variable["name"]: variable["value"] for variable in container["env"]}
    assert values["STREAMFLOW_COMMIT"] == tracking.commit()


def test_the_copy_has_docker_env_and_is_otherwise_the_project(project: Path) -> None:
    loaded = load_project(str(project))
    assert loaded.docker_env == {"image": IMAGE}
    original = yaml.safe_load((ROOT / "MLproject").read_text())
    copied = yaml.safe_load((project / "MLproject").read_text())
    assert copied["entry_points"] == original["entry_points"]
    steps = {path.name for path in (ROOT / "steps").glob("*.py")}
    assert {path.name for path in (project / "steps").glob("*.py")} == steps
