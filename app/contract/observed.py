"""What was read of a database: plain values, decoded from the reading and compared with the contract."""

from enum import StrEnum

import msgspec


class Type(msgspec.Struct, frozen=True):
    """A column's type: `schema` and `name` are of the base type behind any domains, `display` is as declared."""

    schema: str
    name: str
    display: str


class Column(msgspec.Struct, frozen=True):
    name: str
    type: Type
    not_null: bool
    """Null is refused, by the column or by a domain."""
    not_null_validated: bool
    """False where old rows were never checked: Postgres 18 knows NOT NULL ... NOT VALID."""


class ForeignKey(msgspec.Struct, frozen=True):
    name: str
    columns: tuple[str, ...]
    referenced_schema: str
    referenced_table: str
    referenced_columns: tuple[str, ...]
    validated: bool
    enforced: bool
    """False for NOT ENFORCED (Postgres 18), and while one of its triggers is disabled."""


class Index(msgspec.Struct, frozen=True):
    name: str
    leading_column: str | None
    """None where the first key is an expression."""
    method: str
    valid: bool
    partial: bool


class Relation(msgspec.Struct, frozen=True):
    """Whatever stands in the schema under the name of a table; `kind` is pg_class.relkind."""

    name: str
    kind: str
    row_security: bool
    partition_key: tuple[str, ...]
    columns: tuple[Column, ...]
    primary_key: tuple[str, ...]
    foreign_keys: tuple[ForeignKey, ...]
    indexes: tuple[Index, ...]
    privileges: tuple[str, ...]
    """What the reading role may do, by grants on the table or on every one of its columns."""

    def column(self, name: str) -> Column | None:
        return next((column for column in self.columns if column.name == name), None)


class Role(msgspec.Struct, frozen=True):
    name: str
    superuser: bool
    bypasses_row_security: bool


class Schema(msgspec.Struct, frozen=True):
    name: str
    usage: bool
    """The reading role may look up names in it."""


class Catalogue(msgspec.Struct, frozen=True):
    """One settled reading of pg_catalog. `reading_role` is None where no role has that name."""

    server_version: str
    database: str
    login: Role
    reading_role: Role | None
    schema: Schema | None
    history_kind: str | None
    """relkind of supabase_migrations.schema_migrations; None without it."""
    relations: tuple[Relation, ...]

    def relation(self, name: str) -> Relation | None:
        return next((relation for relation in self.relations if relation.name == name), None)


class RecordedMigration(msgspec.Struct, frozen=True):
    """A row of the history. `statements_sha256` is read only where the contract can compare it."""

    version: str
    name: str | None = None
    statements_sha256: str | None = None


class HistoryAccess(StrEnum):
    READ = "read"
    ABSENT = "absent"
    UNREADABLE = "unreadable"


class History(msgspec.Struct, frozen=True):
    access: HistoryAccess
    recorded: tuple[RecordedMigration, ...] = ()
    obstacle: str = ""
    """Why it is unreadable, in words for a person."""


class Assumption(msgspec.Struct, frozen=True):
    """What came of becoming the reading role. `possible` is None when it could not be tried to the end."""

    possible: bool | None
    obstacle: str = ""


class Observation(msgspec.Struct, frozen=True):
    """Everything read of one database at one settled moment. `wanted_role` is the reading role, or else the login."""

    catalogue: Catalogue
    history: History
    assumption: Assumption
    wanted_role: str
    schema: str

    def table(self, name: str) -> Relation:
        """A table whose `.table` check passed. Raises LookupError without it."""
        relation = self.catalogue.relation(name)
        if relation is None:
            raise LookupError(name)
        return relation

    def column(self, table: str, name: str) -> Column:
        """A column whose `.present` check passed. Raises LookupError without it."""
        column = self.table(table).column(name)
        if column is None:
            raise LookupError(name)
        return column
