"""Variables that a shell may have for other programs, and that would change what the stack's processes do."""

from collections.abc import MutableMapping

# as a git hook has them (`git rev-parse --local-env-vars`): another repository would be asked for the commit
OF_A_REPOSITORY = (
    "GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_COMMON_DIR", "GIT_OBJECT_DIRECTORY", "GIT_PREFIX",
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
)  # fmt: skip
OF_A_SERVER = ("GUNICORN_CMD_ARGS", "WEB_CONCURRENCY")  # another address, more workers
OF_ANOTHER_STORE = ("MLFLOW_REGISTRY_URI", "MLFLOW_EXPERIMENT_ID", "MLFLOW_RUN_ID")
OF_PYTHON = ("PYTHONWARNINGS",)  # "error" would end what only warns


def keep_repository_out(environment: MutableMapping[str, str]) -> None:
    _drop(environment, OF_A_REPOSITORY)


def keep_others_out(environment: MutableMapping[str, str]) -> None:
    """Of a process that the stack starts. What a user typed in an activated shell stays as it was meant."""
    _drop(environment, (*OF_A_REPOSITORY, *OF_A_SERVER, *OF_ANOTHER_STORE, *OF_PYTHON))


def _drop(environment: MutableMapping[str, str], names: tuple[str, ...]) -> None:
    for name in names:
        environment.pop(name, None)
