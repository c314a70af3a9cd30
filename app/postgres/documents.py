"""Rows as JSON documents: made up where there is none to try, or changed in one place."""

import itertools
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
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


@dataclass(frozen=True, slots=True)
class Variant:
    """A row like another but for some values."""

    changes: Mapping[str, str | None]
    document: Mapping[str, Any]

    def __str__(self) -> str:
        return " and ".join(
            f"{column} {'null' if value is None else repr(value)}" for column, value in self.changes.items()
        )


def varied(document: Mapping[str, Any], values: Mapping[str, Sequence[str | None]]) -> tuple[Variant, ...]:
    """A row with all other combinations of values in these columns, those with the fewest changes first."""
    variants = []
    for combination in itertools.product(*values.values()):
        changes = {
            column: value for column, value in zip(values, combination, strict=True) if document.get(column) != value
        }
        if changes:
            variants.append(Variant(changes, {**document, **changes}))
    return tuple(sorted(variants, key=lambda variant: len(variant.changes)))


def simplest(variants: Iterable[Variant]) -> Iterator[Variant]:
    """Without those that only change more than another one does."""
    kept: list[Variant] = []
    for variant in variants:
        if not any(other.changes.items() <= variant.changes.items() for other in kept):
            kept.append(variant)
            yield variant
