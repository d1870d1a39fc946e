"""The gateway's API, which answers for a customer as it does for every client."""

from collections.abc import Mapping
from typing import Any

from console.settings import Settings
from console.sources.http import Answer, send


class Gateway:
    def __init__(self, settings: Settings) -> None:
        self._url, self._timeout_s = settings.gateway_url, settings.timeout_s
        self._headers = {"X-API-Key": settings.gateway_key} if settings.gateway_key else {}

    def ready(self) -> Answer:
        return send("GET", f"{self._url}/ready", self._timeout_s, headers=self._headers)

    def predict(self, user_id: str, overrides: Mapping[str, Any]) -> Answer:
        """overrides: feature -> another value than the stored one."""
        body = {"user_id": user_id, **({"features": dict(overrides)} if overrides else {})}
        return send("POST", f"{self._url}/predict", self._timeout_s, headers=self._headers, body=body)
