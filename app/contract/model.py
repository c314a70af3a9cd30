"""The contract: what the runner expects of its database, as data. `runner.toml` holds it, `load.py` reads it."""

from typing import Literal

import msgspec

Privilege = Literal["SELECT", "INSERT", "UPDATE", "DELETE"]

# The types a contract may name, by the words people use, to the name of the type in pg_catalog.
TYPES = {
    "bigint": "int8",
    "boolean": "bool",
    "date": "date",
    "double precision": "float8",
    "integer": "int4",
    "jsonb": "jsonb",
    "numeric": "numeric",
    "smallint": "int2",
    "text": "text",
    "timestamptz": "timestamptz",
    "uuid": "uuid",
}


# The roles of callers of the platform's API: signed in, and not.
AUTHENTICATED, ANONYMOUS = "authenticated", "anon"


class Reference(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The one column a foreign key points at."""

    table: str
    column: str

    def __str__(self) -> str:
        return f"{self.table}({self.column})"


class Column(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A documented column. `nullable` is None where the document does not say."""

    name: str
    type: str
    nullable: bool | None = None
    values: tuple[str, ...] = ()
    references: Reference | None = None


class AbsentColumn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A column that must be gone. `why` says what breaks while it is there."""

    name: str
    why: str


class SelectPolicy(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Who reads rows through row security: the owner of a row, by `owner_column`, and admins."""

    role: str
    owner_column: str
    admins: bool


class Table(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A documented table. The absence of a `legacy` one is a warning, and proves nothing of a migration."""

    name: str
    legacy: bool = False
    open_ended: bool = False
    """The document lists only some of its columns, so that it cannot be created from them."""
    ephemeral: bool = False
    """Its rows live for minutes: where its key is missing it is set aside and made anew, rather than altered."""
    columns: tuple[Column, ...] = ()
    absent_columns: tuple[AbsentColumn, ...] = ()
    primary_key: tuple[str, ...] = ()
    row_security: bool = False
    select_policy: SelectPolicy | None = None
    indexed: tuple[str, ...] = ()
    """Columns that each need a valid btree index leading with them."""
    privileges: tuple[Privilege, ...] = ()
    """What the service role must be allowed; empty where the runner's service does not use the table."""

    @property
    def key(self) -> str:
        """The key of the check that it exists, on which all its other checks depend."""
        return f"{self.name}.table"


class Migration(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A documented migration and the objects it brings: `table`, or `table.column`."""

    version: str
    name: str
    introduces: tuple[str, ...]
    statements_sha256: str | None = None
    """Recognises it under another version and name: SHA-256, in hex, of its SQL less white space and semicolons."""

    @property
    def file(self) -> str:
        return f"{self.version}_{self.name}.sql"


class ServiceRole(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The role the runner's backend works as."""

    name: str
    bypasses_row_security: bool


class Contract(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Everything the runner expects. Migrations stand in the order in which they must be applied."""

    name: str
    service_role: ServiceRole
    migrations: tuple[Migration, ...]
    tables: tuple[Table, ...]

    def introduced_by(self, table: str, column: str | None = None) -> Migration | None:
        """The migration that brings a column, or else the one that brings its table; None if none is named."""
        brings = {name: migration for migration in self.migrations for name in migration.introduces}
        return brings.get(f"{table}.{column}") or brings.get(table)

    def legacy_tables(self) -> frozenset[str]:
        return frozenset(table.name for table in self.tables if table.legacy)
