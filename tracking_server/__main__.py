"""python -m tracking_server OPTIONS: `mlflow server OPTIONS` with this project's app, and with or without a login."""

import os
import sys
from pathlib import Path

from configuration.environment import InvalidSettings
from tracking_server import logins
from tracking_server.settings import Settings, database, server_environment

APP = "streamflow"  # in plugin/*.dist-info/entry_points.txt
# No user may do anything that no grant allows. The database has the users in tables of their own. Each request would
# hash its password again, for a twentieth of a second; a change over MLflow's API clears the cache
CONFIG = """\
[mlflow]
default_permission = NO_PERMISSIONS
database_uri = {uri}
auth_cache_ttl_seconds = 60
"""


def main() -> None:
    try:
        settings = Settings.read()
        environment = server_environment(login(settings) if settings.asks_for_login else {})
    except (InvalidSettings, logins.LoginUnusable) as error:
        sys.exit(f"[ERROR] {error}")
    mlflow = str(Path(sys.executable).parent / "mlflow")
    # MLflow takes only this machine's origins for its own, even if the UI came from another of its hosts
    origins = [
        f"{scheme}://{host.strip()}" for host in settings.allowed_hosts.split(",") for scheme in ("http", "https")
    ]
    options = [
        "--app-name",
        APP,
        "--allowed-hosts",
        settings.allowed_hosts,
        "--cors-allowed-origins",
        ",".join(origins),
    ]
    os.execve(mlflow, [mlflow, "server", *sys.argv[1:], *options], environment)  # noqa: S606 - our own command line


def login(settings: Settings) -> dict[str, str]:
    """The variables of MLflow's own app for logins; the files that they name exist afterwards. Raises LoginUnusable."""
    uri = database()
    if uri is None:
        raise logins.LoginUnusable("MLFLOW_BACKEND_STORE_URI is not set; MLFLOW_AUTH=basic keeps its users there")
    logins.ensure(settings)
    config = settings.login_folder / logins.ADMIN / "basic_auth.ini"
    logins.write_private(config, CONFIG.format(uri=uri.replace("%", "%%")))
    return {
        "MLFLOW_AUTH_CONFIG_PATH": str(config),
        "MLFLOW_AUTH_ADMIN_USERNAME": logins.ADMIN,
        "MLFLOW_FLASK_SERVER_SECRET_KEY": logins.ensure_secret_key(settings.login_folder),
    }


if __name__ == "__main__":
    main()
