"""The OpenAPI document: what FastAPI reads from the routes, and what every answer of this service has in common."""

from typing import Any

from fastapi import FastAPI

from app.api.headers import REQUEST_ID, SANE_REQUEST_ID
from app.api.problems import Problem

COMMON = {
    REQUEST_ID: {"schema": {"type": "string", "pattern": f"^{SANE_REQUEST_ID.pattern}$"}},
    "Cache-Control": {"schema": {"type": "string", "const": "no-store"}},
}
ABOUT_REQUEST_ID = "for the answer and the log, where it is 1 to 128 letters, digits, `.`, `_`, `:` or `-`"


def install(app: FastAPI) -> None:
    """Complete what `app.openapi` gives."""
    generate = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _completed(generate())
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign] # As FastAPI says to.


def _completed(document: dict[str, Any]) -> dict[str, Any]:
    components = document["components"]
    components["schemas"]["Problem"] = Problem.model_json_schema()
    components["headers"] = {name: {**header, "required": True} for name, header in COMMON.items()}
    headers = {name: {"$ref": f"#/components/headers/{name}"} for name in COMMON}
    request_id = {"name": REQUEST_ID, "in": "header", "description": ABOUT_REQUEST_ID, "schema": {"type": "string"}}
    for path in document["paths"].values():
        for operation in path.values():
            for answer in operation["responses"].values():
                answer["headers"] = headers | answer.get("headers", {})
        path["parameters"] = [request_id]
    return document
