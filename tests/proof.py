"""What must hold of any fix on any database: all that it says is so, and nothing is lost by applying it."""

from dataclasses import dataclass

from app.contract.check import Outcome, Severity
from app.contract.load import load_contract
from app.contract.model import Contract
from app.demo.database import OWNER
from app.diagnostics import SchemaReport
from tests.databases import Connection, Project, failures, with_outcome

# Who applies the fix owns the database, as in a Supabase project, and what a scenario has made as a superuser.
OWN = f"""
do $$
declare command text;
begin
  for command in
    select format('alter database %I owner to {OWNER}', current_database())
    union all
    select format('alter table %s owner to {OWNER}', oid::regclass) from pg_class
    where relnamespace = 'public'::regnamespace and relkind in ('r', 'p', 'v', 'm', 'S', 'f')
      and relowner <> '{OWNER}'::regrole and not relispartition
    union all
    select format('alter table %s owner to {OWNER}', oid::regclass) from pg_class
    where relnamespace = 'public'::regnamespace and relispartition and relkind in ('r', 'p')
    union all
    select format('alter function %s owner to {OWNER}', oid::regprocedure) from pg_proc
    where pronamespace = 'public'::regnamespace
  loop
    execute command;
  end loop;
end $$;
"""

# What is read in a report's usual time depends on the machine; here it is to be all there is.
PATIENT = {"database_timeout_ms": 60_000}

COLUMNS = """
with recursive base (oid, type) as (
  select oid, oid from pg_type where typtype <> 'd'
  union all
  select pg_type.oid, base.type from pg_type join base on pg_type.typbasetype = base.oid where pg_type.typtype = 'd'
)
select class.oid, attribute.attnum, class.oid::regclass::text as relation, quote_ident(attribute.attname) as name,
  format_type(base.type, null) as type
from pg_class as class
join pg_attribute as attribute on attribute.attrelid = class.oid and attnum > 0 and not attisdropped
join base on base.oid = attribute.atttypid
where class.relkind in ('r', 'p') and class.relnamespace not in ('pg_catalog'::regnamespace,
  'information_schema'::regnamespace) and class.relnamespace::regnamespace::text not like 'pg_toast%'
order by class.oid, attribute.attnum
"""

# Whatever must stay; constraints, and the indexes that are theirs, are the fix's to replace. Postgres makes an index
# anew where a type changes, and a key may take one that is ready: it goes by its name, whoever's it is afterwards.
OBJECTS = """
select 'class', oid::text from pg_class where relkind in ('r', 'p', 'v', 'm', 'S', 'f', 'c') and oid >= 16384
  and relnamespace::regnamespace::text not like 'pg_toast%'
union all
select 'index', indexrelid::regclass::text from pg_index where indexrelid >= 16384
  and indrelid::regclass::text not like 'pg_toast.%'
union all
select 'policy', oid::text from pg_policy
union all
select 'schema', oid::text from pg_namespace where oid >= 16384 and nspname not like 'pg_temp%'
union all
select 'function', oid::text from pg_proc where oid >= 16384
union all
select 'type', oid::text from pg_type where oid >= 16384
union all
select 'trigger', oid::text from pg_trigger where not tgisinternal
"""

KEYS = """
select 'index', conindid::regclass::text from pg_constraint where contype in ('p', 'u', 'x')
"""

