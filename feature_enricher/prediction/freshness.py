"""How old features may be: each view's largest age is a tag of it, and Feast looks at no age when it reads online.

The age is counted from the newest event time online, or from now. Feature values go back in time there only when a
month is removed: then the watch, which looks at all that is online, corrects what single users' values have shown.
"""

import logging
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime

from feature_enricher.errors.base import reason
from feature_store.reading import FeatureRow, Plan

NEWEST, NOW = "newest", "now"
REFUSE, FLAG = "refuse", "flag"

log = logging.getLogger(__name__)


class Freshness:
    def __init__(self, relative_to: str = NEWEST, policy: str = REFUSE) -> None:
        self.refuses = policy == REFUSE
        self._relative_to = relative_to
        self._newest: datetime | None = None

    def saw(self, moments: Iterable[datetime | None]) -> None:
        known = [moment for moment in (self._newest, *moments) if moment is not None]
        self._newest = max(known, default=None)

    def looked(self, newest: datetime | None) -> None:
        """What the newest moment of all that is online is, whatever was seen before. None where nothing is."""
        self._newest = newest or self._newest

    def stale(self, plan: Plan, event_times: Mapping[str, datetime]) -> set[str]:
        """The views whose values are older than they may be."""
        reference = datetime.now(UTC) if self._relative_to == NOW else self._newest
        if reference is None:
            return set()
        return {
            view
            for view, moment in event_times.items()
            if view in plan.largest_age and reference - moment > plan.largest_age[view]
        }


class Watch:
    """Asks now and then for the newest event time online: of all users, not only of those who were asked about."""

    def __init__(self, freshness: Freshness, newest: Callable[[], datetime | None], every_s: float) -> None:
        self._freshness = freshness
        self._newest = newest
        self._every_s = every_s
        self._closing = threading.Event()

    def start(self) -> None:
        threading.Thread(target=self._run, name="freshness", daemon=True).start()

    def close(self) -> None:
        self._closing.set()

    def _run(self) -> None:
        while not self._closing.is_set():
            try:
                self._freshness.looked(self._newest())
            except Exception as error:  # noqa: BLE001 - the next time may do better; requests tell what they see
                log.info("The newest event time is not known: %s", reason(error))
            self._closing.wait(self._every_s)


def newest(rows: Iterable[FeatureRow]) -> Iterator[datetime]:
    return (moment for row in rows for moment in row.event_times.values())


def oldest(rows: Iterable[FeatureRow]) -> dict[str, datetime]:
    """view -> the oldest event time among the users'."""
    times: dict[str, datetime] = {}
    for row in rows:
        for view, moment in row.event_times.items():
            if moment < times.setdefault(view, moment):
                times[view] = moment
    return times
