"""Which values a column accepts, by letting Postgres evaluate its CHECKs, domains and types on them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import asyncpg
import msgspec

from app.contract.identifiers import few_of
from app.contract.model import Column, Contract, Table
from app.contract.observed import AcceptedValues, Observation, Refusal, Relation
from app.contract.values import candidates, mentioned
from app.postgres.faults import IN_THE_WAY
from app.postgres.pool import Connection
from app.postgres.rehearsal import ObstacleError, Rehearsal, refusal
from app.postgres.statements import statement
from app.settings import Settings

FALSE = Refusal("23514", "a CHECK on the column is false")
NOT_LISTED = Refusal("22P02", "the column's type does not list it")
CHANGED = "the table changed meanwhile"
SHAPE_CHANGED = (asyncpg.UndefinedTableError, asyncpg.UndefinedColumnError, asyncpg.InvalidSchemaNameError)


class Partition(msgspec.Struct, frozen=True):
    """A partition that has CHECKs of its own on a column, beside those of the table."""

    name: str
    conditions: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Rules:
    """What decides about the values of a column. `labels` are those that its type lists; `bare` is whether there are
    parts of the table where its own CHECKs are all there is; `shared` are CHECKs over several columns.
    """

    conditions: tuple[str, ...]
    partitions: tuple[Partition, ...]
    bare: bool
    labels: tuple[str, ...]
    shared: tuple[str, ...]

    @property
    def everywhere(self) -> str:
        return _all([*self.conditions, *(one for part in self.partitions for one in part.conditions)])

    @property
    def somewhere(self) -> str:
        parts = [_all([*self.conditions, *part.conditions]) for part in self.partitions]
        return " or ".join(f"({part})" for part in [*([_all(self.conditions)] if self.bare else []), *parts])


@dataclass(frozen=True, slots=True)
class Trial:
    """Where values are put; `sees_rows` is whether no policy hides rows from the reader."""

    schema: str
    table: Table
    column: Column
    sees_rows: bool

    async def refusals(
        self, connection: Connection, rules: Rules, values: Sequence[str | None]
    ) -> dict[str | None, Refusal | None]:
        """How each value is refused; None where it is accepted. What is documented must be accepted in every part of
        the table, and anything else in none.
        """
        found: dict[str | None, Refusal | None] = dict.fromkeys(values, NOT_LISTED)
        asked = [value for value in values if value is None or not rules.labels or value in rules.labels]
        documented = [value for value in asked if value is None or value in self.column.values]
        others = [value for value in asked if value not in documented] if rules.partitions else []
        found |= await self._put(connection, rules.everywhere, documented if rules.partitions else asked)
        if others:
            found |= await self._put(connection, rules.somewhere, others)
        refused = [value for value in documented if rules.partitions and found[value] is not None]
        if refused:
            by_table = await self._put(connection, _all(rules.conditions), refused)
            found |= {value: how or _by_partitions(rules.partitions) for value, how in by_table.items()}
        return found

    async def _put(
        self, connection: Connection, condition: str, values: Sequence[str | None]
    ) -> dict[str | None, Refusal | None]:
        query = statement("accepted_values", {"schema": self.schema, "table": self.table.name}, condition=condition)
        rows = await connection.fetch(query, self.column.name, values, self.sees_rows)
        return {row["value"]: None if row["accepted"] else FALSE for row in rows}


class ValueProbe:
    """Tries documented values, near misses and null on every column that has a set of values; null alone where what is
    documented is whether a column takes it, and a CHECK may say otherwise than its NOT NULL.
    """

    def __init__(self, settings: Settings, contract: Contract) -> None:
        self._schema = settings.database_schema
        self._role = settings.reading_role
        self._columns = [(table, column) for table in contract.tables for column in table.columns]
        self._checks = statement("column_checks")

    async def probe(self, rehearsal: Rehearsal, observation: Observation) -> tuple[AcceptedValues, ...]:
        """One result for each such column that exists."""
        results: list[AcceptedValues] = []
        for table, column in self._columns:
            relation = observation.catalogue.relation(table.name)
            found = relation.column(column.name) if relation is not None else None
            by_check = found is not None and found.checked and column.nullable is not None
            if relation is None or found is None or not (column.values or by_check):
                continue
            # What stood in the way once would do so again, and cost its time again.
            before = next((result.obstacle for result in results if result.table == table.name), None)
            if before is None and rehearsal.spoiled:
                before = "a function that was called changed the role"
            if before is None and not _may_read(observation, relation):
                before = f"{observation.wanted_role} may not read the table"
            if before is None:
                sees_rows = not relation.row_security or _bypasses_row_security(observation)
                results.append(await self._column(rehearsal, Trial(self._schema, table, column, sees_rows)))
            else:
                results.append(AcceptedValues(table.name, column.name, obstacle=before))
        return tuple(results)

    async def _column(self, rehearsal: Rehearsal, trial: Trial) -> AcceptedValues:
        table, column = trial.table.name, trial.column.name
        try:
            return await self._tried(rehearsal, trial)
        except IN_THE_WAY:
            return AcceptedValues(table, column, obstacle="the table is locked, or a CHECK takes too long")
        except SHAPE_CHANGED:
            return AcceptedValues(table, column, obstacle=CHANGED)
        except ObstacleError as obstacle:
            return AcceptedValues(table, column, obstacle=str(obstacle))

    async def _tried(self, rehearsal: Rehearsal, trial: Trial) -> AcceptedValues:
        rules, values = None, list[str | None]()
        try:
            async with rehearsal.as_role(self._role) as connection:
                rules = await self._rules(connection, trial)
                values = [*_candidates(trial.column, rules), None]
                found = await trial.refusals(connection, rules, values)
        except (*IN_THE_WAY, *SHAPE_CHANGED):
            raise
        except asyncpg.PostgresError:
            if rules is None:
                raise ObstacleError(CHANGED) from None
            found = await self._one_by_one(rehearsal, trial, rules, values)
        return AcceptedValues(
            trial.table.name,
            trial.column.name,
            accepted=tuple(value for value, how in found.items() if how is None and value is not None),
            refused=tuple((value, how) for value, how in found.items() if how is not None and value is not None),
            null_accepted=found[None] is None,
            shared_checks=rules.shared,
        )

    async def _rules(self, connection: Connection, trial: Trial) -> Rules:
        row = await connection.fetchrow(self._checks, self._schema, trial.table.name, trial.column.name)
        if row is None:
            raise ObstacleError(CHANGED)
        partitions = msgspec.json.decode(row["partitions"], type=tuple[Partition, ...])
        return Rules(tuple(row["conditions"]), partitions, row["bare"], tuple(row["labels"]), tuple(row["shared"]))

    async def _one_by_one(
        self, rehearsal: Rehearsal, trial: Trial, rules: Rules, values: Iterable[str | None]
    ) -> dict[str | None, Refusal | None]:
        """Where one value raises, as with a domain, each has a statement of its own, and raises only for itself."""
        found: dict[str | None, Refusal | None] = {}
        async with rehearsal.as_role(self._role) as connection:
            await connection.execute(statement("savepoint"))
            for value in values:
                try:
                    found |= await trial.refusals(connection, rules, [value])
                except IN_THE_WAY:
                    raise
                except asyncpg.PostgresError as error:
                    found[value] = refusal(error)
                    await connection.execute(statement("rollback_to_savepoint"))
        return found


def _candidates(column: Column, rules: Rules) -> tuple[str, ...]:
    if not column.values:
        return ()
    conditions = [*rules.conditions, *(one for part in rules.partitions for one in part.conditions)]
    return candidates(column.values, (*mentioned(conditions), *rules.labels))


def _all(conditions: Iterable[str]) -> str:
    return " and ".join(f"({condition}) is not false" for condition in conditions) or "true"


def _by_partitions(partitions: Sequence[Partition]) -> Refusal:
    names = few_of([part.name for part in partitions])
    return Refusal("23514", f"a CHECK of a partition is false (there are further ones on {names})")


def _may_read(observation: Observation, relation: Relation) -> bool:
    """Without it, what Postgres raises says nothing about a value."""
    schema = observation.catalogue.schema
    return schema is not None and schema.usage and "SELECT" in relation.privileges


def _bypasses_row_security(observation: Observation) -> bool:
    reader = observation.catalogue.reading_role
    return reader is not None and reader.bypasses_row_security
