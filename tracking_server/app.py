"""The app of MLflow's server: MLflow's own, with or without its login, behind the check of origins."""

from importlib.metadata import entry_points

from tracking_server import users
from tracking_server.same_origin import App, SameOrigin
from tracking_server.settings import Settings


def create_app() -> SameOrigin:
    """Called by `mlflow server --app-name streamflow`, once per worker."""
    return SameOrigin(_mlflow(Settings.read()))


def _mlflow(settings: Settings) -> App:
    if not settings.asks_for_login:
        from mlflow.server.fastapi_app import app  # noqa: PLC0415 - with a login, MLflow makes another one

        without_login: App = app
        return without_login
    users.update(settings)
    with_login: App = entry_points(group="mlflow.app")["basic-auth"].load()()
    return with_login
