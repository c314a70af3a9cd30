"""The contract as a pgTAP script, written as pgTAP's users write one: every assertion pgTAP has for what it says."""

from collections.abc import Iterator
from dataclasses import dataclass

from app.contract.model import ANONYMOUS, AUTHENTICATED, Column, Contract, Table
from app.postgres.pool import Connection

SCHEMA = "public"
PROFILES = "user_profiles"

TYPES = """
select relation.relname::text || '.' || attribute.attname as name,
  format_type(attribute.atttypid, attribute.atttypmod) as type
from pg_attribute as attribute
join pg_class as relation on relation.oid = attribute.attrelid
where relation.relnamespace = 'public'::regnamespace and attribute.attnum > 0
"""
# By the column they lead with.
INDEXES = """
select relation.relname::text || '.' || attribute.attname as name, by.relname::text as index
from pg_index as index
join pg_class as relation on relation.oid = index.indrelid
join pg_class as by on by.oid = index.indexrelid
join pg_attribute as attribute on attribute.attrelid = relation.oid and attribute.attnum = index.indkey[0]
where relation.relnamespace = 'public'::regnamespace
"""
POLICIES = """
select tablename::text as table, policyname::text as name, cmd as command, roles::text[] as roles
from pg_policies where schemaname = 'public' and tablename = any ($1) order by tablename, policyname
"""
GRANTS = """
select grantee::text as role, table_name::text as table, array_agg(privilege_type::text) as privileges
from information_schema.role_table_grants
where table_schema = 'public' and table_name = any ($1) and grantee = any ($2)
group by grantee, table_name
"""


@dataclass(frozen=True, slots=True)
class Policy:
    table: str
    name: str
    command: str
    roles: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Documented:
    """What pgTAP compares exactly and the contract leaves open, so that it must be read off the documented database."""

    types: dict[str, str]
    indexes: dict[str, str]
    policies: tuple[Policy, ...]
    grants: dict[tuple[str, str], tuple[str, ...]]


async def read_documented(connection: Connection, contract: Contract) -> Documented:
    tables = _tables(contract)
    policies = await connection.fetch(POLICIES, tables)
    grants = await connection.fetch(GRANTS, tables, [ANONYMOUS, AUTHENTICATED])
    return Documented(
        types={row["name"]: row["type"] for row in await connection.fetch(TYPES)},
        indexes={row["name"]: row["index"] for row in await connection.fetch(INDEXES)},
        policies=tuple(Policy(row["table"], row["name"], row["command"], tuple(row["roles"])) for row in policies),
        grants={(row["table"], row["role"]): tuple(row["privileges"]) for row in grants},
    )


def pgtap_script(contract: Contract, documented: Documented, *further: str) -> str:
    """A script for pg_prove that leaves nothing behind, with `further` statements at its end."""
    assertions = [
        *(line for table in contract.tables for line in _of_table(contract, table, documented)),
        *_of_history(contract),
        *_of_callers(contract, documented),
    ]
    return "\n".join(
        [
            *("\\set QUIET 1", "begin;", "create extension pgtap;", "select no_plan();"),
            *(f"select {assertion};" for assertion in assertions),
            *further,
            *("select * from finish();", "rollback;", ""),
        ]
    )


def quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _tables(contract: Contract) -> list[str]:
    return [*(table.name for table in contract.tables), PROFILES]


def _assertion(function: str, *names: str, last: str = "", about: str) -> str:
    """A call as pgTAP's users write it, with a type on each literal: many of its functions are overloaded."""
    arguments = [f"{quoted(name)}::name" for name in (SCHEMA, *names)]
    return f"{function}({', '.join([*arguments, *([last] if last else []), quoted(about)])})"


def _array(names: tuple[str, ...]) -> str:
    return f"array[{', '.join(map(quoted, names))}]::name[]"


