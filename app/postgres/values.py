"""Which values a column accepts, by letting Postgres evaluate its CHECKs, domains and types on them."""

import re
from collections.abc import Sequence

import asyncpg

from app.contract.model import Column, Contract, Table
from app.contract.observed import AcceptedValues, Observation, Refusal, Relation
from app.contract.values import candidates
from app.postgres.rehearsal import IN_THE_WAY, ObstacleError, Rehearsal, refusal
from app.postgres.statements import statement
from app.settings import Settings

TEXT_LITERAL = re.compile(r"'((?:[^']|'')*)'")
SHAPE_CHANGED = (asyncpg.UndefinedTableError, asyncpg.UndefinedColumnError, asyncpg.InvalidSchemaNameError)


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
                results.append(await self._column(rehearsal, table, column))
            else:
                results.append(AcceptedValues(table.name, column.name, obstacle=before))
        return tuple(results)

    async def _column(self, rehearsal: Rehearsal, table: Table, column: Column) -> AcceptedValues:
        try:
            return await self._tried(rehearsal, table, column)
        except IN_THE_WAY:
            return AcceptedValues(table.name, column.name, obstacle="the table is locked, or a CHECK takes too long")
        except SHAPE_CHANGED:
            return AcceptedValues(table.name, column.name, obstacle="the table changed meanwhile")
        except ObstacleError as obstacle:
            return AcceptedValues(table.name, column.name, obstacle=str(obstacle))

    async def _tried(self, rehearsal: Rehearsal, table: Table, column: Column) -> AcceptedValues:
        async with rehearsal.as_role(None):
            checks = await rehearsal.connection.fetchrow(self._checks, self._schema, table.name, column.name)
        if checks is None:
            raise ObstacleError("the table changed meanwhile")
        conditions: Sequence[str] = checks["conditions"]
        mentioned = [literal for condition in conditions for literal in TEXT_LITERAL.findall(condition)]
        query = statement(
            "accepted_values",
            {"schema": self._schema, "table": table.name},
            condition=" and ".join(f"({condition}) is not false" for condition in conditions) or "true",
        )
        accepted, refused = await self._outcomes(
            rehearsal, query, column.name, (*candidates(column.values, (*mentioned, *checks["labels"])), None)
        )
        return AcceptedValues(
            table.name,
            column.name,
            accepted=tuple(value for value in accepted if value is not None),
            refused=tuple((value, how) for value, how in refused if value is not None),
            null_accepted=None in accepted,
            shared_checks=tuple(checks["shared"]),
        )

    async def _outcomes(
        self, rehearsal: Rehearsal, query: str, column: str, values: Sequence[str | None]
    ) -> tuple[list[str | None], list[tuple[str | None, Refusal]]]:
        """All values in one statement; where one of them raises, as with an enum, each in a statement of its own."""
        accepted: list[str | None] = []
        refused: list[tuple[str | None, Refusal]] = []
        try:
            async with rehearsal.as_role(self._role):
                rows = await rehearsal.connection.fetch(query, column, values)
        except IN_THE_WAY:
            raise
        except asyncpg.PostgresError as error:
            if len(values) == 1:
                return [], [(values[0], refusal(error))]
            for value in values:
                one_accepted, one_refused = await self._outcomes(rehearsal, query, column, [value])
                accepted += one_accepted
                refused += one_refused
            return accepted, refused
        for row in rows:
            if row["accepted"]:
                accepted.append(row["value"])
            else:
                refused.append((row["value"], Refusal("23514", "a CHECK on the column is false")))
        return accepted, refused


def _may_read(observation: Observation, relation: Relation) -> bool:
    """Without it, what Postgres raises says nothing about a value."""
    schema = observation.catalogue.schema
    return schema is not None and schema.usage and "SELECT" in relation.privileges
