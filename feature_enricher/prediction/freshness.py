"""How old features may be. Each view has its largest age in a tag; Feast ignores ages when it reads online.

The age is counted from the newest event time online, or from now. Event times only go back when a month is removed: the
poller, which queries all users' values, then corrects the newest time that was observed in single users' values.
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

    def observe(self, moments: Iterable[datetime | None]) -> None:
        """Event times of some users' values."""
        times = [moment for moment in (self._newest, *moments) if moment is not None]
        self._newest = max(times, default=None)

    def set_newest(self, newest: datetime | None) -> None:
        """Replaces earlier observations by the newest event time online. None (nothing is online) changes nothing."""
        self._newest = newest or self._newest

    def stale(self, plan: Plan, event_times: Mapping[str, datetime]) -> set[str]:
        """The views whose values are older than their largest age."""
        reference = datetime.now(UTC) if self._relative_to == NOW else self._newest
        if reference is None:
            return set()
        return {
            view
            for view, moment in event_times.items()
            if view in plan.largest_age and reference - moment > plan.largest_age[view]
        }


class FreshnessPoller:
    """Queries the newest event time online every `every_s` seconds: of all users, not only of those in requests."""

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
                self._freshness.set_newest(self._newest())
            except Exception as error:  # noqa: BLE001 - the next query may succeed; requests report their own errors
                log.info("The newest event time could not be read: %s", reason(error))
            self._closing.wait(self._every_s)


def newest(rows: Iterable[FeatureRow]) -> Iterator[datetime]:
    return (moment for row in rows for moment in row.event_times.values())


def oldest(rows: Iterable[FeatureRow]) -> dict[str, datetime]:
    """View -> the oldest event time among the users."""
    times: dict[str, datetime] = {}
    for row in rows:
        for view, moment in row.event_times.items():
            if moment < times.setdefault(view, moment):
                times[view] = moment
    return times