def _of_table(contract: Contract, table: Table, documented: Documented) -> Iterator[str]:
    name = table.name
    yield _assertion("has_table", name, about=f"{name} is there")
    for column in table.columns:
        yield from _of_column(table, column, documented)
    for absent in table.absent_columns:
        yield _assertion("hasnt_column", name, absent.name, about=f"{name}.{absent.name} is gone")
    if table.primary_key:
        yield _assertion("col_is_pk", name, last=_array(table.primary_key), about=f"{name} has its key")
    if table.row_security:
        enabled = f"(select relrowsecurity from pg_class where oid = to_regclass('{SCHEMA}.{name}'))"
        yield f"ok({enabled}, '{name} has row security')"
    for column_name in table.indexed:
        yield _assertion("is_indexed", name, column_name, about=f"{name}.{column_name} is indexed")
        index = documented.indexes[f"{name}.{column_name}"]
        yield _assertion("index_is_type", name, index, last="'btree'::name", about=f"{index} is a btree")
    for privilege in table.privileges:
        role = contract.service_role.name
        may = f"has_table_privilege('{role}', to_regclass('{SCHEMA}.{name}'), '{privilege}')"
        yield f"ok({may}, '{role} may {privilege} {name}')"


def _of_column(table: Table, column: Column, documented: Documented) -> Iterator[str]:
    name = f"{table.name}.{column.name}"
    yield _assertion("has_column", table.name, column.name, about=f"{name} is there")
    type_ = f"{quoted(documented.types[name])}::text"
    yield _assertion("col_type_is", table.name, column.name, last=type_, about=f"{name} has its type")
    if column.nullable is not None:
        function = "col_is_null" if column.nullable else "col_not_null"
        yield _assertion(function, table.name, column.name, about=f"{name} has its nullability")
    if column.references is not None:
        target = (SCHEMA, column.references.table, column.references.column)
        yield _assertion("fk_ok", table.name, column.name, *target, about=f"{name} has its foreign key")
    if column.values:
        yield _assertion("col_has_check", table.name, column.name, about=f"{name} has a check")


def _of_history(contract: Contract) -> Iterator[str]:
    versions = ", ".join(f"('{migration.version}')" for migration in contract.migrations)
    history = quoted("select version from supabase_migrations.schema_migrations")
    yield f"set_has({history}, {quoted('values ' + versions)}, 'the migrations are recorded')"


def _of_callers(contract: Contract, documented: Documented) -> Iterator[str]:
    """Who may what: the service role by the contract, the platform's callers and the policies as they are."""
    role = contract.service_role.name
    yield f"ok(has_schema_privilege('{role}', '{SCHEMA}', 'USAGE'), '{role} may use the schema')"
    yield f"ok((select rolbypassrls from pg_roles where rolname = '{role}'), '{role} bypasses row security')"
    for table in _tables(contract):
        for caller in (ANONYMOUS, AUTHENTICATED):
            granted = _array(documented.grants.get((table, caller), ()))
            yield _assertion(
                "table_privs_are", table, caller, last=granted, about=f"{caller} has its grants on {table}"
            )
    for caller, privileges in ((ANONYMOUS, ()), (AUTHENTICATED, ("SELECT",))):
        about = f"{caller} cannot write {PROFILES}.role"
        yield _assertion("column_privs_are", PROFILES, "role", caller, last=_array(privileges), about=about)
    guarded = [table.name for table in contract.tables if table.select_policy is not None]
    for table in (*guarded, PROFILES):
        policies = [policy for policy in documented.policies if policy.table == table]
        names = _array(tuple(policy.name for policy in policies))
        yield _assertion("policies_are", table, last=names, about=f"{table} has its policies and no other")
        for policy in policies:
            command, roles = f"{quoted(policy.command)}::text", _array(policy.roles)
            yield _assertion("policy_cmd_is", table, policy.name, last=command, about=f"{policy.name}: command")
            yield _assertion("policy_roles_are", table, policy.name, last=roles, about=f"{policy.name}: roles")
