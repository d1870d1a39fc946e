"""/metrics: the gateway's counters, in a registry per application, so each application starts at zero.

With several worker processes, prometheus_client keeps the values in files that all of them share (its multiprocess
mode, which server/run.py turns on). Metrics of the process itself are then left out: they would be of any process.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cache, partial
from pathlib import Path
from typing import Any

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    GCCollector,
    Histogram,
    PlatformCollector,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.multiprocess import MultiProcessCollector

from feature_enricher.metric_series import COUNTED_FROM_ZERO, LOST_LOG_ROWS
from feature_enricher.process_metrics import SampledProcess, forget_ended_processes

SECONDS = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5)
USERS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)
BREAKER_STATES = ("closed", "half_open", "open")


class Metrics:
    def __init__(self, shared_folder: str | None = None) -> None:
        """shared_folder: holds the values of all worker processes, if there are several."""
        disable_created_metrics()  # type: ignore[no-untyped-call] # a second series for each metric, which nothing reads
        registry = self._registry = CollectorRegistry()
        self._shared_folder = shared_folder
        if shared_folder:
            forget_ended_processes(Path(shared_folder))
        for collector in (PlatformCollector, GCCollector):
            collector(registry=registry)
        self._process = SampledProcess()
        registry.register(self._process)
        self._add_counters()
        self._latency = Histogram(
            "gateway_request_seconds", "Whole requests", ["route"], buckets=SECONDS, registry=registry
        )
        self._parts = Histogram(
            "gateway_part_seconds",
            "Time of a request in queue, lookup and model",
            ["part"],
            buckets=SECONDS,
            registry=registry,
        )
        self._batches = Histogram("gateway_batch_users", "Users in a batch", buckets=USERS, registry=registry)
        self._add_gauges()
        self._live: tuple[str, ...] = ()
        # finding a series by its labels takes longer than counting in it; there are few codes and routes
        self._clients_of = cache(self._clients.labels)
        self._requests_of, self._latency_of = cache(self._requests.labels), cache(self._latency.labels)
        self._begin_at_zero()
        self._users_of = cache(self._users.labels)
        self._oldest_times: dict[str, datetime] = {}

    def _add_counters(self) -> None:
        self._requests = Counter(
            "gateway_requests_total",
            "Requests by route and outcome",
            ["route", "status", "code"],
            registry=self._registry,
        )
        self._clients = Counter(
            "gateway_client_requests_total", "Requests by client's key", ["client", "status"], registry=self._registry
        )
        self._wrong_keys = Counter("gateway_wrong_keys_total", "Requests with a wrong API key", registry=self._registry)
        self._users = Counter(
            "gateway_results_total", "Answers for users by outcome", ["code"], registry=self._registry
        )
        self._logged = Counter(
            "gateway_prediction_log_rows_total",
            "Rows of the prediction log by outcome",
            ["outcome"],
            registry=self._registry,
        )

    def _begin_at_zero(self) -> None:
        for route, status, code in COUNTED_FROM_ZERO:
            self._requests_of(route, str(status), code)
        for outcome in LOST_LOG_ROWS:
            self._logged.labels(outcome)

    def _add_gauges(self) -> None:
        """The modes say how the values of several processes are combined."""
        summed = partial(Gauge, registry=self._registry, multiprocess_mode="livesum")
        highest = partial(Gauge, registry=self._registry, multiprocess_mode="livemax")
        self._in_flight = summed("gateway_requests_in_flight", "Requests being answered")
        self._queue = summed("gateway_queue_requests", "Requests waiting to be read, or for the next batch")
        self._breakers = highest("gateway_breaker_state", "1 for the current state", ["part", "state"])
        self._ages = highest("gateway_feature_age_seconds", "Age of the oldest values in the last batch", ["view"])
        identity = ["model", "version", "run_id", "feature_service"]
        self._served = highest("gateway_served_version", "1 for the live version", identity)

    def sample_process(self) -> None:
        """From now on, the page has the process's own values as they are at this moment."""
        self._process.sample()

    def request_began(self) -> None:
        self._in_flight.inc()

    def request_done(self) -> None:
        self._in_flight.dec()

    def record_request(self, route: str, status: int, code: str, seconds: float, client: str) -> None:
        """client: the name of its key."""
        self._requests_of(route, str(status), code).inc()
        self._clients_of(client, str(status)).inc()
        self._latency_of(route).observe(seconds)

    def request_shed(self, status: int, code: str, client: str) -> None:
        """Refused before it was read: it has no route and no duration."""
        self._requests_of("shed", str(status), code).inc()
        self._clients_of(client, str(status)).inc()

    def count_wrong_key(self) -> None:
        self._wrong_keys.inc()

    def count_results(self, codes: Sequence[str]) -> None:
        for code in codes:
            self._users_of(code).inc()

    def count_logged(self, outcome: str, rows: int) -> None:
        """outcome: written, or the reason of their loss."""
        self._logged.labels(outcome).inc(rows)

    def batch_sent(self, users: int) -> None:
        self._batches.observe(users)

    def waited(self, seconds: Sequence[float]) -> None:
        """Waiting times of the requests of a batch, in seconds, until the batch started."""
        queue = self._parts.labels("queue")
        for wait_s in seconds:
            queue.observe(wait_s)

    @contextmanager
    def timed(self, part: str) -> Iterator[None]:
        began = time.perf_counter()
        try:
            yield
        finally:
            self._parts.labels(part).observe(time.perf_counter() - began)

    def observe_event_times(self, oldest_times: Mapping[str, datetime]) -> None:
        """View -> its oldest event time in a batch."""
        self._oldest_times = {**self._oldest_times, **oldest_times}

    def refresh(self, breakers: Mapping[str, str], serving: Mapping[str, Any] | None, requests_waiting: int) -> None:
        """Sets this process's states. breakers: part -> state. serving: the live version, as in Targets.state()."""
        self._queue.set(requests_waiting)
        for part, current in breakers.items():
            for state in BREAKER_STATES:
                self._breakers.labels(part, state).set(state == current)
        for view, moment in self._oldest_times.items():
            self._ages.labels(view).set((datetime.now(UTC) - moment).total_seconds())
        self._set_live(serving)

    def page(self) -> bytes:
        """Prometheus' text format: of all processes, with the states that each had at its last refresh()."""
        if not self._shared_folder:
            return generate_latest(self._registry)
        combined = CollectorRegistry()
        MultiProcessCollector(combined, self._shared_folder)  # type: ignore[no-untyped-call]
        return generate_latest(combined)

    def _set_live(self, serving: Mapping[str, Any] | None) -> None:
        names = ("model_name", "version", "run_id", "feature_service")
        live = tuple(str(serving.get(name) or "") for name in names) if serving else ()
        if self._live and self._live != live:
            self._served.labels(*self._live).set(0)
        if live:
            self._served.labels(*live).set(1)
        self._live = live
