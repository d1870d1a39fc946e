"""/docs: the page that documents and tries the API, from files of this installation alone."""

from typing import Any

from flask import Response, redirect, request, url_for
from flask_openapi3 import OpenAPI
from flask_openapi3_swagger.plugins import RegisterPlugin  # type: ignore[import-untyped]
from werkzeug.wrappers import Response as AnyResponse

PREFIX = "/docs"
# The page's own scripts and styles are inline; nothing may be fetched from, or sent to, another host.
ONLY_THIS_HOST = "default-src 'self' 'unsafe-inline' data:"


def add_docs(app: OpenAPI) -> None:
    # Swagger sends the document's address to a validator on the internet unless told not to.
    app.config["SWAGGER_CONFIG"] = {"validatorUrl": None}
    app.register_blueprint(RegisterPlugin.register(doc_url="openapi.json"), url_prefix=PREFIX)
    app.after_request(_keep_local)

    @app.get(f"{PREFIX}/openapi.json", doc_ui=False)
    def openapi_document() -> dict[str, Any]:
        document: dict[str, Any] = app.api_doc
        # The library adds "securitySchemes": null, which OpenAPI does not allow.
        return document | {"components": {"schemas": document["components"]["schemas"]}}

    @app.get(PREFIX, doc_ui=False, strict_slashes=False)
    def docs() -> AnyResponse:
        return redirect(url_for("swagger.swagger"))


def _keep_local(response: Response) -> Response:
    if request.path.startswith(PREFIX):
        response.headers["Content-Security-Policy"] = ONLY_THIS_HOST
    return response
