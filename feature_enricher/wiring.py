"""The running components of one gateway, built from its settings."""

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from configuration.model_address import mutual_tls
from feature_enricher.access_control.access import AccessControl
from feature_enricher.errors.base import InvalidSetting
from feature_enricher.errors.upstream import StoreUnavailable, Unavailable
from feature_enricher.metrics import Metrics
from feature_enricher.prediction.batching import Batches
from feature_enricher.prediction.feature_list import FeatureListOfModel
from feature_enricher.prediction.features import FeastFeatures, Features
from feature_enricher.prediction.freshness import Freshness, FreshnessPoller
from feature_enricher.prediction.log_writer import PredictionLog
from feature_enricher.prediction.predictor import Item, Predictor, Result
from feature_enricher.settings import Settings, metrics_folder
from feature_enricher.upstream.http_client import Upstream
from feature_enricher.upstream.model_server import ModelServerClient
from feature_enricher.upstream.targets import FixedModelServer, Targets
from feature_enricher.upstream.watcher import WatcherClient
from feature_store.deadline import Deadline
from feature_store.reading import Plan
from feature_store.settings import UnusableOnlineStore

WATCHER_TIMEOUT_S = 1.0
PLAN_WAIT_S = 0.5
# for calls outside the batches, above all those of /ready
SPARE_CONNECTIONS = 4


@dataclass(frozen=True)
class Components:
    features: Features
    predictor: Predictor
    batches: Batches
    metrics: Metrics
    access: AccessControl
    freshness_poller: FreshnessPoller | None
    prediction_log: PredictionLog | None = None

    def predict(self, items: Sequence[Item], deadline: Deadline) -> list[Result]:
        results = self.batches.predict(items, deadline)
        self.metrics.count_results([result.code for result in results])
        return results

    def log_prediction(
        self, request_id: str, items: Sequence[Item], results: Sequence[Result], milliseconds: float
    ) -> None:
        if self.prediction_log:
            self.prediction_log.append(request_id, items, results, milliseconds)

    def warnings(self) -> list[str]:
        """For /ready."""
        return self.prediction_log.warnings() if self.prediction_log else []

    def live_plan(self) -> Plan | None:
        """The live version's plan, or None if it is not known within half a second."""
        with contextlib.suppress(Unavailable):
            deadline = Deadline.after(PLAN_WAIT_S)
            return self.features.plan(self.predictor.targets.current(deadline).feature_service, deadline)
        return None

    def refresh_metrics(self) -> None:
        live = self.predictor.targets.state()["serving"]
        breakers = {"store": self.features.breaker.state, **self._model_breaker()}
        self.metrics.refresh(breakers, live, self.batches.queue_length() + self.batches.unread)

    def close(self) -> None:
        """Ends the background threads."""
        self.batches.close()
        self.predictor.targets.close()
        if self.prediction_log:
            self.prediction_log.close()
        if self.freshness_poller:
            self.freshness_poller.close()

    def _model_breaker(self) -> Mapping[str, str]:
        with contextlib.suppress(Unavailable):
            return {"model": self.predictor.targets.current(Deadline.after(0)).model.breaker.state}
        return {}


def build_components(settings: Settings, features: Features | None, targets: Targets | None) -> Components:
    """Starts importing Feast and polling the watcher in the background, unless features and targets are passed in."""
    store = features or _feast_features(settings)
    metrics = Metrics(metrics_folder(settings))
    freshness = Freshness(settings.stale_relative_to, settings.stale_policy)
    predictor = Predictor(store, targets or build_targets(settings, store), freshness, metrics)
    batches = Batches(
        predictor.predict, workers=settings.concurrent_batches, largest_batch=settings.max_batch, observer=metrics
    )
    poller = _freshness_poller(settings, store, predictor, freshness) if isinstance(store, FeastFeatures) else None
    access = AccessControl(settings, metrics.count_wrong_key)
    return Components(store, predictor, batches, metrics, access, poller, _prediction_log(settings, metrics))


def _prediction_log(settings: Settings, metrics: Metrics) -> PredictionLog | None:
    if not settings.prediction_log or settings.log_user is None:
        return None
    prediction_log = PredictionLog(
        settings.log_user, settings.log_password, settings.prediction_log, metrics.count_logged
    )
    prediction_log.start()
    return prediction_log


def build_targets(settings: Settings, features: Features) -> Targets:
    tls = mutual_tls(settings.model_tls) if settings.model_tls else None

    def connect(url: str) -> ModelServerClient:
        connections = settings.concurrent_batches + SPARE_CONNECTIONS
        return ModelServerClient(Upstream(url, settings.model_timeout_s, connections, tls))

    def prepare(service: str) -> None:
        """The first request after a switch must not wait for Feast."""
        with contextlib.suppress(StoreUnavailable):  # the switch happens all the same; requests report the error
            features.plan(service, Deadline.after(settings.store_timeout_s))

    if settings.model_url:
        model = connect(settings.model_url)
        return FixedModelServer(settings.model_url, model, FeatureListOfModel(model, features))
    watcher = WatcherClient(Upstream(settings.rollout_url, WATCHER_TIMEOUT_S, 1), connect, prepare)
    watcher.start()
    return watcher


def _feast_features(settings: Settings) -> FeastFeatures:
    try:
        features = FeastFeatures(settings.store_timeout_s)
    except UnusableOnlineStore as error:
        raise InvalidSetting(str(error)) from error
    features.warm_up()
    return features


def _freshness_poller(
    settings: Settings, features: FeastFeatures, predictor: Predictor, freshness: Freshness
) -> FreshnessPoller:
    def newest() -> datetime | None:
        deadline = Deadline.after(settings.store_timeout_s)
        live: dict[str, Any] | None = predictor.targets.state()["serving"]
        return features.newest(live["feature_service"], deadline) if live else None

    poller = FreshnessPoller(freshness, newest, settings.freshness_s)
    poller.start()
    return poller