# The whole of a schema as text. A constraint's trigger and an index are parts of it by definition.
SHAPE = """
select 'class', class.oid::regclass::text, class.relkind::text || class.relrowsecurity || class.relforcerowsecurity,
  array(select unnest(relacl)::text order by 1)::text
from pg_class as class where class.oid >= 16384 and relnamespace::regnamespace::text not like 'pg_toast%'
union all
select 'column', attrelid::regclass::text, attname || attnum || attnotnull || format_type(atttypid, atttypmod),
  coalesce(attacl::text, '') || coalesce(pg_get_expr(adbin, adrelid), '')
from pg_attribute left join pg_attrdef on adrelid = attrelid and adnum = attnum
where attrelid >= 16384 and attnum > 0 and not attisdropped and attrelid::regclass::text not like 'pg_toast.%'
union all
select 'constraint', conrelid::regclass::text, conname, pg_get_constraintdef(oid) || convalidated
from pg_constraint where conrelid >= 16384
union all
select 'policy', polrelid::regclass::text, polname, array[polcmd::text, polpermissive::text, polroles::text,
  pg_get_expr(polqual, polrelid), pg_get_expr(polwithcheck, polrelid)]::text
from pg_policy
union all
select 'trigger', tgrelid::regclass::text, tgname, pg_get_triggerdef(oid) || tgenabled::text
from pg_trigger where not tgisinternal
union all
select 'function', oid::regprocedure::text, prosrc, proacl::text from pg_proc where oid >= 16384
union all
select 'role', rolname, rolsuper::text || rolcreaterole || rolbypassrls || rolcanlogin, '' from pg_roles
order by 1, 2, 3, 4
"""

PRIVILEGES = """
select grantee.name, class.oid, namespace.nspname, class.relname, privilege.name
from unnest(array['anon', 'authenticated', 'public']) as grantee (name)
cross join pg_class as class
join pg_namespace as namespace on namespace.oid = class.relnamespace
cross join unnest(array['SELECT', 'INSERT', 'UPDATE', 'DELETE', 'TRUNCATE']) as privilege (name)
where class.relkind in ('r', 'p') and class.oid >= 16384 and not class.relispartition
  and (has_table_privilege(grantee.name, class.oid, privilege.name)
    or privilege.name in ('SELECT', 'INSERT', 'UPDATE')
      and has_any_column_privilege(grantee.name, class.oid, privilege.name))
"""


UNSECURED = "select oid from pg_class where relkind in ('r', 'p') and oid >= 16384 and not relrowsecurity"


@dataclass(frozen=True)
class Privilege:
    """What one of Supabase's callers may do with a table, whatever its policies say."""

    who: str
    oid: int
    schema: str
    table: str
    name: str

    def follows(self, old: "Privilege") -> bool:
        """A table that is set aside is the same under another name, and the one in its place has its name."""
        same = self.oid == old.oid or (self.schema, self.table) == (old.schema, old.table)
        return same and (self.who, self.name) == (old.who, old.name)


@dataclass(frozen=True)
class State:
    """All data by table and column, whatever they are called, and every object by its identity."""

    columns: dict[tuple[int, int], str]
    """The type of each column, by the table's oid and the column's number."""
    rows: dict[int, tuple[int, str | None]]
    objects: frozenset[tuple[str, str]]
    keys: frozenset[tuple[str, str]]
    """The indexes among the objects that belong to constraints."""
    privileges: frozenset[Privilege]
    unsecured: frozenset[int]
    """Tables without row security."""


async def state(connection: Connection, like: State | None = None) -> State:
    """What is there; with `like`, the data of the columns that were there before, as values of the types they had."""
    await connection.execute("set search_path = ''; set timezone = 'UTC'; set extra_float_digits = 1")
    found = await connection.fetch(COLUMNS)
    names = {(row["oid"], row["attnum"]): (row["relation"], row["name"]) for row in found}
    columns = like.columns if like else {(row["oid"], row["attnum"]): row["type"] for row in found}
    lost = columns.keys() - names.keys()
    assert not lost, f"columns are gone: {lost}"
    rows = {}
    for oid in sorted({oid for oid, _ in columns}):
        mine = [(names[key], type_) for key, type_ in columns.items() if key[0] == oid]
        values = ", ".join(_value(name, type_) for (_, name), type_ in mine)
        rows[oid] = await connection.fetchrow(
            f'select count(*), md5(string_agg(line, chr(10) order by line collate "C")) from'
            f" (select row({values})::text as line from only {mine[0][0][0]}) as one"
        )
    return State(
        columns=columns,
        rows={oid: (row[0], row[1]) for oid, row in rows.items() if row is not None},
        objects=frozenset((row[0], row[1]) for row in await connection.fetch(OBJECTS)),
        keys=frozenset((row[0], row[1]) for row in await connection.fetch(KEYS)),
        privileges=frozenset(Privilege(*row) for row in await connection.fetch(PRIVILEGES)),
        unsecured=frozenset(row[0] for row in await connection.fetch(UNSECURED)),
    )


