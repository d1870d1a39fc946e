"""The login of MLflow's server on one machine: whether there is one, and where a person's password is."""

from configuration.environment import InvalidSettings
from local_stack.settings import Settings, StackError
from tracking_server import logins, users
from tracking_server.settings import Settings as ServerSettings


def server_settings(settings: Settings) -> ServerSettings:
    """Raises StackError with a line per invalid value."""
    values = {**settings.values, **environment(settings)}
    try:
        return ServerSettings.read({name: values[name] for name in ServerSettings.variables() if values.get(name)})
    except InvalidSettings as error:
        raise StackError(str(error)) from error


def environment(settings: Settings) -> dict[str, str]:
    """For MLflow's server alone: the folder of the logins, and the passwords of .env and the shell."""
    own = {name: settings.values[name] for name in ServerSettings.password_variables() if settings.values.get(name)}
    return {"MLFLOW_LOGIN_FOLDER": str(settings.state / "mlflow"), **own}


def create_tables(settings: Settings) -> None:
    """Of its users, if there is a login. As the owner of MLflow's database."""
    if server_settings(settings).asks_for_login:
        users.open_store(settings.tracking_uri)


def note(settings: Settings) -> str:
    """For the person who opens the UI."""
    server = server_settings(settings)
    if not server.asks_for_login:
        return "asks for no login; with MLFLOW_AUTH=basic it does"
    return f"user {logins.ADMIN}, password in {logins.path_of(server.login_folder, logins.ADMIN)}"
