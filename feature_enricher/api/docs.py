"""/docs: the page that documents the API and sends requests, all from local files.

All its addresses are relative: it also works behind a proxy that serves the gateway below a path prefix.
"""

import copy
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from flask import Response, make_response, redirect, request
from flask_openapi3 import OpenAPI
from flask_openapi3_swagger.plugins import RegisterPlugin  # type: ignore[import-untyped]
from werkzeug.wrappers import Response as AnyResponse

from feature_enricher.access_control.access import PROBES
from feature_enricher.api.auth import SCHEMES
from feature_enricher.api.problems import MEDIA_TYPE
from feature_enricher.prediction import values
from feature_store.reading import Plan

PREFIX = "/docs"
# The page's own scripts and styles are inline. Nothing is fetched from or sent to another host.
ONLY_THIS_HOST = "default-src 'self' 'unsafe-inline' data:"
# The document is one folder below the gateway's address.
SERVERS = [{"url": "..", "description": "this gateway"}]

Document = dict[str, Any]


def add_docs(
    app: OpenAPI,
    live_plan: Callable[[], Plan | None],
    schemas: Mapping[str, Any],
    *,
    has_keys: bool,
    console: str | None = None,
) -> None:
    """`live_plan` returns the live version's plan, or None. `schemas`: the schemas that the request bodies refer to.
    `console`: the address of the pages for people."""
    # Otherwise Swagger sends the document's address to a validator on the internet.
    app.config["SWAGGER_CONFIG"] = {"validatorUrl": None}
    app.register_blueprint(RegisterPlugin.register(doc_url="openapi.json"), url_prefix=PREFIX)
    app.after_request(_keep_local)

    @app.get(f"{PREFIX}/openapi.json", doc_ui=False)
    def openapi_document() -> Document:
        document: Document = copy.deepcopy(app.api_doc)
        # The library adds "securitySchemes": null, which OpenAPI does not allow.
        components = {"schemas": document["components"]["schemas"] | copy.deepcopy(dict(schemas))}
        document |= {"servers": SERVERS, "components": components}
        _name_problems(document)
        if plan := live_plan():
            _name_features(components["schemas"], schemas.keys(), plan)
        return _with_keys(document) if has_keys else document

    _add_page(app)
    _add_root(app, console)


def _add_page(app: OpenAPI) -> None:
    """At /docs/, to which / and /docs redirect: the page's links are relative to it."""
    page = app.view_functions["swagger.swagger"]

    @app.get(f"{PREFIX}/", doc_ui=False)
    def docs() -> Response:
        return make_response(page())

    @app.get(PREFIX, endpoint="to_docs", doc_ui=False, strict_slashes=True)
    def to_docs() -> AnyResponse:
        return redirect("docs/")


def _add_root(app: OpenAPI, console: str | None) -> None:
    """/ leads browsers, which accept HTML, to the console; other clients, and all without a console, to /docs/."""

    @app.get("/", doc_ui=False)
    def root() -> AnyResponse:
        if console is None:
            return redirect("docs/")
        # `*/*` of curl and of most libraries means JSON here
        answer = redirect(f"{console}/" if "text/html" in request.headers.get("Accept", "") else "docs/")
        answer.vary.add("Accept")
        return answer


def _name_problems(document: Document) -> None:
    """flask-openapi3 writes application/json everywhere. Errors are application/problem+json, except that of /ready."""
    for path, operations in document["paths"].items():
        for answer in [answer for operation in operations.values() for answer in operation["responses"].items()]:
            status, content = answer[0], answer[1]["content"]
            if status[0] in "45" and (path, status) != ("/ready", "503"):
                content[MEDIA_TYPE] = content.pop("application/json")


def _name_features(schemas: Mapping[str, Any], bodies: Iterable[str], plan: Plan) -> None:
    """Puts the live version's features into the request bodies' schemas and into the examples."""
    for name in bodies:
        schemas[name]["properties"]["features"] = values.schema(plan)
        schemas[name]["properties"][values.EXPLAIN]["maximum"] = len(plan.names)
    example, names = values.example(plan), list(plan.names[:2])
    texts = [name for name, value in example.items() if isinstance(value, str)]
    examples = {
        "features": example,
        "features_used": example,
        "missing_features": names,
        "stale_features": names,
        "unknown_categories": dict.fromkeys(texts[:1], "a new category"),
    }
    for schema in schemas.values():
        for name in examples.keys() & schema.get("example", {}).keys():
            schema["example"][name] = examples[name]


def _with_keys(document: Document) -> Document:
    """Either header is accepted, on every path but the probes: /ready says more to a client with a key."""
    for path in document["paths"].keys() & PROBES:
        for operation in document["paths"][path].values():
            operation["security"] = [] if path == "/health" else [{}, *({name: []} for name in SCHEMES)]
    components = document["components"] | {"securitySchemes": SCHEMES}
    return document | {"components": components, "security": [{name: []} for name in SCHEMES]}


def _keep_local(response: Response) -> Response:
    if request.path.startswith(PREFIX):
        response.headers["Content-Security-Policy"] = ONLY_THIS_HOST
    return response
