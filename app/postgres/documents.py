"""Rows as JSON documents: made up where there is none to try, or changed in one place."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any
from uuid import UUID

from app.contract.observed import Relation

# By the name of the base type in pg_catalog; a moment is written as every version of Postgres reads it.
PLAUSIBLE: dict[str, Any] = {
    **dict.fromkeys(("text", "varchar", "bpchar"), "x"),
    **dict.fromkeys(("int2", "int4", "int8", "numeric", "float4", "float8"), 1),
    **dict.fromkeys(("timestamptz", "timestamp", "date"), "now"),
    "json": {},
    "jsonb": {},
    "bool": False,
}


def made_up(relation: Relation, columns: Collection[str], some_id: UUID) -> dict[str, Any]:
    """A row with something plausible in these of a table's columns, and nothing in the others."""
    plausible = {**PLAUSIBLE, "uuid": str(some_id)}
    return {
        column.name: plausible[column.type.name]
        for column in relation.columns
        if column.name in columns and column.type.schema == "pg_catalog" and column.type.name in plausible
    }


def varied(
    document: Mapping[str, Any], values: Mapping[str, Sequence[str | None]]
) -> Iterator[tuple[str, dict[str, Any]]]:
    """A row with each other value of these columns, one at a time, and what makes it another."""
    for column, others in values.items():
        for value in others:
            if document.get(column) != value:
                yield f"{column} {'null' if value is None else repr(value)}", {**document, column: value}
