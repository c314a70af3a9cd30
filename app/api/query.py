"""Query strings: read into a model whose fields are all the parameters a path takes."""

from typing import Any, TypeVar

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, ValidationError


class QueryModel(BaseModel):
    """Base of the parameters of a path. One that is not among them is an error, not ignored."""

    model_config = ConfigDict(extra="forbid", frozen=True)


Query = TypeVar("Query", bound=QueryModel)


def read_query(model: type[Query], request: Request) -> Query:
    """The parameters of a request; of a repeated one, the last. Raises RequestValidationError naming what is wrong.

    FastAPI's own query models cost a cached answer a fifth of its time; most requests have no query string at all.
    """
    if not request.scope["query_string"]:
        return model()
    try:
        return model.model_validate(dict(request.query_params))
    except ValidationError as error:
        found = error.errors(include_input=False, include_url=False, include_context=False)
        raise RequestValidationError([{**one, "loc": ("query", *one["loc"])} for one in found]) from error


def documented(model: type[QueryModel]) -> dict[str, Any]:
    """The parameters for the OpenAPI document, as `openapi_extra` takes them."""
    properties = model.model_json_schema()["properties"]
    return {
        "parameters": [
            {"name": name, "in": "query", "required": False, "description": schema.pop("description"), "schema": schema}
            for name, schema in properties.items()
        ]
    }
