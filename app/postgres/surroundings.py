"""Reading what a fix must know: what surrounds the tables that failed, and how many of their rows stand in its way."""

from typing import TypedDict

import asyncpg
import msgspec

from app.contract.fix.questions import Questions, Trying
from app.contract.model import Contract, Table
from app.contract.observed import Access, Observation
from app.contract.surroundings import (
    MOST_READ,
    Answer,
    Belonging,
    Leak,
    Question,
    QuestionKind,
    RefusingChecks,
    Surroundings,
    Trial,
)
from app.postgres.access import AccessProbe
from app.postgres.faults import IN_THE_WAY
from app.postgres.people import People
from app.postgres.pool import Database
from app.postgres.rehearsal import ObstacleError, Rehearsal
from app.postgres.statements import statement
from app.settings import Settings


class Tried(TypedDict, total=False):
    """What came of trying policies, by the names that Surroundings has for it."""

    policies: tuple[Access, ...]
    leaks: tuple[Leak, ...]
    trials: tuple[Trial, ...]


class SurroundingsReader:
    """Reads once for each report in which something failed. Whatever cannot be read leaves its own answer open."""

    def __init__(self, database: Database, settings: Settings, contract: Contract) -> None:
        self._database = database
        self._settings = settings
        self._schema = settings.database_schema
        self._role = settings.reading_role
        self._access = AccessProbe(settings, contract)
        self._tables = [table.name for table in contract.tables]
        if settings.profile_table is not None:
            self._tables.append(settings.profile_table)

    async def read(self, observation: Observation, questions: Questions) -> Surroundings:
        """Everything asked for. Raises DatabaseError when the connection is lost."""
        tables = [*self._tables, *questions.referenced]
        async with self._database.connection() as connection:
            rehearsal = Rehearsal(self._settings, connection)
            try:
                async with self._database.transaction(connection):
                    document = await connection.fetchval(
                        statement("surroundings"), self._schema, tables, questions.words
                    )
            except IN_THE_WAY:
                return Surroundings(obstacle="the catalogue could not be read in time")
            surroundings = msgspec.json.decode(document, type=Surroundings)
            answers = tuple([await self._count(rehearsal, question) for question in questions.counts])
            refusing = tuple([await self._refusing(rehearsal, observation, trying) for trying in questions.refusing])
            belongings = {table.name: await self._belongings(rehearsal, table) for table in questions.set_aside}
            access = await self._policies(rehearsal, observation, questions)
            if rehearsal.spoiled:
                connection.terminate()
        return msgspec.structs.replace(
            surroundings,
            answers=answers,
            refusing_checks=refusing,
            belongings={name: found for name, found in belongings.items() if found is not None},
            **access,
        )

    async def _count(self, rehearsal: Rehearsal, question: Question) -> Answer:
        identifiers = {"schema": self._schema, "table": question.table, "column": question.column or question.table}
        if question.reference is not None:
            identifiers |= {
                "referenced_table": question.reference.table,
                "referenced_column": question.reference.column,
            }
        arguments = [question.values] if question.kind is QuestionKind.UNLISTED else []
        try:
            async with rehearsal.as_role(self._role) as connection:
                query = statement(f"count_{question.kind}", identifiers)
                row = await connection.fetchrow(query, MOST_READ, *arguments)
        except (asyncpg.PostgresError, ObstacleError):
            # Locked, not readable, or no longer of that shape: the plan must do without the answer.
            return Answer(question, None)
        known = row is not None and (row["found"] > 0 or row["complete"])
        return Answer(question, row["found"] if row is not None and known else None)

    async def _refusing(self, rehearsal: Rehearsal, observation: Observation, trying: Trying) -> RefusingChecks:
        """The CHECKs that refuse one of the values, each tried by itself."""
        reader = observation.catalogue.reading_role
        sees_rows = reader is not None and reader.bypasses_row_security
        try:
            async with rehearsal.as_role(self._role) as connection:
                checks = await connection.fetchrow(
                    statement("column_checks"), self._schema, trying.table, trying.column
                )
            named = zip(checks["names"], checks["conditions"], strict=True) if checks is not None else ()
            names = [name for name, condition in named if await self._refuses(rehearsal, trying, condition, sees_rows)]
        except (asyncpg.PostgresError, ObstacleError):
            names = []
        return RefusingChecks(trying.table, trying.column, tuple(names))

    async def _refuses(self, rehearsal: Rehearsal, trying: Trying, condition: str, sees_rows: bool) -> bool:
        query = statement(
            "accepted_values", {"schema": self._schema, "table": trying.table}, condition=f"({condition}) is not false"
        )
        async with rehearsal.as_role(self._role) as connection:
            rows = await connection.fetch(query, trying.column, trying.values, sees_rows)
        return any(not row["accepted"] for row in rows)

    async def _belongings(self, rehearsal: Rehearsal, table: Table) -> tuple[Belonging, ...] | None:
        """None where it cannot be read. The search path of the frame makes the server write every name in full."""
        try:
            async with self._database.transaction(rehearsal.connection):
                rows = await rehearsal.connection.fetch(statement("belongings"), self._schema, table.name)
        except IN_THE_WAY:
            return None
        return tuple(Belonging(row["kind"], row["name"], row["statement"], tuple(row["columns"])) for row in rows)

    async def _policies(self, rehearsal: Rehearsal, observation: Observation, questions: Questions) -> Tried:
        if not questions.proposals:
            return {}
        people = People(self._settings)
        try:
            await people.load(rehearsal)
            supposed = await self._access.suppose(rehearsal, observation, people, questions.proposals)
        except ObstacleError:
            return {}
        return {"policies": supposed.policies, "leaks": supposed.leaks, "trials": supposed.trials}
