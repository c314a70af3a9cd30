"""The rows that callers are tried on: some of a table's own, and where those do not do, rows that need not exist."""

import itertools
import json
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import asyncpg

from app.contract.model import Contract, SelectPolicy, Table
from app.contract.observed import Catalogue, Relation
from app.postgres.documents import Variant, made_up, varied
from app.postgres.faults import IN_THE_WAY
from app.postgres.people import People
from app.postgres.rehearsal import ObstacleError, Rehearsal
from app.postgres.statements import statement
from app.settings import Settings

MOST_DOCUMENTS = 5
# Each costs every caller a look by key, and whatever the policies do for a row.
MOST_TRIED = 24


@dataclass(frozen=True, slots=True)
class Row:
    """A sampled row: its keys; its owner, None where it has none that could be a user; and its values in columns that
    have few.
    """

    key: Any
    second_key: Any
    owner: uuid.UUID | None
    kind: tuple[str | None, ...] = ()

    @property
    def identity(self) -> tuple[str, str]:
        return str(self.key), str(self.second_key)


@dataclass(frozen=True, slots=True)
class Sample:
    """`owner` is no admin. `documents` are rows of theirs as JSON, or one that was made up, and `variants` the first of
    them with other documented values. `certain` are the columns in which a made-up row is as
    good as a real one; None where the documents are real. `obstacle` is why there is nothing to try anybody on, and
    `lacking` why there are no documents.
    """

    rows: tuple[Row, ...]
    owner: uuid.UUID
    admins: frozenset[uuid.UUID] = frozenset()
    documents: tuple[Mapping[str, Any], ...] = ()
    variants: tuple[Variant, ...] = ()
    certain: frozenset[str] | None = None
    obstacle: str | None = None
    lacking: str | None = None

    @property
    def imagined(self) -> tuple[Mapping[str, Any], ...]:
        """All that conditions can be put to."""
        return (*self.documents, *(variant.document for variant in self.variants))

    @property
    def owned(self) -> tuple[Row, ...]:
        return tuple(row for row in self.rows if row.owner == self.owner)

    @property
    def other_owner(self) -> uuid.UUID | None:
        """A user who has rows as well, and is no admin."""
        return next((row.owner for row in self.rows if _is_user(row, self.admins) and row.owner != self.owner), None)


NOTHING = Sample((), uuid.UUID(int=0), obstacle="nothing was sampled")


