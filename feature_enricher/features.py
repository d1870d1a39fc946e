"""user_ids -> rows of features, through Feast, each look-up within a time limit.

psycopg waits for ever on a server that froze, so look-ups run in threads that the caller can leave behind.
After any failure the whole store is dropped, its connections closed, and the next look-up opens a new one:
what broke it stays unknown, and a new one costs little.
"""

import logging
import math
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import feature_repo
from feature_enricher.errors import StoreUnavailable, reason

if TYPE_CHECKING:
    from feast import FeatureStore

Row = dict[str, Any]
"""A user's features in the service's order; None where the store has no value."""

# Opening waits on PostgreSQL too, and outlives the request that began it. Past this, another attempt is made.
OPENING_LIMIT_S = 30.0

log = logging.getLogger(__name__)


class FeastFeatures:
    """Thread-safe: all threads share one store, and the connections it pools."""

    def __init__(
        self,
        timeout_s: float,
        threads: int,
        open_store: Callable[[], "FeatureStore"] = feature_repo.open_store,
    ) -> None:
        self._timeout_s = timeout_s
        self._threads = threads
        self._open_store = open_store
        self._lock = threading.Lock()
        self._opening: _Opening | None = None

    def open_soon(self) -> None:
        """Begins to open the store (importing Feast takes seconds) and returns at once."""
        self._begin()

    def lookup(self, service: str, user_ids: Sequence[str]) -> list[Row]:
        """One row per user, in order; all its values None for a user the store does not know."""
        deadline = time.monotonic() + self._timeout_s
        opening = self._begin()
        store = self._opened(opening, deadline)
        try:
            return store.lookup(service, user_ids).result(_until(deadline))
        except Exception as error:  # whatever it was, this store cannot be trusted any more
            self._drop(opening)
            store.close_soon()
            raise StoreUnavailable(self._what_failed(error)) from error

    def _begin(self) -> "_Opening":
        with self._lock:
            if self._opening is None or self._opening.is_hopeless():
                if self._opening is not None:
                    self._opening.store.add_done_callback(_close_if_opened)
                self._opening = _Opening(lambda: _OpenStore(self._open_store(), self._threads))
            return self._opening

    def _opened(self, opening: "_Opening", deadline: float) -> "_OpenStore":
        try:
            return opening.store.result(_until(deadline))
        except Exception as error:
            raise StoreUnavailable(self._what_failed(error)) from error

    def _drop(self, opening: "_Opening") -> None:
        with self._lock:
            if self._opening is opening:
                self._opening = None

    def _what_failed(self, error: Exception) -> str:
        if isinstance(error, TimeoutError):
            return f"The feature store did not answer in {self._timeout_s:g} s"
        return "The feature store did not answer"


class _Opening:
    """A store being opened in a thread of its own, shared by all requests that wait for it."""

    def __init__(self, open_store: Callable[[], "_OpenStore"]) -> None:
        self.store: Future[_OpenStore] = Future()
        self._since = time.monotonic()
        # daemon: a server that froze must not keep the process from ending
        threading.Thread(target=self._run, args=(open_store,), name="open-store", daemon=True).start()

    def is_hopeless(self) -> bool:
        if self.store.done():
            return self.store.exception() is not None
        return time.monotonic() - self._since > OPENING_LIMIT_S

    def _run(self, open_store: Callable[[], "_OpenStore"]) -> None:
        try:
            self.store.set_result(open_store())
        except Exception as error:  # noqa: BLE001 - every waiting request must hear of it
            log.warning("The feature store could not be opened: %s", reason(error))
            self.store.set_exception(error)


class _OpenStore:
    def __init__(self, store: "FeatureStore", threads: int) -> None:
        self._store = store
        # Feast makes both at first use, without a lock and with queries of its own: better now
        self._registry = store.registry
        self._online_store = store.provider.online_store
        self._names: dict[str, list[str]] = {}
        self._executor = ThreadPoolExecutor(threads, thread_name_prefix="look-up")
        self._first_use = threading.Lock()
        self._used = False

    def lookup(self, service: str, user_ids: Sequence[str]) -> Future[list[Row]]:
        return self._executor.submit(self._lookup, service, user_ids)

    def close_soon(self) -> None:
        """Returns at once; what other requests still wait for fails."""
        self._executor.shutdown(wait=False, cancel_futures=True)
        threading.Thread(target=self._close_connections, name="close-store", daemon=True).start()

    def _close_connections(self) -> None:
        for close in (self._online_store.close_connections, self._registry.write_engine.dispose):
            try:
                close()
            except Exception as error:  # noqa: BLE001 - it is broken already, and the other must still be closed
                log.warning("A dropped feature store was not closed: %s", reason(error))

    def _lookup(self, service: str, user_ids: Sequence[str]) -> list[Row]:
        if self._used:
            return self._read(service, user_ids)
        with self._first_use:  # the pool of connections too is made at first use, without a lock
            rows = self._read(service, user_ids)
            self._used = True
            return rows

    def _read(self, service: str, user_ids: Sequence[str]) -> list[Row]:
        if service not in self._names:
            self._names[service] = list(feature_repo.feature_types(self._store, service))
        columns = self._store.get_online_features(
            features=self._store.get_feature_service(service, allow_cache=True),
            entity_rows=[{"user_id": user_id} for user_id in user_ids],
        ).to_dict()
        names = self._names[service]
        return [{name: _known(columns[name][i]) for name in names} for i in range(len(user_ids))]


def _close_if_opened(store: "Future[_OpenStore]") -> None:
    """For a store that opened after everyone had stopped waiting for it."""
    if store.exception() is None:
        store.result().close_soon()


def _known(value: Any) -> Any:
    """None for what is no value: NaN and infinity say as little as null, and JSON cannot carry them."""
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _until(deadline: float) -> float:
    return max(0.0, deadline - time.monotonic())
