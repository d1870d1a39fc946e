"""What may be sent, as the OpenAPI document describes it; intake.py checks it."""

from typing import Any

from feature_enricher.schemas import USER
from feature_enricher.text import FORBIDDEN_PATTERN


def user_id_schema(longest: int) -> dict[str, Any]:
    return {
        "type": "string",
        "minLength": 1,
        "maxLength": longest,
        # "not", because a pattern for the whole text would let a newline at the end pass
        "not": {"pattern": FORBIDDEN_PATTERN},
        "example": USER,
    }


def user_id_parameter(longest: int) -> dict[str, Any]:
    return {
        "name": "user_id",
        "in": "path",
        "required": True,
        "schema": user_id_schema(longest),
        "example": USER,
    }


def predict_body(longest_id: int, most_users: int) -> dict[str, Any]:
    user_id, features = user_id_schema(longest_id), {"type": "object"}
    # The limit in words: a list above it is answered 413, which tools do not take for the refusal of a wrong body.
    limit = f"At most {most_users} users; above, 413"
    users = {"type": "array", "items": user_id, "minItems": 1, "description": limit}
    alternatives = [
        _object({"user_id": user_id, "features": features}, "user_id"),
        _object({"user_ids": users, "features": features}, "user_ids"),
    ]
    schema = {"oneOf": alternatives, "example": {"user_id": USER}}
    return {"required": True, "content": {"application/json": {"schema": schema}}}


def _object(properties: dict[str, Any], required: str) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": [required], "additionalProperties": False}
