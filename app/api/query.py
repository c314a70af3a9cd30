"""Query strings: read into a model whose fields are all the parameters a path takes."""

from functools import cache
from typing import Any, NoReturn, TypeVar, get_origin

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema


class QueryModel(BaseModel):
    """Base of the parameters of a path. One that is not among them is an error, not ignored."""

    model_config = ConfigDict(extra="forbid", frozen=True)


Query = TypeVar("Query", bound=QueryModel)


def read_query(model: type[Query], request: Request) -> Query:
    """The parameters of a request; of a repeated one all, where its field is a tuple, or else the last. Raises
    RequestValidationError naming what is wrong.

    FastAPI's own query models cost a cached answer a fifth of its time; most requests have no query string at all.
    """
    if not request.scope["query_string"]:
        return model()
    given: dict[str, Any] = dict(request.query_params)
    for name in given.keys() & repeatable(model):
        given[name] = request.query_params.getlist(name)
    try:
        return model.model_validate(given)
    except ValidationError as error:
        found = error.errors(include_input=False, include_url=False, include_context=False)
        # Of a repeated parameter, the place in its list is left out.
        raise RequestValidationError(
            [{**one, "loc": ("query", *one["loc"][:1]), "msg": PLAIN.get(one["type"], one["msg"])} for one in found]
        ) from error


def refuse(name: str, message: str) -> NoReturn:
    """Raises RequestValidationError for a parameter that only its use shows to be wrong."""
    raise RequestValidationError([{"loc": ("query", name), "type": "value_error", "msg": message}])


# Messages that would repeat a part of the value.
PLAIN = {"uuid_parsing": "Input should be a valid UUID"}


@cache
def repeatable(model: type[QueryModel]) -> frozenset[str]:
    return frozenset(name for name, field in model.model_fields.items() if get_origin(field.annotation) is tuple)


def documented(model: type[QueryModel], *others: dict[str, Any]) -> dict[str, Any]:
    """The parameters for the OpenAPI document, as `openapi_extra` takes them, and others that are written already."""
    whole = model.model_json_schema(schema_generator=_WithoutNull)
    parameters = []
    for name, schema in whole["properties"].items():
        given = _in_place(schema, whole.get("$defs", {}))
        description = given.pop("description")
        if given["default"] is None:
            del given["default"]
        parameters.append({"name": name, "in": "query", "required": False, "description": description, "schema": given})
    return {"parameters": [*parameters, *others]}


class _WithoutNull(GenerateJsonSchema):
    """A query string has no null: what may be missing is left out."""

    def nullable_schema(self, schema: core_schema.NullableSchema) -> JsonSchemaValue:
        return self.generate_inner(schema["schema"])


def _in_place(schema: Any, definitions: dict[str, Any]) -> Any:  # noqa: ANN401 - any part of a JSON schema
    """With each definition where it is referred to: the document keeps a model's own nowhere."""
    if isinstance(schema, list):
        return [_in_place(one, definitions) for one in schema]
    if not isinstance(schema, dict):
        return schema
    own = {name: _in_place(value, definitions) for name, value in schema.items() if name != "$ref"}
    return {**definitions[schema["$ref"].removeprefix("#/$defs/")], **own} if "$ref" in schema else own
