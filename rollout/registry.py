"""Which version is to serve: asked of the registry again and again, in a thread that may hang with it."""

import logging
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from configuration import names, stages

if TYPE_CHECKING:
    from mlflow.entities.model_registry import ModelVersion
    from mlflow.tracking import MlflowClient

PAGE = 1000
OF_A_MODEL = "models:/"  # how the source of a version begins that was made from a logged model

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Wanted:
    """The version that models:/NAME/STAGE means."""

    version: str
    run_id: str | None  # of the training; None where the registry does not know it
    dataset_sha256: str | None
    example_probability: float | None  # what it must answer to its own example; None where nobody noted it
    has_alias: bool  # whether the alias of the stage's name points at it
    changed_ms: int  # when the registry last touched it: moving it again earns it another trial
    beside: tuple[str, ...] = ()  # other versions in the same stage, which do not serve
    source: str = ""  # the model that was registered
    created_ms: int = 0

    @property
    def identity(self) -> tuple[str, str | None, str, int]:
        """What the version is. Its number alone is another's once the registered model was deleted and made anew."""
        return (self.version, self.run_id, self.source, self.created_ms)


def wanted_version(client: "MlflowClient", name: str, stage: str) -> Wanted | None:
    """The version that `models:/NAME/STAGE` means."""
    there = stages.in_stage(_versions(client, name), stage)
    if not there:
        return None
    highest, *rest = there
    return Wanted(
        version=str(highest.version),
        run_id=_training_of(client, highest),
        dataset_sha256=highest.tags.get(names.DATASET_SHA256_TAG),
        example_probability=_number(highest.tags.get(names.EXAMPLE_PROBABILITY_TAG)),
        has_alias=stage in highest.aliases,
        changed_ms=int(highest.last_updated_timestamp),
        beside=tuple(str(version.version) for version in reversed(rest)),
        source=str(highest.source),
        created_ms=int(highest.creation_timestamp),
    )


def _training_of(client: "MlflowClient", version: "ModelVersion") -> str | None:
    """As MLflow recorded it: a version that was registered with the UI's button has none of our tags."""
    if version.run_id:
        return str(version.run_id)
    model_id = version.model_id or str(version.source).removeprefix(OF_A_MODEL)
    if version.model_id or str(version.source).startswith(f"{OF_A_MODEL}m-"):
        return str(client.get_logged_model(model_id).source_run_id)
    tagged: str | None = version.tags.get("run_id")
    return tagged


def _versions(client: "MlflowClient", name: str) -> "list[ModelVersion]":
    found: list[ModelVersion] = []
    token = None
    while True:
        page = client.search_model_versions(f"name = '{name}'", max_results=PAGE, page_token=token)
        found += page
        token = page.token
        if not token:
            return found


def _number(text: str | None) -> float | None:
    try:
        return None if text is None else float(text)
    except ValueError:
        return None


class RegistryPoll:
    """The last answer of the registry. `asked` is False until there is one; `trouble` says why there is no newer."""

    def __init__(self, client: "MlflowClient", name: str, stage: str, every_s: float) -> None:
        self._client, self._name, self._stage = client, name, stage
        self._every_s = every_s
        self._over = threading.Event()
        self.asked = False
        self.wanted: Wanted | None = None
        self.none_since: float | None = None
        self.trouble: str | None = None

    def start(self) -> None:
        threading.Thread(target=self._run, name="registry", daemon=True).start()

    def stop(self) -> None:
        self._over.set()

    def _run(self) -> None:
        while not self._over.is_set():
            self.poll()
            self._over.wait(self._every_s)

    def poll(self) -> None:
        try:
            wanted = wanted_version(self._client, self._name, self._stage)
        except Exception as error:  # noqa: BLE001 - whatever it was, the last answer holds until there is a new one
            if self.trouble is None:
                log.warning("The registry does not answer; what serves goes on serving: %s", type(error).__name__)
            self.trouble = "The registry does not answer; promotions are not seen"
            self.none_since = None  # that nothing is in the stage has to be heard anew
            return
        if wanted is not None:
            self.none_since = None
            self._let_alias_follow(wanted)
        elif self.none_since is None:
            self.none_since = time.monotonic()
        self.wanted, self.asked, self.trouble = wanted, True, None

    def _let_alias_follow(self, wanted: Wanted) -> None:
        """The UI moves the stage alone. Whoever goes by models:/NAME@STAGE is to get what serves."""
        if wanted.has_alias:
            return
        try:
            self._client.set_registered_model_alias(self._name, self._stage, wanted.version)
        except Exception as error:  # noqa: BLE001 - serving goes by the stage; the next poll tries again
            log.warning("The alias %s could not follow the stage: %s", self._stage, type(error).__name__)

    def warnings(self) -> list[str]:
        """What somebody should put right, in words."""
        wanted, found = self.wanted, [self.trouble] if self.trouble else []
        if wanted and wanted.beside:
            found.append(
                f"Several versions are in {self._stage}: {wanted.version} serves (the highest), "
                f"{', '.join(wanted.beside)} not. Archive what is not to serve, and tick the archive box when promoting"
            )
        if self.asked and wanted is None and not self.trouble:
            found.append(f"No version of {self._name} is in {self._stage}. Run: mlflow run . -e register")
        return found
