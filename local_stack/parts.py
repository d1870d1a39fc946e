"""The servers of the stack, as command lines."""

import sys
from pathlib import Path

from local_stack.chain import MODEL
from local_stack.processes import Part
from local_stack.settings import LOOPBACK, Settings


def make_parts(settings: Settings) -> tuple[Part, Part, Part]:
    """The MLflow server, the model server and the gateway, as commands."""
    programs = Path(sys.executable).parent
    mlflow_port, model_port, gateway_port = (
        settings.port(name) for name in ("MLFLOW_PORT", "MODEL_PORT", "GATEWAY_PORT")
    )
    server = [
        str(programs / "mlflow"), "server", "--host", LOOPBACK, "--port", str(mlflow_port), "--workers", "1",
        "--default-artifact-root", settings.artifacts.as_uri(), "--artifacts-destination", settings.artifacts.as_uri(),
    ]  # fmt: skip
    model = [
        str(programs / "mlflow"), "models", "serve", "-m", f"models:/{MODEL}/Production",
        "--env-manager", "local", "--host", LOOPBACK, "--port", str(model_port), "--workers", "1",
    ]  # fmt: skip
    gateway = [
        str(programs / "gunicorn"),
        "--config",
        "feature_enricher/gunicorn_conf.py",
        "feature_enricher:create_app()",
    ]
    return (
        Part("MLflow", server, mlflow_port, f"{settings.address('MLFLOW_PORT')}/health"),
        Part("model server", model, model_port, f"{settings.address('MODEL_PORT')}/ping"),
        Part("gateway", gateway, gateway_port, f"{settings.address('GATEWAY_PORT')}/ready"),
    )
