"""python -m configuration: writes .env.example from the settings of all programs."""

from collections.abc import Iterator
from pathlib import Path

from pydantic.fields import FieldInfo

from configuration.environment import EnvironmentSettings, mark
from console.settings import Settings as ConsoleSettings
from feature_enricher.settings import Settings as GatewaySettings
from feature_store.settings import StoreSettings
from local_stack.environment.variables import StackVariables
from rollout.settings import Settings as WatcherSettings
from steps.cli.settings import Settings as StepSettings
from tracking_server.settings import Settings as TrackingServerSettings

EXAMPLE = Path(__file__).resolve().parent.parent / ".env.example"
PROGRAMS: tuple[type[EnvironmentSettings], ...] = (
    StackVariables, StoreSettings, StepSettings, WatcherSettings, TrackingServerSettings, GatewaySettings,
    ConsoleSettings,
)  # fmt: skip
HEAD = """\
# All deployment values. Copy this file to .env and change values there; the environment wins over the file. An empty
# variable counts as not set. The stack and docker-compose.yml set those in comments, or their defaults follow from
# other settings. Written by `make settings` from the settings of the programs.
"""


def example() -> str:
    return HEAD + "".join(f"{line}\n" for line in _lines())


def _lines() -> Iterator[str]:
    written: set[str] = set()
    for program in PROGRAMS:
        for name, field in program.variables().items():
            if name not in written:
                written.add(name)
                yield from _setting(name, field)


def _setting(name: str, field: FieldInfo) -> Iterator[str]:
    if mark(field, "section"):
        yield ""
        yield f"# {mark(field, 'section')}"
    yield from (f"# {line}" for line in (field.description or "").splitlines())
    yield f"{'# ' if mark(field, 'derived') else ''}{name}={_written(field.default)}"


def _written(default: object) -> str:
    if isinstance(default, bool):
        return str(default).lower()
    return "" if default in (None, ()) else str(default)


if __name__ == "__main__":
    EXAMPLE.write_text(example())
