"""The version that was turned back, until it is promoted anew or another is: kept in a file and in `decisions`.

The file is written before the switch, so that neither a killed watcher nor PostgreSQL being down loses it. A watcher
without the file, in a new container, reads the table.
"""

import hashlib
import json
import logging
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, fields, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rollout.recorder import HistoryRecorder
from rollout.registry import TargetVersion
from steps import warehouse
from steps.warehouse import Decision

FILE = "turned_back.json"
OUTCOME = "turned_back"
CREATED = "version_created_ms"  # as the steps record it
NOT_FIGURES = {"version", "created_ms", "reason", "figures"}

log = logging.getLogger(__name__)

Figures = dict[str, float | int | str | None]


@dataclass(frozen=True)
class TurnedBack:
    version: str
    run_id: str | None
    source: str
    created_ms: int
    changed_ms: int
    """The version's last change in the registry; a promotion is one"""
    description_sha256: str
    to_version: str
    to_run_id: str | None
    to_created_ms: int
    reason: str
    at: str
    """ISO, UTC"""
    figures: Figures = field(default_factory=dict)

    def is_about(self, target: TargetVersion) -> bool:
        return target.identity == (self.version, self.run_id, self.source, self.created_ms)

    def is_fallback(self, target: TargetVersion) -> bool:
        mine = (self.to_version, self.to_run_id, self.to_created_ms)
        return mine == (target.version, target.run_id, target.created_ms)

    @property
    def decision(self) -> Decision:
        facts = asdict(self)
        inputs = json.dumps([self.version, self.run_id, self.source, self.created_ms, self.at])
        recorded = {name: value for name, value in facts.items() if name not in NOT_FIGURES}
        return Decision(
            kind="rollback",
            outcome=OUTCOME,
            as_of=None,
            version=self.version,
            reason=self.reason,
            figures={**self.figures, **recorded, CREATED: self.created_ms},
            decided_by="watcher",
            inputs_sha256=hashlib.sha256(inputs.encode()).hexdigest(),
        )


def of_decision(decision: Decision) -> TurnedBack:
    """Raises KeyError for figures of another kind."""
    own = {item.name for item in fields(TurnedBack)} - NOT_FIGURES
    facts: dict[str, Any] = {name: decision.figures[name] for name in own} | {"created_ms": decision.figures[CREATED]}
    counts = {name: value for name, value in decision.figures.items() if name not in {*own, CREATED}}
    return TurnedBack(version=str(decision.version), reason=decision.reason, figures=counts, **facts)


class WayBack:
    def __init__(self, folder: Path, model: str, recorder: HistoryRecorder) -> None:
        self._file = folder / FILE
        self._model = model
        self._recorder = recorder
        self._fallback: TargetVersion | None = None
        self.turned_back: TurnedBack | None = None
        self.times = 0
        """Since the start of this process"""

    def turn(self, new: TargetVersion, old: TargetVersion, reason: str, figures: Figures) -> None:
        """From now on, `old` is served in place of `new`."""
        self.turned_back = TurnedBack(
            *new.identity, new.changed_ms, _sha256(new), old.version, old.run_id, old.created_ms,
            reason, datetime.now(UTC).isoformat(), figures,
        )  # fmt: skip
        self._fallback = old
        self.times += 1
        self._save()
        self._recorder.add(self.turned_back.decision)

    def version_to_serve(self, target: TargetVersion | None) -> TargetVersion | None:
        """The registry's version, or the one served in its place."""
        turned = self.turned_back
        if turned is None:
            return target
        if target is None or not turned.is_about(target) or _is_promoted_anew(turned, target):
            log.warning("Version %s is no longer turned back: the registry has changed", turned.version)
            self.turned_back = self._fallback = None
            self._file.unlink(missing_ok=True)
            return target
        if target.changed_ms != turned.changed_ms:  # its description was edited
            self.turned_back = replace(turned, changed_ms=target.changed_ms, description_sha256=_sha256(target))
            self._save()
        return self._fallback

    def reason_against(self, target: TargetVersion) -> str | None:
        """Why this version was turned back; None if it was not."""
        turned = self.turned_back
        return turned.reason if turned and turned.is_about(target) else None

    def load(self, target: TargetVersion | None, find: Callable[[str], TargetVersion | None]) -> None:
        """At the start. find: the version of a number in the registry. Raises when the warehouse does not answer."""
        turned = self._from_file()
        if turned is not None:
            self._recorder.add(turned.decision)  # recorded once, however often it is added
        elif target is not None:
            turned = self._from_warehouse(target)
        if turned is None or target is None or not turned.is_about(target):
            self._file.unlink(missing_ok=True)
            return
        fallback = find(turned.to_version)
        self._fallback = fallback if fallback and turned.is_fallback(fallback) else None
        self.turned_back = turned

    def warning(self) -> str | None:
        turned = self.turned_back
        if turned is None:
            return None
        served = f"version {turned.to_version} serves" if self._fallback else f"version {turned.to_version} is gone"
        return (
            f"Version {turned.version} was turned back at {turned.at[:19]} UTC: {turned.reason}; {served}. "
            f"Production still names version {turned.version}. Run: make rollback VERSION={turned.to_version}, or "
            "promote another version"
        )

    def status(self) -> dict[str, str] | None:
        turned = self.turned_back
        names = ("version", "to_version", "reason", "at")
        return {name: getattr(turned, name) for name in names} if turned else None

    def _save(self) -> None:
        fresh = self._file.with_suffix(".new")
        try:
            fresh.write_text(json.dumps(asdict(self.turned_back)) if self.turned_back else "")
            fresh.replace(self._file)
        except OSError as error:  # a full disk must not keep a failing version live
            log.warning("If PostgreSQL is down until this watcher ends, the way back is forgotten: %s", error)

    def _from_file(self) -> TurnedBack | None:
        try:
            return TurnedBack(**json.loads(self._file.read_text()))
        except FileNotFoundError:
            return None
        except (OSError, ValueError, TypeError) as error:
            log.warning("%s is unusable, the table of decisions is read instead: %s", self._file, error)
            return None

    def _from_warehouse(self, target: TargetVersion) -> TurnedBack | None:
        """The newest way back from the target, unless it has served since."""
        recorded = [
            of_decision(decision)
            for decision in warehouse.decisions(self._model)
            if (decision.kind, decision.outcome, decision.version) == ("rollback", OUTCOME, target.version)
        ]
        turned = next((turned for turned in reversed(recorded) if turned.is_about(target)), None)
        if turned is None:
            return None
        turned_at = datetime.fromisoformat(turned.at)
        return None if warehouse.has_served(self._model, turned.version, turned.run_id, turned_at) else turned


def _is_promoted_anew(turned: TurnedBack, target: TargetVersion) -> bool:
    """A change that is not one of the description is one of the stage: tags and aliases change no time."""
    return target.changed_ms != turned.changed_ms and _sha256(target) == turned.description_sha256


def _sha256(target: TargetVersion) -> str:
    return hashlib.sha256(target.description.encode()).hexdigest()
