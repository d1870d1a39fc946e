"""Fakes of Feast, model server and watcher: objects to pass in, and real HTTP servers."""

import json
import socket
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from configuration.model_address import unix_url
from feature_enricher.errors.base import EnricherError
from feature_enricher.errors.requests import MissingFeatures
from feature_enricher.errors.upstream import ModelUnavailable, StoreUnavailable
from feature_enricher.upstream.breaker import Breaker
from feature_enricher.upstream.model_server import ModelClient, Prediction
from feature_enricher.upstream.targets import ModelTarget
from feature_store.deadline import Deadline
from feature_store.reading import FeatureRow, Plan

USER = "4686-GEFRM"
RUN_ID = "0123456789abcdef0123456789abcdef"
JANUARY, FEBRUARY = datetime(2024, 1, 31, tzinfo=UTC), datetime(2024, 2, 29, tzinfo=UTC)
TYPES = {"months_active": "Int64", "monthly_fee": "Float64", "net_service": "String", "total_paid": "Float64"}
LISTS = {
    "churn_v1": ("months_active", "monthly_fee", "net_service"),
    "churn_v2": ("months_active", "total_paid"),
}
ANSWER = {
    "prediction": 0,
    "probability": 0.1234,
    "model_name": "streamflow_churn",
    "model_version": "3",
    "run_id": RUN_ID,
    "feature_service": "churn_v1",
    "calibration": "sigmoid",
    "threshold": 0.5,
}
COMPLETE: dict[str, Any] = {
    "months_active": 70,
    "monthly_fee": 98.7,
    "net_service": "Fiber optic",
    "total_paid": 7000.5,
}


def prediction(row: FeatureRow, service: str = "churn_v1", version: str | None = "3") -> Prediction:
    return Prediction(row, 0, 0.1234, "streamflow_churn", version, RUN_ID, service, "sigmoid", 0.5)


def reasons(row: FeatureRow, features: int) -> dict[str, Any]:
    """Contributions of 0.5, -0.25, 0.125, …; half of the score is the base value."""
    parts = [(-0.5) ** nth for nth in range(1, len(row.features) + 1)]
    listed = [
        {"feature": name, "value": value, "contribution": -part, "direction": "raises" if part < 0 else "lowers"}
        for (name, value), part in zip(row.features.items(), parts, strict=True)
    ]
    rest, total = -sum(parts[features:]), -sum(parts)
    return {
        "scale": "log_odds",
        "base_value": -1.0,
        "score": -1.0 + total,
        "features": listed[:features],
        "other_features": rest,
    }


def plan(service: str) -> Plan:
    """The plan of a service with its first feature in one view and the others in another."""
    names = LISTS[service]
    views = ("profile", *["usage"] * (len(names) - 1))
    types = tuple(TYPES[name] for name in names)
    ages = {"profile": timedelta(days=27), "usage": timedelta(days=27)}
    return Plan(service, names, types, views, ages, b"", b"", str.encode, bytes.decode)


class FakeFeatures:
    def __init__(self, users: Mapping[str, dict[str, Any]]) -> None:
        self.breaker = Breaker(lambda: StoreUnavailable("open"))
        self.users = users
        self.looked_up: list[str] = []
        """The service of each lookup"""
        self.event_times = {"profile": JANUARY, "usage": JANUARY}

    def services(self, _deadline: Deadline) -> tuple[str, ...]:
        return tuple(LISTS)

    def plan(self, service: str, _deadline: Deadline) -> Plan:
        return plan(service)

    def lookup(self, service: str, user_ids: Sequence[str], _deadline: Deadline) -> tuple[Plan, list[FeatureRow]]:
        self.looked_up.append(service)
        return plan(service), [self.row(service, user_id) for user_id in user_ids]

    def row(self, service: str, user_id: str) -> FeatureRow:
        values = {name: self.users.get(user_id, {}).get(name) for name in LISTS[service]}
        times = {view for value, view in zip(values.values(), plan(service).views, strict=True) if value is not None}
        return FeatureRow(values, {view: self.event_times[view] for view in times})


class AllUsersKnown(FakeFeatures):
    def __init__(self) -> None:
        super().__init__({})

    def row(self, service: str, _user_id: str) -> FeatureRow:
        return FeatureRow({name: COMPLETE[name] for name in LISTS[service]}, dict(self.event_times))


class FailingFeatures:
    def __init__(self, error: Exception) -> None:
        self.breaker = Breaker(lambda: StoreUnavailable("open"))
        self.error = error

    def services(self, _deadline: Deadline) -> tuple[str, ...]:
        return tuple(LISTS)

    def plan(self, service: str, _deadline: Deadline) -> Plan:
        return plan(service)

    def lookup(self, *_arguments: object) -> tuple[Plan, list[FeatureRow]]:
        raise self.error