def _value(name: str, type_: str) -> str:
    # The text of a json value is no part of its meaning; all other types are compared by their text.
    return f"{name}::jsonb::text" if type_ == "json" else f"{name}::{type_}::text"


async def shape(connection: Connection) -> list[tuple[str, ...]]:
    await connection.execute("set search_path = ''")
    return [tuple(row) for row in await connection.fetch(SHAPE)]


async def prove(project: Project, **overrides: object) -> tuple[SchemaReport, SchemaReport]:
    """Apply the fix twice and hold it to its word. The reports before and after."""
    await project.execute(OWN)
    before = await project.check(**{**PATIENT, **overrides})
    if not before.fix.parts:
        assert_told(before, before)
        return before, before
    async with project.connect() as connection:
        data = await state(connection)
    await project.apply(before)
    async with project.connect() as connection:
        once = await shape(connection)
    await project.apply(before)
    async with project.connect() as connection:
        assert await shape(connection) == once, "the second run changed something"
        kept = await state(connection, data)
    after = await project.check(**{**PATIENT, **overrides})
    assert_kept(data, kept)
    settings = project.settings(**overrides)
    assert_closed(data, kept, settings.database_schema, load_contract(settings.runner_contract))
    assert_told(before, after)
    return before, after


def assert_kept(before: State, after: State) -> None:
    """No row, value, table, column, view, function, index, policy or trigger is lost."""
    assert after.rows == before.rows
    assert not before.objects - before.keys - after.objects


def assert_closed(before: State, after: State, schema: str, contract: Contract) -> None:
    """No caller may do more than before but read, as far as policies go, where the contract says so; and no table is
    without row security that was not so before, a new one included.
    """
    readable = {table.name: table.select_policy.role for table in contract.tables if table.select_policy}
    for gained in after.privileges - before.privileges:
        documented = gained.schema == schema and gained.name == "SELECT" and readable.get(gained.table) == gained.who
        assert documented or any(gained.follows(old) for old in before.privileges), gained
    assert not after.unsecured - before.unsecured


def assert_told(before: SchemaReport, after: SchemaReport) -> None:
    """What the fix says it mends passes, and what it leaves is all that may fail, or be worse than it was."""
    fix = before.fix
    failed, failing = failures(before), failures(after)
    assert failed.keys() <= fix.mends | fix.leaves, "not planned for"
    passed = with_outcome(after, Outcome.PASS)
    assert fix.mends <= passed.keys(), describe(after, fix.mends - passed.keys())
    # What was skipped behind a failed check may come to light, but not unannounced; what could not be told, the report
    # has called unknown.
    told = fix.leaves | with_outcome(before, Outcome.UNKNOWN).keys()
    assert failing.keys() <= failed.keys() | told, describe(after, failing.keys() - failed.keys() - told)
    assert {key for key, check in failing.items() if check.severity is Severity.ERROR} <= told
    passed_before = with_outcome(before, Outcome.PASS)
    assert passed_before.keys() <= passed.keys() | told, describe(after, passed_before.keys() - passed.keys() - told)
    # A second fix goes on only with what the first has left.
    assert after.fix.mends <= told


def describe(report: SchemaReport, keys: frozenset[str] | set[str]) -> str:
    return "; ".join(f"{check.key} {check.outcome}: {check.message}" for check in report.checks if check.key in keys)
