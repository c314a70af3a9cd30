"""Which values a column accepts, by letting Postgres evaluate its CHECKs, domains and types on them."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import asyncpg

from app.contract.model import Column, Contract, Table
from app.contract.observed import AcceptedValues, Observation, Refusal, Relation
from app.contract.values import candidates
from app.postgres.faults import IN_THE_WAY
from app.postgres.pool import Connection
from app.postgres.rehearsal import ObstacleError, Rehearsal, refusal
from app.postgres.statements import statement
from app.settings import Settings

TEXT_LITERAL = re.compile(r"'((?:[^']|'')*)'")
FALSE = Refusal("23514", "a CHECK on the column is false")
CHANGED = "the table changed meanwhile"
# A value, and how it was refused; None where it was accepted.
Outcome: TypeAlias = tuple[str | None, Refusal | None]

SHAPE_CHANGED = (asyncpg.UndefinedTableError, asyncpg.UndefinedColumnError, asyncpg.InvalidSchemaNameError)


@dataclass(frozen=True, slots=True)
class Trial:
    """The statement that puts values to one column; `sees_rows` is whether no policy hides rows from the reader."""

    query: str
    column: str
    sees_rows: bool

    async def outcomes(self, connection: Connection, values: Sequence[str | None]) -> list[Outcome]:
        rows = await connection.fetch(self.query, self.column, values, self.sees_rows)
        return [(row["value"], None if row["accepted"] else FALSE) for row in rows]


class ValueProbe:
    """Tries documented values, near misses and null on every column that has a set of values."""

    def __init__(self, settings: Settings, contract: Contract) -> None:
        self._schema = settings.database_schema
        self._role = settings.reading_role
        self._columns = [(table, column) for table in contract.tables for column in table.columns if column.values]
        self._checks = statement("column_checks")

    async def probe(self, rehearsal: Rehearsal, observation: Observation) -> tuple[AcceptedValues, ...]:
        """One result for each such column that exists."""
        results: list[AcceptedValues] = []
        for table, column in self._columns:
            relation = observation.catalogue.relation(table.name)
            if relation is None or relation.column(column.name) is None:
                continue
            # What stood in the way once would do so again, and cost its time again.
            before = next((result.obstacle for result in results if result.table == table.name), None)
            if before is None and rehearsal.spoiled:
                before = "a function that was called changed the role"
            if before is None and not _may_read(observation, relation):
                before = f"{observation.wanted_role} may not read the table"
            if before is None:
                sees_rows = not relation.row_security or _bypasses_row_security(observation)
                results.append(await self._column(rehearsal, table, column, sees_rows=sees_rows))
            else:
                results.append(AcceptedValues(table.name, column.name, obstacle=before))
        return tuple(results)

    async def _column(self, rehearsal: Rehearsal, table: Table, column: Column, *, sees_rows: bool) -> AcceptedValues:
        try:
            return await self._tried(rehearsal, table, column, sees_rows=sees_rows)
        except IN_THE_WAY:
            return AcceptedValues(table.name, column.name, obstacle="the table is locked, or a CHECK takes too long")
        except SHAPE_CHANGED:
            return AcceptedValues(table.name, column.name, obstacle=CHANGED)
        except ObstacleError as obstacle:
            return AcceptedValues(table.name, column.name, obstacle=str(obstacle))

    async def _tried(self, rehearsal: Rehearsal, table: Table, column: Column, *, sees_rows: bool) -> AcceptedValues:
        trial, values, shared = Trial("", column.name, sees_rows), tuple[str | None, ...](), tuple[str, ...]()
        try:
            async with rehearsal.as_role(self._role) as connection:
                checks = await connection.fetchrow(self._checks, self._schema, table.name, column.name)
                if checks is None:
                    raise ObstacleError(CHANGED)
                conditions: Sequence[str] = checks["conditions"]
                mentioned = [literal for condition in conditions for literal in TEXT_LITERAL.findall(condition)]
                values = (*candidates(column.values, (*mentioned, *checks["labels"])), None)
                shared = tuple(checks["shared"])
                trial = Trial(self._query(table, conditions), column.name, sees_rows)
                outcomes = await trial.outcomes(connection, values)
        except (*IN_THE_WAY, *SHAPE_CHANGED):
            raise
        except asyncpg.PostgresError:
            outcomes = await self._one_by_one(rehearsal, trial, values)
        return AcceptedValues(
            table.name,
            column.name,
            accepted=tuple(value for value, how in outcomes if how is None and value is not None),
            refused=tuple((value, how) for value, how in outcomes if how is not None and value is not None),
            null_accepted=(None, None) in outcomes,
            shared_checks=shared,
        )

    async def _one_by_one(self, rehearsal: Rehearsal, trial: Trial, values: Sequence[str | None]) -> list[Outcome]:
        """Where one value raises, as with an enum, each is put to a statement of its own."""
        outcomes: list[Outcome] = []
        for value in values:
            try:
                async with rehearsal.as_role(self._role) as connection:
                    outcomes += await trial.outcomes(connection, [value])
            except IN_THE_WAY:
                raise
            except asyncpg.PostgresError as error:
                outcomes.append((value, refusal(error)))
        return outcomes

    def _query(self, table: Table, conditions: Sequence[str]) -> str:
        condition = " and ".join(f"({condition}) is not false" for condition in conditions) or "true"
        return statement("accepted_values", {"schema": self._schema, "table": table.name}, condition=condition)


def _may_read(observation: Observation, relation: Relation) -> bool:
    """Without it, what Postgres raises says nothing about a value."""
    schema = observation.catalogue.schema
    return schema is not None and schema.usage and "SELECT" in relation.privileges


def _bypasses_row_security(observation: Observation) -> bool:
    reader = observation.catalogue.reading_role
    return reader is not None and reader.bypasses_row_security
