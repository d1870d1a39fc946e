"""The watcher's page /metrics, in Prometheus' text format. Makes no call: other threads have read what it shows."""

from collections.abc import Callable, Iterable, Iterator
from datetime import date, datetime
from typing import Any

from prometheus_client import CollectorRegistry, Metric, PlatformCollector, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from rollout.metrics.readings import Readings
from rollout.registry import RegistryPoll
from steps.warehouse import Observation, ObservedFigure

VERDICTS = {"ok": 0, "watch": 1, "alarm": 2}
FIGURE = ("version", "as_of", "month", "metric", "slice", "reference")


class MetricsPage(Collector):
    def __init__(
        self,
        model: str,
        status: Callable[[], dict[str, Any]],
        registry: RegistryPoll,
        readings: Readings,
        times_turned_back: Callable[[], int] = int,
    ) -> None:
        """status: the body of /live."""
        self._model, self._status, self._registry, self._readings = model, status, registry, readings
        self._times_turned_back = times_turned_back
        self._collected = CollectorRegistry()
        for collector in (PlatformCollector, ProcessCollector):
            collector(registry=self._collected)
        self._collected.register(self)

    def text(self) -> bytes:
        return generate_latest(self._collected)

    def collect(self) -> Iterator[Metric]:
        serving, reachable = self._status(), self._registry.has_answered and not self._registry.error
        yield _gauge("watcher_registry_reachable", "1 if the last poll of the registry succeeded", reachable)
        live = serving["serving"] or {}
        yield self._versions("watcher_live_version", "1 for the version that serves", live.get("version"))
        target = self._registry.target
        yield self._versions("watcher_target_version", "1 for the version to serve", target.version if target else None)
        problem = bool(serving["problem"])
        yield _gauge("watcher_problem", "1 while the registry's version cannot serve: /live has the reason", problem)
        turned_back = (serving.get("turned_back") or {}).get("version")
        yield self._versions("watcher_version_turned_back", "1 while the version is turned back", turned_back)
        yield CounterMetricFamily(
            "watcher_automatic_rollbacks", "Times that a promoted version was turned back", self._times_turned_back()
        )
        read_at = self._readings.read_at
        yield from _times("watcher_warehouse_read", "the last successful reading of the warehouse", read_at)
        if observed := self._readings.newest:
            yield from _of_months(observed)
            yield _of_steps(observed)
            yield from _of_figures(observed)

    def describe(self) -> Iterable[Metric]:
        return []  # else it would be collected once before anything was read

    def _versions(self, name: str, text: str, version: str | None) -> Metric:
        family = GaugeMetricFamily(name, text, labels=["model", "version"])
        if version is not None:
            family.add_metric([self._model, str(version)], 1)
        return family


def _gauge(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(name, text, value=float(value))


def _times(name: str, event: str, moment: datetime | None) -> Iterator[Metric]:
    """No series without a moment: 0 would be 1970."""
    if moment is not None:
        yield _gauge(f"{name}_timestamp_seconds", f"Unix time of {event}", moment.timestamp())


def _of_months(observed: Observation) -> Iterator[Metric]:
    yield _gauge("streamflow_months", "Loaded months", observed.months)
    yield from _times("streamflow_newest_month", "the day (as_of) of the newest month", observed.newest_month)
    yield from _times("streamflow_month_load", "the last load of a month that changed something", observed.newest_load)
    yield from _times(
        "streamflow_unlabelled_month_load", "the first load of a month that has no labels", observed.unlabelled_since
    )


def _of_steps(observed: Observation) -> Metric:
    family = GaugeMetricFamily(
        "streamflow_step_success_timestamp_seconds", "Unix time at which a step last succeeded", labels=["step"]
    )
    for step, moment in observed.step_successes.items():
        family.add_metric([step], moment.timestamp())
    return family


def _of_figures(observed: Observation) -> Iterator[Metric]:
    """Of the version that serves. verdict: 0 ok, 1 watch, 2 alarm; no series for a figure that is not judged."""
    families = {
        name: GaugeMetricFamily(f"streamflow_monitoring_{name}", f"The monitor's {name} of a figure", labels=FIGURE)
        for name in ("estimate", "low", "high", "threshold", "verdict")
    }
    for figure in observed.figures:
        for name, value in _values(figure).items():
            if value is not None:
                families[name].add_metric(_labels(figure, observed.version), value)
    yield from families.values()
    made_at = max((figure.made_at for figure in observed.figures), default=None)
    yield from _times("streamflow_monitoring", "the monitor's newest figures of the version that serves", made_at)


def _values(figure: ObservedFigure) -> dict[str, float | None]:
    return {
        "estimate": figure.estimate,
        "low": figure.low,
        "high": figure.high,
        "threshold": figure.threshold,
        "verdict": VERDICTS.get(figure.verdict),
    }


def _labels(figure: ObservedFigure, version: str | None) -> list[str]:
    days: tuple[date, date] = (figure.as_of, figure.month)
    return [str(version), *map(str, days), figure.metric, figure.slice, figure.reference]
