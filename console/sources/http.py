"""HTTP to the project's own servers, never through a proxy. A failure is a part of the answer: pages show it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import requests

OK = 200


@dataclass(frozen=True)
class Answer:
    """status: None where none came, and then `problem` says why. body: {} if it is no JSON object."""

    status: int | None
    body: Mapping[str, Any] = field(default_factory=dict)
    problem: str = ""

    @property
    def ok(self) -> bool:
        return self.status == OK


def send(
    method: str, url: str, timeout_s: float, *, headers: Mapping[str, str] | None = None, body: object = None
) -> Answer:
    with requests.Session() as session:
        session.trust_env = False  # no proxy, .netrc or certificate bundle of the shell
        try:
            answer = session.request(
                method, url, json=body, headers=dict(headers or {}), timeout=timeout_s, allow_redirects=False
            )
        except requests.RequestException as error:
            return Answer(None, problem=f"{url} does not answer: {type(error).__name__}")
    content = _object(answer)
    if answer.status_code == OK:
        return Answer(OK, content)
    return Answer(answer.status_code, content, str(content.get("error") or f"{url} answers {answer.status_code}"))


def _object(answer: requests.Response) -> Mapping[str, Any]:
    try:
        content = answer.json()
    except ValueError:
        return {}
    return content if isinstance(content, dict) else {}
