"""The gateway's API, which answers for a customer as it does for every client."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from console.settings import Settings
from console.sources.http import Answer, send


@dataclass(frozen=True)
class Explained:
    answer: Answer
    unexplained: str = ""
    """Why an answer has no reasons"""

    @property
    def reasons(self) -> Mapping[str, Any]:
        return self.answer.body.get("reasons") or {}


class Gateway:
    def __init__(self, settings: Settings) -> None:
        self._url, self._timeout_s = settings.gateway_url, settings.timeout_s
        self._headers = {"X-API-Key": settings.gateway_key} if settings.gateway_key else {}

    def ready(self) -> Answer:
        return send("GET", f"{self._url}/ready", self._timeout_s, headers=self._headers)

    def predict(self, user_id: str, overrides: Mapping[str, Any], explain: int = 0) -> Answer:
        """overrides: feature -> another value than the stored one. explain: the number of reasons."""
        body: dict[str, Any] = {"user_id": user_id}
        body |= {"features": dict(overrides)} if overrides else {}
        body |= {"explain": explain} if explain else {}
        return send("POST", f"{self._url}/predict", self._timeout_s, headers=self._headers, body=body)

    def explain(self, user_id: str, overrides: Mapping[str, Any], features: int) -> Explained:
        """The prediction with reasons. Without them, as for an older version, the prediction alone and why."""
        explained = self.predict(user_id, overrides, features)
        if explained.ok:
            return Explained(explained)
        return Explained(self.predict(user_id, overrides), explained.problem)
