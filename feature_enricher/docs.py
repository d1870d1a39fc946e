"""/docs: the page that documents and tries the API, from files of this installation alone."""

import copy
from collections.abc import Callable
from typing import Any

from flask import Response, redirect, request, url_for
from flask_openapi3 import OpenAPI
from flask_openapi3_swagger.plugins import RegisterPlugin  # type: ignore[import-untyped]
from werkzeug.wrappers import Response as AnyResponse

from feature_enricher import what_if
from feature_enricher.problem import MEDIA_TYPE
from feature_repo.online_reader import Plan

PREFIX = "/docs"
# The page's own scripts and styles are inline; nothing may be fetched from, or sent to, another host.
ONLY_THIS_HOST = "default-src 'self' 'unsafe-inline' data:"


def add_docs(app: OpenAPI, live_plan: Callable[[], Plan | None]) -> None:
    """`live_plan` knows the features of the version that is live, if any is: what-if requests may name them."""
    # Swagger sends the document's address to a validator on the internet unless told not to.
    app.config["SWAGGER_CONFIG"] = {"validatorUrl": None}
    app.register_blueprint(RegisterPlugin.register(doc_url="openapi.json"), url_prefix=PREFIX)
    app.after_request(_keep_local)

    @app.get(f"{PREFIX}/openapi.json", doc_ui=False)
    def openapi_document() -> dict[str, Any]:
        document: dict[str, Any] = copy.deepcopy(app.api_doc)
        _name_problems(document)
        if plan := live_plan():
            _name_features(document, what_if.schema(plan))
        # The library adds "securitySchemes": null, which OpenAPI does not allow.
        return document | {"components": {"schemas": document["components"]["schemas"]}}

    @app.get(PREFIX, doc_ui=False, strict_slashes=False)
    def docs() -> AnyResponse:
        return redirect(url_for("swagger.swagger"))


def _name_problems(document: dict[str, Any]) -> None:
    """The library writes application/json everywhere; errors are application/problem+json, but for /ready's own."""
    for path, operations in document["paths"].items():
        for answer in [answer for operation in operations.values() for answer in operation["responses"].items()]:
            status, content = answer[0], answer[1]["content"]
            if status[0] in "45" and (path, status) != ("/ready", "503"):
                content[MEDIA_TYPE] = content.pop("application/json")


def _name_features(document: dict[str, Any], features: dict[str, Any]) -> None:
    body = document["paths"]["/predict"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    for alternative in body["oneOf"]:
        alternative["properties"]["features"] = features


def _keep_local(response: Response) -> Response:
    if request.path.startswith(PREFIX):
        response.headers["Content-Security-Policy"] = ONLY_THIS_HOST
    return response
