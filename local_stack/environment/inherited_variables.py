"""Removes variables that a shell sets for other programs and that would change the stack's processes."""

from collections.abc import MutableMapping

# set in a git hook (`git rev-parse --local-env-vars`): git would read the commit from another repository
GIT = (
    "GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_COMMON_DIR", "GIT_OBJECT_DIRECTORY", "GIT_PREFIX",
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
)  # fmt: skip
HTTP_SERVERS = ("GUNICORN_CMD_ARGS", "WEB_CONCURRENCY")  # would change the address or the number of workers
MLFLOW = ("MLFLOW_REGISTRY_URI", "MLFLOW_EXPERIMENT_ID", "MLFLOW_RUN_ID")  # name another store or run
PYTHON = ("PYTHONWARNINGS",)  # "error" would turn warnings into failures


def drop_git(environment: MutableMapping[str, str]) -> None:
    _drop(environment, GIT)


def drop_all(environment: MutableMapping[str, str]) -> None:
    """For processes that the stack starts. Commands in an activated shell keep what their user set."""
    _drop(environment, (*GIT, *HTTP_SERVERS, *MLFLOW, *PYTHON))


def _drop(environment: MutableMapping[str, str], names: tuple[str, ...]) -> None:
    for name in names:
        environment.pop(name, None)
