"""The running parts of one gateway, put together from its settings; close() ends what runs in the background."""

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import feature_store
from feature_enricher.deadline import Deadline
from feature_enricher.errors.base import InvalidSetting
from feature_enricher.errors.upstream import StoreUnavailable, Unavailable
from feature_enricher.metrics import Metrics
from feature_enricher.prediction.batching import Batches
from feature_enricher.prediction.features import FeastFeatures, Features
from feature_enricher.prediction.freshness import Freshness, Watch
from feature_enricher.prediction.predictor import Item, Result, Serving
from feature_enricher.settings import Settings, metrics_folder
from feature_enricher.upstream.http_client import Upstream
from feature_enricher.upstream.model_server import ModelServer
from feature_enricher.upstream.registry import Registry
from feature_enricher.upstream.targets import HandStarted, Targets
from feature_enricher.upstream.watcher import Rollout
from feature_store.reading import Plan

WATCHER_TIMEOUT_S = 1.0
AT_ONCE_S = 0.5
# for what asks beside the batches: /ready above all
SPARE_CONNECTIONS = 4


@dataclass(frozen=True)
class Parts:
    features: Features
    serving: Serving
    batches: Batches
    metrics: Metrics
    watch: Watch | None

    def predict(self, items: Sequence[Item], deadline: Deadline) -> list[Result]:
        results = self.batches.predict(items, deadline)
        self.metrics.results_given([result.code for result in results])
        return results

    def live_plan(self) -> Plan | None:
        """The live version's, where that is known at once."""
        with contextlib.suppress(Unavailable):
            deadline = Deadline.after(AT_ONCE_S)
            return self.features.plan(self.serving.targets.current(deadline).feature_service, deadline)
        return None

    def metrics_page(self) -> bytes:
        serving = self.serving.targets.state()["serving"]
        breakers = {"store": self.features.breaker.state, **self._model_breaker()}
        return self.metrics.page(breakers, serving, self.batches.queue_length() + self.batches.unread)

    def close(self) -> None:
        self.batches.close()
        self.serving.targets.close()
        if self.watch:
            self.watch.close()

    def _model_breaker(self) -> Mapping[str, str]:
        with contextlib.suppress(Unavailable):
            return {"model": self.serving.targets.current(Deadline.after(0)).model.breaker.state}
        return {}


def make_parts(settings: Settings, features: Features | None, targets: Targets | None) -> Parts:
    """Begins to import Feast, and to poll the watcher, unless features and targets are given."""
    store = features or _feast_features(settings)
    metrics = Metrics(metrics_folder(settings))
    freshness = Freshness(settings.stale_relative_to, settings.stale_policy)
    serving = Serving(store, targets or make_targets(settings, store), freshness, metrics)
    batches = Batches(serving.predict, workers=settings.lanes, largest_batch=settings.max_batch, observer=metrics)
    watch = _watch(settings, store, serving, freshness) if isinstance(store, FeastFeatures) else None
    return Parts(store, serving, batches, metrics, watch)


def make_targets(settings: Settings, features: Features) -> Targets:
    def connect(url: str) -> ModelServer:
        return ModelServer(Upstream(url, settings.model_timeout_s, settings.lanes + SPARE_CONNECTIONS))

    def prepare(service: str) -> None:
        """The first request after a turn must not wait for Feast."""
        with contextlib.suppress(StoreUnavailable):  # the turn is made all the same; requests will say what is wrong
            features.plan(service, Deadline.after(settings.store_timeout_s))

    if settings.model_url:
        registry = Upstream(settings.registry_url, settings.registry_timeout_s, SPARE_CONNECTIONS)
        asked = Registry(registry, settings.model_name, settings.stage)
        return HandStarted(settings.model_url, connect(settings.model_url), asked)
    rollout = Rollout(Upstream(settings.rollout_url, WATCHER_TIMEOUT_S, 1), connect, prepare)
    rollout.start()
    return rollout


def _feast_features(settings: Settings) -> FeastFeatures:
    try:
        features = FeastFeatures(settings.store_timeout_s)
    except feature_store.UnusableOnlineStore as error:
        raise InvalidSetting(str(error)) from error
    features.warm_up()
    return features


def _watch(settings: Settings, features: FeastFeatures, serving: Serving, freshness: Freshness) -> Watch:
    def newest() -> datetime | None:
        deadline = Deadline.after(settings.store_timeout_s)
        state: dict[str, Any] | None = serving.targets.state()["serving"]
        return features.newest(state["feature_service"], deadline) if state else None

    watch = Watch(freshness, newest, settings.freshness_s)
    watch.start()
    return watch