class FakeModel:
    """Answers as the version trained with `service`; refuses rows with other names, if `strict`."""

    def __init__(self, service: str = "churn_v1", *, strict: Exception | None = None) -> None:
        self.breaker = Breaker(lambda: ModelUnavailable("open"))
        self.service = service
        self.strict = strict
        self.rows: list[Mapping[str, Any]] = []
        self.explained: list[int] = []
        """The number of features of each call for reasons"""

    def predict(self, rows: Sequence[FeatureRow], _deadline: Deadline) -> list[Prediction]:
        self.rows.extend(row.features for row in rows)
        if self.strict and any(tuple(row.features) != LISTS[self.service] for row in rows):
            raise self.strict
        return [prediction(row, self.service) for row in rows]

    def explain(self, rows: Sequence[FeatureRow], features: int, deadline: Deadline) -> list[Prediction]:
        self.explained.append(features)
        predictions = self.predict(rows, deadline)
        return [replace(answer, reasons=reasons(answer.row, features)) for answer in predictions]

    def ping(self, _deadline: Deadline) -> None:
        pass


class ServedFromARun(FakeModel):
    """A model that is not from the registry has no version number."""

    def predict(self, rows: Sequence[FeatureRow], _deadline: Deadline) -> list[Prediction]:
        return [prediction(row, version=None) for row in rows]


class FailingModel:
    def __init__(self, error: Exception) -> None:
        self.breaker = Breaker(lambda: ModelUnavailable("open"))
        self.error = error

    def explain(self, *_rows: object) -> list[Prediction]:
        raise self.error

    def predict(self, *_rows: object) -> list[Prediction]:
        raise self.error

    def ping(self, _deadline: Deadline) -> None:
        raise self.error


class FakeFeatureList:
    """Names a feature list, as FeatureListOfModel does."""

    def __init__(self, service: str = "churn_v1", error: Exception | None = None) -> None:
        self.service = service
        self.error = error
        self.calls = 0

    def feature_service(self, _deadline: Deadline) -> str:
        self.calls += 1
        if self.error:
            raise self.error
        return self.service


class FixedTarget:
    """One target without an alternative."""

    def __init__(self, model: ModelClient, service: str = "churn_v1", error: EnricherError | None = None) -> None:
        self.target = ModelTarget("http://model", service, model)
        self.error = error

    def current(self, _deadline: Deadline) -> ModelTarget:
        if self.error:
            raise self.error
        return self.target

    def alternative(self, _tried: ModelTarget, refusal: EnricherError, _deadline: Deadline) -> ModelTarget:
        raise refusal

    def recheck(self, _tried: ModelTarget, _missing: MissingFeatures) -> None:
        pass

    def close(self) -> None:
        pass

    def state(self) -> dict[str, Any]:
        return {"serving": None, "warnings": [], "problem": None, "note": None}


Reply = Callable[[BaseHTTPRequestHandler, bytes], None]


def reply(body: object, status: int = 200) -> Reply:
    """A correct HTTP answer with this body: bytes unchanged, everything else as JSON."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()

    def send(handler: BaseHTTPRequestHandler, _body: bytes) -> None:
        handler.send_response(status)
        handler.send_header("Content-Length", str(len(data)))
        handler.end_headers()
        handler.wfile.write(data)

    return send


class FakeServer(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self) -> None:
        self.replies: list[Reply] = []
        """One per request, in order; the last one repeats."""
        self.seen: list[tuple[str, bytes]] = []
        self.connections: set[tuple[str, int]] = set()
        self.closing = threading.Event()
        super().__init__(("127.0.0.1", 0), _Handler)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Silent: in these tests clients give up."""


class FakeUnixServer(FakeServer):
    """At a Unix socket instead of a port."""

    address_family = socket.AF_UNIX

    def __init__(self, path: Path) -> None:
        self._path = path
        self._accepted = 0
        super().__init__()

    @property
    def url(self) -> str:
        return unix_url(self._path)

    def server_bind(self) -> None:
        self.socket.bind(str(self._path))

    def get_request(self) -> tuple[socket.socket, Any]:
        self._accepted += 1
        return self.socket.accept()[0], ("client", self._accepted)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: FakeServer

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer()

    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.server.seen.append((self.path, body))
        self.server.connections.add(self.client_address)
        replies = self.server.replies
        (replies.pop(0) if len(replies) > 1 else replies[0])(self, body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
        pass


@contextmanager
def running(server: FakeServer) -> Iterator[FakeServer]:
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server
    finally:
        server.closing.set()
        server.shutdown()
        server.server_close()
        thread.join()