class Sampler:
    """Reads as the reading role. A table it may not read is no obstacle: its policies can be asked of made-up rows."""

    def __init__(self, settings: Settings, contract: Contract, invent: Callable[[], uuid.UUID]) -> None:
        self._schema = settings.database_schema
        self._role = settings.reading_role
        self._tables = {table.name: table for table in contract.tables}
        self._invent = invent

    async def rows(self, rehearsal: Rehearsal, relation: Relation, policy: SelectPolicy, people: People) -> Sample:
        """Some rows, and of their owners one who is no admin and has most of them. There may be none."""
        query = statement("tick_sample", {**self.keys(relation), "owner": policy.owner_column})
        listed = [column.name for column in self._tables[relation.name].columns if column.values]
        try:
            async with rehearsal.as_role(self._role, row_security=False) as connection:
                found = await connection.fetch(query, listed)
                rows = tuple(
                    Row(row["key"], row["second_key"], _user(row["owner"]), tuple(row["kind"])) for row in found
                )
                owners = {row.owner for row in rows if row.owner is not None}
                admins = await people.admins_among(connection, owners)
        except IN_THE_WAY:
            return Sample((), self._invent(), obstacle="the table is locked, or reading a sample takes too long")
        except (ObstacleError, asyncpg.InsufficientPrivilegeError):
            # A finding of its own elsewhere.
            return Sample((), people.user or self._invent())
        except asyncpg.PostgresError as error:
            return Sample((), self._invent(), obstacle=f"a sample could not be read ({error.sqlstate})")
        return Sample(rows, _richest(rows, admins) or people.user or self._invent(), admins)

    async def with_documents(
        self, rehearsal: Rehearsal, catalogue: Catalogue, relation: Relation, people: People, sample: Sample
    ) -> Sample:
        """The same with rows as documents, for conditions to be put to."""
        table, policy = self._tables[relation.name], self._tables[relation.name].select_policy
        if policy is None or sample.obstacle is not None:
            return sample
        try:
            documents = await self._documents(rehearsal, relation, sample)
            if not documents:
                sample = await self._imagined(rehearsal, catalogue, table, people, sample)
                documents = sample.documents
            values = {column.name: _values(column.values, relation, column.name) for column in table.columns}
            variants = varied(documents[0], {name: found for name, found in values.items() if found})
            possible = await self._possible(rehearsal, relation, [variant.document for variant in variants])
        except IN_THE_WAY:
            return replace(sample, lacking="the table is locked, or reading a sample takes too long")
        except ObstacleError as obstacle:
            return replace(sample, lacking=str(obstacle))
        except asyncpg.PostgresError as error:
            return replace(sample, lacking=f"no row could be made up ({error.sqlstate})")
        return replace(sample, documents=tuple(documents), variants=variants if possible else ())

    def keys(self, relation: Relation) -> dict[str, str]:
        """The contract's key tells rows apart, and what leads the real one finds them. Where that is the same, the
        column that a table is partitioned by finds them in their partitions alone.
        """
        leading = relation.primary_key[0]
        documented = self._tables[relation.name].primary_key
        others = (name for name in documented if name in relation.primary_key and name != leading)
        key = next(others, leading)
        partitioning = (name for name in relation.partition_key if name in relation.primary_key)
        return {
            "schema": self._schema,
            "table": relation.name,
            "leading": leading,
            "key": key,
            "second_key": leading if key != leading else next(partitioning, leading),
        }

    async def _documents(self, rehearsal: Rehearsal, relation: Relation, sample: Sample) -> Sequence[Mapping[str, Any]]:
        rows = spread(sample.owned)[:MOST_DOCUMENTS]
        if not rows:
            return ()
        keys, second_keys = [row.key for row in rows], [row.second_key for row in rows]
        async with rehearsal.as_role(self._role) as connection:
            found = await connection.fetch(statement("tick_documents", self.keys(relation)), keys, second_keys)
        return [json.loads(row["document"]) for row in found]

    async def _imagined(
        self, rehearsal: Rehearsal, catalogue: Catalogue, table: Table, people: People, sample: Sample
    ) -> Sample:
        """A row as somebody could have it: of a real owner, and of real things of theirs where it refers to any."""
        relation, policy = catalogue.relation(table.name), table.select_policy
        if relation is None or policy is None:
            raise ObstacleError("the table changed meanwhile")
        owner, references = sample.owner, dict[str, str]()
        for column in table.columns:
            target = self._tables.get(column.references.table) if column.references is not None else None
            there = catalogue.relation(target.name) if target is not None else None
            if (
                there is None
                or target is None
                or not (target.primary_key and there.primary_key)
                or there.column(policy.owner_column) is None
            ):
                continue
            known = await self.rows(rehearsal, there, policy, people)
            if known.owned and (not references or known.owner == owner):
                owner, references[column.name] = known.owner, str(known.owned[0].key)
        documented = {column.name for column in table.columns}
        certain = {policy.owner_column, *references, *(column.name for column in table.columns if column.values)}
        values = {column.name: column.values[0] for column in table.columns if column.values}
        given = {**references, policy.owner_column: str(owner)}
        full = {**made_up(relation, documented, self._invent()), **values, **given}
        if await self._possible(rehearsal, relation, [full]):
            return replace(sample, owner=owner, documents=(full,), certain=frozenset(certain))
        if await self._possible(rehearsal, relation, [given]):
            return replace(sample, owner=owner, documents=(given,), certain=frozenset(given))
        raise ObstacleError("there is no row, and none can be made up")

    async def _possible(self, rehearsal: Rehearsal, relation: Relation, documents: Sequence[Mapping[str, Any]]) -> bool:
        """Whether the table's types take them; a column may be of another type than is documented."""
        identifiers = {"schema": self._schema, "table": relation.name}
        try:
            async with rehearsal.as_role(self._role) as connection:
                await connection.fetch(statement("possible_documents", identifiers), json.dumps(documents))
        except (asyncpg.DataError, asyncpg.IntegrityConstraintViolationError):
            return False
        return True


def spread(rows: Sequence[Row]) -> tuple[Row, ...]:
    """Some of them, of every kind in turn: a policy may show one kind alone, and rows of it may be rare."""
    by_kind: dict[tuple[str | None, ...], list[Row]] = {}
    for row in rows:
        by_kind.setdefault(row.kind, []).append(row)
    turns = (row for turn in itertools.zip_longest(*by_kind.values()) for row in turn if row is not None)
    return tuple(itertools.islice(turns, MOST_TRIED))


def _richest(rows: Sequence[Row], admins: frozenset[uuid.UUID]) -> uuid.UUID | None:
    """The user with rows of the most kinds, and of those the one with the most rows."""
    owned: dict[uuid.UUID, list[Row]] = {}
    for row in rows:
        if row.owner is not None and row.owner not in admins:
            owned.setdefault(row.owner, []).append(row)
    return max(owned, key=lambda user: (len({row.kind for row in owned[user]}), len(owned[user])), default=None)


def _values(documented: Sequence[str], relation: Relation, name: str) -> tuple[str | None, ...]:
    """All that a column with a set of values may hold; nothing for any other column."""
    column = relation.column(name)
    if not documented or column is None:
        return ()
    return (*documented, *(() if column.not_null else (None,)))


def _user(owner: str | None) -> uuid.UUID | None:
    """The id in a column that may be of another type than is documented."""
    try:
        return uuid.UUID(owner) if owner is not None else None
    except ValueError:
        return None


def _is_user(row: Row, admins: frozenset[uuid.UUID]) -> bool:
    return row.owner is not None and row.owner not in admins
