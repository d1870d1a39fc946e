"""user_ids -> rows of features, as Feast stored them, each lookup within its deadline.

Feast itself is called once per service, for the definition. Importing it takes seconds, and opening its store waits for
PostgreSQL without limit, so both happen in a background thread.
"""

import gc
import logging
import threading
import time
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

from feature_enricher.errors.base import reason
from feature_enricher.errors.upstream import StoreCircuitOpen, StoreUnavailable
from feature_enricher.upstream.breaker import Breaker
from feature_store import background
from feature_store.deadline import Deadline
from feature_store.plain_feast import import_feast
from feature_store.plans import UnknownService, make_plan, service_names
from feature_store.pool import OnlineReadError, OnlineReadRefused
from feature_store.readers import open_reader
from feature_store.reading import FeatureRow, Plan, Reader

if TYPE_CHECKING:
    from concurrent.futures import Future

# After this time, another attempt starts beside the one that waits for a frozen server.
PLANNING_LIMIT_S = 30.0

log = logging.getLogger(__name__)

T = TypeVar("T")


def _import_feast() -> None:
    import_feast()
    # Half a million objects that stay: the garbage collector would check them every few seconds and stop all requests
    # for a tenth of a second.
    gc.freeze()


class Features(Protocol):
    breaker: Breaker
    """Closed while lookups succeed"""

    def services(self, deadline: Deadline) -> tuple[str, ...]: ...
    def plan(self, service: str, deadline: Deadline) -> Plan: ...
    def lookup(self, service: str, user_ids: Sequence[str], deadline: Deadline) -> tuple[Plan, list[FeatureRow]]: ...


class FeastFeatures:
    """Thread-safe: all threads share the plans and the connections."""

    def __init__(
        self,
        timeout_s: float,
        plan_of: Callable[[str], Plan] = make_plan,
        reader: Reader | None = None,
    ) -> None:
        self.breaker = Breaker(lambda: StoreCircuitOpen("The feature store did not answer several times in a row"))
        self._timeout_s = timeout_s
        self._plan_of = plan_of
        self._reader = reader or open_reader()
        self._lock = threading.Lock()
        self._planning: dict[str, _Reading[Plan]] = {}
        self._listing: _Reading[tuple[str, ...]] | None = None

    def warm_up(self) -> None:
        """Starts importing Feast in the background and returns at once."""
        background.begin(_import_feast)

    def services(self, deadline: Deadline) -> tuple[str, ...]:
        """The names of all FeatureServices, read from Feast at each call. Raises StoreUnavailable."""
        try:
            return self._list_of_services().value.result(deadline.left())
        except Exception as error:
            raise StoreUnavailable(self._failure_message(error)) from error

    def plan(self, service: str, deadline: Deadline) -> Plan:
        """The service's plan, read from Feast once. Raises StoreUnavailable."""
        try:
            return self._planning_of(service).value.result(deadline.left())
        except Exception as error:  # any error of Feast means: the definition could not be read
            raise StoreUnavailable(self._failure_message(error)) from error

    def lookup(self, service: str, user_ids: Sequence[str], deadline: Deadline) -> tuple[Plan, list[FeatureRow]]:
        """The plan, and one row per user, in order. All values of an unknown user are None. Raises StoreUnavailable."""
        with self.breaker.guard():
            return self._lookup(service, user_ids, deadline)

    def newest(self, service: str, deadline: Deadline) -> datetime | None:
        """The newest event time online in the service's views. Raises StoreUnavailable and OnlineReadError."""
        limited = deadline.within(self._timeout_s)
        return self._reader.newest(self.plan(service, limited), limited)

    def _lookup(self, service: str, user_ids: Sequence[str], deadline: Deadline) -> tuple[Plan, list[FeatureRow]]:
        limited = deadline.within(self._timeout_s)
        plan = self.plan(service, limited)
        try:
            return plan, self._reader.read(plan, user_ids, limited)
        except OnlineReadRefused as error:
            self._forget(service)  # the tables may have changed, and with them the definition
            raise StoreUnavailable(self._failure_message(error)) from error
        except OnlineReadError as error:
            raise StoreUnavailable(self._failure_message(error)) from error

    def _list_of_services(self) -> "_Reading[tuple[str, ...]]":
        """Calls at the same time share it."""
        with self._lock:
            if self._listing is None or self._listing.value.done() or self._listing.has_failed():
                self._listing = _Reading(service_names)
            return self._listing

    def _planning_of(self, service: str) -> "_Reading[Plan]":
        with self._lock:
            planning = self._planning.get(service)
            if planning is None or planning.has_failed():
                planning = self._planning[service] = _Reading(lambda: self._read_definition(service))
            return planning

    def _read_definition(self, service: str) -> Plan:
        try:
            return self._plan_of(service)
        except Exception as error:
            log.warning("The feature service's definition could not be read: %s", reason(error))
            raise

    def _forget(self, service: str) -> None:
        with self._lock:
            self._planning.pop(service, None)

    def _failure_message(self, error: Exception) -> str:
        if isinstance(error, TimeoutError):
            return f"The feature store did not answer in {self._timeout_s:g} s"
        if isinstance(error, UnknownService):
            return str(error)
        return "The feature store did not answer"


class _Reading(Generic[T]):
    """A value from Feast's registry, which a background thread reads. All requests that wait for it share it."""

    def __init__(self, read: Callable[[], T]) -> None:
        self._since = time.monotonic()
        self.value: Future[T] = background.begin(read)

    def has_failed(self) -> bool:
        if self.value.done():
            return self.value.exception() is not None
        return time.monotonic() - self._since > PLANNING_LIMIT_S
