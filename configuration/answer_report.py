"""What gateways tell the watcher about a model server's answers: POST /answers, a JSON object.

The counts are of one client from its start, so a report that is lost or sent twice changes nothing.
"""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from configuration.model_address import socket_path

PATH = "/answers"
KEY_FILE = "answers.key"
LONGEST = 4096
"""Bytes"""


@dataclass(frozen=True)
class AnswerCounts:
    answers: int = 0
    """Users for whom the model server was asked"""
    failed: int = 0
    """Those of them who got no valid answer in time"""
    calls: int = 0
    """Of the model server, with one or more users each"""
    failed_calls: int = 0
    seconds: float = 0.0
    """Of all calls"""

    def __add__(self, other: "AnswerCounts") -> "AnswerCounts":
        return AnswerCounts(
            self.answers + other.answers,
            self.failed + other.failed,
            self.calls + other.calls,
            self.failed_calls + other.failed_calls,
            self.seconds + other.seconds,
        )


@dataclass(frozen=True)
class AnswerReport:
    url: str
    """Of the model server"""
    client: str
    """A random name: there are several gateways, each with several processes"""
    key: str
    """The content of KEY_FILE beside the server's Unix socket; empty for a server at a port"""
    counts: AnswerCounts


def parsed(body: bytes) -> AnswerReport:
    """Raises ValueError."""
    try:
        fields: dict[str, Any] = json.loads(body)
        report = AnswerReport(**{**fields, "counts": AnswerCounts(**fields["counts"])})
    except (TypeError, KeyError) as error:
        raise ValueError("not a report") from error
    if not all(isinstance(text, str) for text in (report.url, report.client, report.key)):
        raise ValueError("not a report")
    if not all(type(value) in (int, float) and 0 <= value < float("inf") for value in asdict(report.counts).values()):
        raise ValueError("not counts")
    return report


def key_of(url: str) -> str:
    """The key of the model server at this address; only those who may reach its socket can read it."""
    path = socket_path(url)
    try:
        return Path(path).with_name(KEY_FILE).read_text() if path else ""
    except OSError:
        return ""
