"""Evidently's report beside ours: an extra that is asked for, and that speaks to nobody."""

import importlib.util
import os
import re
import socket
from pathlib import Path

import pytest

from steps import monitor
from steps.cli.errors import ExtraMissing
from steps.monitoring.report import evidently_page
from steps.runs.entry_points import arguments
from tests.steps.states.calm import calm_months


def test_without_the_extra_it_is_refused_with_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    with pytest.raises(ExtraMissing, match=r"uv pip install -r requirements-evidently\.txt"):
        monitor.main(arguments("monitor", {"as_of": "2024-02-29", "evidently": "true"}))


def test_the_default_is_without() -> None:
    assert "--evidently=false" in arguments("monitor", {"as_of": "2024-02-29"})


def test_the_report_is_one_file_made_without_a_connection(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    pytest.importorskip("evidently", reason="requirements-evidently.txt is not installed")
    for name in evidently_page.NO_TELEMETRY:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    before, now = calm_months(seed=3, months=2, users=500)
    evidently_page.write(tmp_path, before, now)
    assert all(os.environ[name] for name in evidently_page.NO_TELEMETRY)
    document = (tmp_path / evidently_page.FILE).read_text()
    assert all(name in document for name in now.columns)
    assert not re.search(r"user_id|churn_label", document)
    assert not re.search(r"<(script|link|img|iframe)[^>]+(src|href)=.https?:", document)


def refuse(*_address: object) -> None:
    raise AssertionError("a connection")
