"""The pydantic model of requests: it checks them and describes them in the OpenAPI document."""

from abc import ABC, abstractmethod
from typing import Annotated, Any, ClassVar, NoReturn

from flask import Request
from pydantic import BaseModel, BeforeValidator, ConfigDict, Discriminator, Field, Tag, TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from feature_enricher.api.request_bytes import body_of, path_of
from feature_enricher.api.schemas import USER
from feature_enricher.errors.requests import InvalidRequest, TooManyUsers
from feature_enricher.prediction.predictor import Item
from feature_enricher.prediction.values import (
    BROKEN_TEXT,
    MOST_NAMED,
    OVERRIDES,
    explain_type,
    fields_named,
    listed,
    shortened,
    shown,
    text_type,
)

FIELDS = ("user_id", "user_ids", "features", "explain")
FEATURES_PATH = "/features/"
SCHEMA_REF = "#/components/schemas/{model}"
EXPLAINED = "With a number above 0, the answer has `reasons`: so many features, those that moved the score most"
# pydantic's type of error -> our message
MUST = {
    "string_type": "must be a string, not {shown}",
    "string_too_short": "must not be empty",
    "string_too_long": "must not be longer than {max_length} characters; it has {length}",
    "string_unicode": BROKEN_TEXT,
    "unreadable": BROKEN_TEXT,
    "list_type": "must be an array, not {shown}",
    "too_short": "must not be empty",
    "dict_type": "must be an object, not {shown}",
    "missing": "is missing",
    "int_type": "must be a whole number, not {shown}",
    "greater_than_equal": "must be a whole number from 0, not {shown}",
}


class PredictRequest(BaseModel, ABC):
    """Common to both forms of the body of POST /predict."""

    model_config = ConfigDict(extra="forbid", strict=True)
    is_list: ClassVar[bool]
    """True for user_ids, which is answered with a list"""
    features: dict[str, Any] = Field(default_factory=dict, description=OVERRIDES)
    explain: explain_type() = Field(0, description=EXPLAINED)  # type: ignore[valid-type]

    @abstractmethod
    def items(self) -> list[Item]:
        """One item per user, in the order of the request."""


class RequestParser:
    """Checks the bodies of POST /predict and the user_id in a path, within the deployment's limits."""

    def __init__(self, longest_id: int, most_users: int) -> None:
        user_id = text_type(longest_id, 1, example=USER)
        self._user_id: TypeAdapter[str] = TypeAdapter(user_id)
        self._body: TypeAdapter[PredictRequest] = TypeAdapter(_body_type(user_id, most_users))

    def parse_body(self, request: Request) -> PredictRequest:
        """Raises InvalidRequest, NotJson, UnsupportedEncoding, TooManyUsers."""
        body = body_of(request)
        if not isinstance(body, dict):
            message = f"The body must be a JSON object with the field user_id or user_ids, not {shown(body)}"
            raise InvalidRequest(message, ["user_id"])
        try:
            return self._body.validate_python(body)
        except ValidationError as error:
            _refuse(error)

    def user_id_from_path(self, request: Request) -> str:
        """The path after /features/, decoded. Raises InvalidRequest."""
        user_id = path_of(request).removeprefix(FEATURES_PATH)
        try:
            return self._user_id.validate_python(user_id)
        except ValidationError as error:
            _refuse(error, "user_id")

    def user_id_parameter(self) -> dict[str, Any]:
        schema = self._user_id.json_schema()
        return {"name": "user_id", "in": "path", "required": True, "schema": schema, "example": USER}

    def request_body(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """For the OpenAPI document: the request body, and the schemas that it refers to by name."""
        schema = self._body.json_schema(ref_template=SCHEMA_REF)
        schemas = schema.pop("$defs")
        content = {"application/json": {"schema": schema | {"example": {"user_id": USER}}}}
        return {"required": True, "content": content}, schemas


def _body_type(identifier: Any, most_users: int) -> Any:
    def at_most(value: object) -> object:
        if isinstance(value, list) and len(value) > most_users:
            raise TooManyUsers(f"user_ids has {len(value)} users; at most {most_users} are allowed")
        return value

    # The limit is only in the text: a longer list is answered 413, where tools would expect 422 for a schema's limit.
    limit = Field(min_length=1, description=f"At most {most_users} users, otherwise 413")

    class OneUser(PredictRequest):
        """A prediction for one user."""

        is_list = False
        user_id: identifier

        def items(self) -> list[Item]:
            return [Item(self.user_id, self.features, self.explain)]

    class ManyUsers(PredictRequest):
        """Predictions for several users."""

        is_list = True
        user_ids: Annotated[list[identifier], limit, BeforeValidator(at_most)]

        def items(self) -> list[Item]:
            return [Item(user_id, self.features, self.explain) for user_id in self.user_ids]

    form = Annotated[OneUser, Tag("user_id")] | Annotated[ManyUsers, Tag("user_ids")]
    return Annotated[form, Discriminator(_form)]


def _form(body: Any) -> str:
    """The tag of the body's form, so that errors are only about that form."""
    if "user_id" in body and "user_ids" in body:
        raise InvalidRequest("Give user_id or user_ids, not both", ["user_id", "user_ids"])
    return "user_ids" if "user_ids" in body else "user_id"


def _refuse(error: ValidationError, field: str = "") -> NoReturn:
    """Names the first errors. `field`: the name of a value outside a body."""
    details = [detail | {"loc": detail["loc"][1:]} for detail in error.errors(include_url=False)]
    unknown = [str(detail["loc"][0]) for detail in details if detail["type"] == "extra_forbidden"]
    if unknown:
        raise InvalidRequest(f"Unknown fields: {listed(unknown)}. Expected: {', '.join(FIELDS)}", fields_named(unknown))
    errors = [(field or _field_at(detail["loc"]), _must(detail)) for detail in details[:MOST_NAMED]]
    message = "; ".join(f"{name} {must}" for name, must in errors)
    raise InvalidRequest(message, [name for name, _must in errors])


def _must(detail: ErrorDetails) -> str:
    value = detail["input"]
    length = len(value) if isinstance(value, str) else 0
    return MUST[detail["type"]].format(shown=shown(value), length=length, **detail.get("ctx", {}))


def _field_at(location: tuple[int | str, ...]) -> str:
    """In a client's notation: user_ids[3]."""
    steps = (f"[{step}]" if isinstance(step, int) else f".{shortened(step)}" for step in location)
    return "".join(steps).removeprefix(".") or "a name"
