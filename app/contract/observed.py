"""What was read of a database: plain values, decoded from the reading and compared with the contract."""

from enum import StrEnum

import msgspec

from app.contract.identifiers import quote_identifier


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
    checked: bool = False
    """A CHECK looks at this column alone."""
    checks_validated: bool = True
    """False where old rows were never checked by one of those."""


class ForeignKey(msgspec.Struct, frozen=True):
    columns: tuple[str, ...]
    referenced_schema: str
    referenced_table: str
    referenced_columns: tuple[str, ...]
    validated: bool
    enforced: bool
    """False for NOT ENFORCED (Postgres 18), and while a trigger of it or of its copies on partitions does not fire."""


class Index(msgspec.Struct, frozen=True):
    name: str
    leading_column: str | None
    """None where the first key is an expression."""
    method: str
    valid: bool
    partial: bool


class Grants(msgspec.Struct, frozen=True):
    """What a role of the API's callers may do with a table: wholly, and column by column."""

    role: str
    privileges: tuple[str, ...] = ()
    selectable: tuple[str, ...] = ()
    """Empty, too, where the role may not look into the table's schema."""
    insertable: tuple[str, ...] = ()
    updatable: tuple[str, ...] = ()
    bypasses_row_security: bool = False


class Policy(msgspec.Struct, frozen=True):
    """A row security policy. `command` is pg_policy.polcmd: r, a, w, d or *."""

    name: str
    permissive: bool
    command: str
    applies_to: tuple[str, ...]
    """Those of the callers' roles that it applies to."""
    columns: tuple[str, ...] = ()
    """What its conditions name of the table. Nothing where they refer to the whole row."""

    def governs(self, role: str, command: str) -> bool:
        return role in self.applies_to and self.command in (command, "*")


class Detour(msgspec.Struct, frozen=True):
    """Another table by whose name a role of the callers reads rows of a table, where the policies of that one do not
    count: a partition of it, one that inherits from it, or one that it is a part of. `kind` is pg_class.relkind.
    """

    role: str
    schema: str
    name: str
    kind: str
    row_security: bool
    """Its own holds for the role, and has a permissive policy for it."""

    @property
    def in_sql(self) -> str:
        return f"{quote_identifier(self.schema)}.{quote_identifier(self.name)}"


class Guard(msgspec.Struct, frozen=True):
    """A trigger that fires when a row is inserted (`commands` has an a) or updated (a w), and may stop or change it."""

    name: str
    commands: tuple[str, ...]
    columns: tuple[str, ...]
    """Those of UPDATE OF; empty where any update fires it."""


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
    grants: tuple[Grants, ...] = ()
    policies: tuple[Policy, ...] = ()
    detours: tuple[Detour, ...] = ()
    guards: tuple[Guard, ...] = ()

    def granted(self, role: str) -> Grants:
        return next((grants for grants in self.grants if grants.role == role), Grants(role))

    def detours_of(self, role: str, *, row_security: bool) -> tuple[Detour, ...]:
        return tuple(one for one in self.detours if one.role == role and one.row_security == row_security)

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
    login: Role
    reading_role: Role | None
    schema: Schema | None
    callers: tuple[str, ...]
    """Those of the callers' roles that exist."""
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


class Refusal(msgspec.Struct, frozen=True):
    """What a table or a policy raised: SQLSTATE, and one line of its message."""

    sqlstate: str
    message: str

    def __str__(self) -> str:
        return f"{self.sqlstate} {self.message}"


class AcceptedValues(msgspec.Struct, frozen=True):
    """What a column did with each value that was tried. `refused` pairs a value with how."""

    table: str
    column: str
    accepted: tuple[str, ...] = ()
    refused: tuple[tuple[str, Refusal], ...] = ()
    null_accepted: bool | None = None
    shared_checks: tuple[str, ...] = ()
    """CHECKs over several columns, which say nothing about this one alone."""
    obstacle: str | None = None
    """Why nothing could be tried, in words; None where it could."""


class Caller(StrEnum):
    """Those whose view of a table is tried."""

    OWNER = "the owner"
    OTHER = "another user"
    INVENTED = "an unknown user"
    ADMIN_BY_PROFILE = "an admin by profile"
    ADMIN_BY_CLAIM = "an admin by claim"
    ANONYMOUS = "an anonymous visitor"


class Sight(msgspec.Struct, frozen=True):
    """What one caller saw: `visible` of `tried` rows, or what was raised, or why it could not be tried."""

    caller: Caller
    visible: int = 0
    tried: int = 0
    refusal: Refusal | None = None
    table_denied: bool = False
    """The refusal is the table's missing grant, not something inside a policy."""
    evaluated: bool = False
    """The policies were put to documents; the table itself was not read."""
    surprises: tuple[str, ...] = ()
    """What would turn rows like those tried into ones that a stranger sees, or a reader does not: `status 'error'`."""
    second_factor: bool = False
    """It took a token of a second factor (aal2) to see this."""
    obstacle: str | None = None
    final: bool = False
    """The obstacle stands in everybody's way: nobody after this caller was tried."""

    @property
    def complete(self) -> bool:
        """Everything was seen that there was to see."""
        return self.visible == self.tried > 0 and not self.surprises


class Access(msgspec.Struct, frozen=True):
    """What callers saw of a table; `synthetic` where its policies were put to a row that does not exist."""

    table: str
    sights: tuple[Sight, ...]
    synthetic: bool = False

    def sight(self, caller: Caller) -> Sight:
        """A caller there was nobody to be has seen nothing."""
        untried = Sight(caller, obstacle="there was nobody to try")
        return next((sight for sight in self.sights if sight.caller is caller), untried)


class Proposal(msgspec.Struct, frozen=True):
    """A permissive SELECT policy for signed-in users that could be added to a table; `condition` is its USING."""

    table: str
    name: str
    condition: str


class Promotion(msgspec.Struct, frozen=True):
    """Ways in which a caller's role could write the column that makes admins; empty where none was found."""

    ways: tuple[str, ...] = ()
    obstacle: str | None = None


class Observation(msgspec.Struct, frozen=True):
    """Everything read of one database at one settled moment. `wanted_role` is the reading role, or else the login."""

    catalogue: Catalogue
    history: History
    wanted_role: str
    schema: str
    assumption: Assumption = Assumption(possible=None, obstacle="it was not tried")
    values: tuple[AcceptedValues, ...] = ()
    access: tuple[Access, ...] = ()
    promotion: Promotion | None = None

    def table(self, name: str) -> Relation:
        """A table whose `.table` check passed. Raises LookupError without it."""
        relation = self.catalogue.relation(name)
        if relation is None:
            raise LookupError(name)
        return relation

    def tried(self, table: str, column: str) -> AcceptedValues | None:
        """What came of putting values to a column; None where none was put."""
        return next((tried for tried in self.values if (tried.table, tried.column) == (table, column)), None)

    def column(self, table: str, name: str) -> Column:
        """A column whose `.present` check passed. Raises LookupError without it."""
        column = self.table(table).column(name)
        if column is None:
            raise LookupError(name)
        return column
