"""The schema of reasons in the OpenAPI document. upstream/reasons.py checks the model server's."""

from typing import Literal

from pydantic import BaseModel, ConfigDict


class Reason(BaseModel):
    model_config = ConfigDict(extra="forbid")
    feature: str
    value: bool | int | float | str
    contribution: float
    direction: Literal["raises", "lowers", "none"]


class Reasons(BaseModel):
    """base_value, the contributions of `features` and other_features add up to score."""

    model_config = ConfigDict(extra="forbid")
    scale: Literal["probability", "log_odds"]
    base_value: float
    score: float
    features: list[Reason]
    other_features: float
