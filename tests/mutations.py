"""Ways to break a documented database: for every fact of the contract one that breaks it, and what must be found."""

from collections.abc import Iterator
from dataclasses import dataclass

from app.contract.check import Outcome, Severity
from app.contract.load import load_contract
from app.contract.model import Column, Contract, Table
from app.diagnostics import SchemaReport
from tests.databases import failures, with_outcome

CONTRACT = load_contract()


@dataclass(frozen=True)
class Mutation:
    """`breaks` is the one check it is made for; `also` are those that cannot hold without the same thing."""

    breaks: str
    sql: str
    also: frozenset[str] = frozenset()
    touches: str = ""
    """The table or column it changes: two mutations of the same thing do not combine."""

    @property
    def expected(self) -> frozenset[str]:
        return self.also | {self.breaks}

    def assert_found(self, report: SchemaReport) -> None:
        """What is broken fails, and nothing else is wrong."""
        found = failures(report)
        assert found.keys() == self.expected
        assert all(check.message and check.expected for check in found.values())
        wrong = any(check.severity is Severity.ERROR for check in found.values())
        assert report.conformant is (not wrong)
        # Without SELECT on a table nothing can be tried on its columns.
        unknown = {f"role.privileges.{check.table}" for check in with_outcome(report, Outcome.UNKNOWN).values()}
        assert unknown <= {self.breaks}
        assert all(check.because in self.expected for check in with_outcome(report, Outcome.SKIPPED).values())

    def __str__(self) -> str:
        return self.breaks


WRONG_TYPES = {
    "uuid": ("text", "{}::text"),
    "text": ("varchar(200)", "{}"),
    "integer": ("bigint", "{}"),
    "numeric": ("double precision", "{}"),
    "timestamptz": ("timestamp", "{} at time zone 'utc'"),
    "jsonb": ("json", "{}::json"),
}

POLICY = '"Users read their own ticks, admins all"'
UNREADABLE = frozenset(
    {
        "strategy_tick_runs.policy.select",
        "strategy_tick_runs.access.owner",
        "strategy_tick_runs.access.admin",
    }
)

# What hangs on a column and would not let its type change, and what goes with it.
CLEARING = {
    "strategy_tick_runs.user_id": (f"drop policy {POLICY} on public.strategy_tick_runs;", UNREADABLE),
    "strategy_runs.user_id": ('drop policy "Users manage their own runs" on public.strategy_runs;', frozenset[str]()),
    "strategy_runs.status": (
        "drop trigger strategy_runs_touch_updated_at on public.strategy_runs;",
        frozenset[str](),
    ),
}

# Behaviour that no shape shows.
BEHAVIOUR = [
    Mutation(
        f"{table}.column.{column}.values",
        f"""
        alter table public.{table} drop constraint {table}_{column}_check;
        alter table public.{table} add constraint {table}_{column}_check check ({column} in ({allowed})) not valid;
        """,
        touches=f"{table}.{column}",
    )
    for table, column, allowed in (
        ("strategy_runs", "status", "'draft', 'active', 'paused'"),
        ("strategy_tick_runs", "status", "'ok', 'skipped', 'error'"),
        ("strategy_tick_runs", "signal", "'buy', 'sell'"),
    )
] + [
    Mutation(
        "strategy_tick_runs.policy.select",
        f"drop policy {POLICY} on public.strategy_tick_runs;",
        UNREADABLE,
        "strategy_tick_runs policy",
    ),
    Mutation(
        "strategy_tick_runs.access.owner",
        f"""
        alter policy {POLICY} on public.strategy_tick_runs using (
          exists (select from user_profiles where id = auth.uid() and role = 'admin')
        );
        """,
        touches="strategy_tick_runs policy",
    ),
    Mutation(
        "strategy_tick_runs.access.admin",
        f"alter policy {POLICY} on public.strategy_tick_runs using (auth.uid() = user_id);",
        touches="strategy_tick_runs policy",
    ),
    Mutation(
        "strategy_tick_runs.access.other",
        "create policy leak on public.strategy_tick_runs for select to authenticated using (status <> 'never');",
        touches="strategy_tick_runs leak",
    ),
    Mutation(
        "strategy_tick_runs.access.anonymous",
        """
        grant select on public.strategy_tick_runs to anon;
        create policy open on public.strategy_tick_runs for select to anon using (auth.uid() is null);
        """,
        touches="strategy_tick_runs open",
    ),
    Mutation(
        "user_profiles.access.promote",
        "grant update (role) on public.user_profiles to authenticated;",
        touches="user_profiles",
    ),
]

DROP_FOREIGN_KEYS = """
do $$
declare found record;
begin
  for found in
    select con.conrelid::regclass as relation, con.conname
    from pg_constraint as con
    where con.contype = 'f'
      and ((con.conrelid = 'public.{table}'::regclass and con.conkey = array[(
              select attnum from pg_attribute where attrelid = con.conrelid and attname = '{column}')])
        or (con.confrelid = 'public.{table}'::regclass and {referenced} and con.confkey = array[(
              select attnum from pg_attribute where attrelid = con.confrelid and attname = '{column}')]))
  loop
    execute format('alter table %s drop constraint %I', found.relation, found.conname);
  end loop;
end $$;
"""


def all_mutations(contract: Contract = CONTRACT) -> list[Mutation]:
    return [mutation for table in contract.tables for mutation in _of_table(contract, table)] + BEHAVIOUR


def _of_table(contract: Contract, table: Table) -> Iterator[Mutation]:
    name = table.name
    pointing = frozenset(
        f"{other.name}.column.{column.name}.references"
        for other in contract.tables
        for column in other.columns
        if column.references is not None and column.references.table == name and other is not table
    )
    yield Mutation(f"{name}.table", f"alter table public.{name} rename to {name}_old;", pointing, name)
    for column in table.columns:
        yield from _of_column(contract, table, column)
    for absent in table.absent_columns:
        yield Mutation(
            f"{name}.column.{absent.name}.absent",
            f"alter table public.{name} add column {absent.name} uuid;",
            touches=f"{name}.{absent.name}",
        )
    if table.primary_key:
        drop = f"alter table public.{name} drop constraint {name}_pkey cascade;"
        yield Mutation(f"{name}.primary_key", drop, pointing, f"{name}.{table.primary_key[0]}")
    if table.row_security:
        disable = f"alter table public.{name} disable row level security;"
        yield Mutation(f"{name}.row_security", disable, frozenset({f"{name}.access.other"}), name)
    for column_name in table.indexed:
        yield Mutation(f"{name}.indexes", f"drop index public.{name}_{column_name};", touches=f"{name}.{column_name}")
    for privilege in table.privileges:
        revoke = f"revoke {privilege} on public.{name} from service_role;"
        yield Mutation(f"role.privileges.{name}", revoke, touches=f"{name} {privilege}")


def _of_column(contract: Contract, table: Table, column: Column) -> Iterator[Mutation]:
    name, key = f"{table.name}.{column.name}", f"{table.name}.column.{column.name}"
    in_key = {f"{table.name}.primary_key"} if column.name in table.primary_key else set()
    leading = {f"{table.name}.indexes"} if column.name in table.indexed else set()
    pointed_at = {
        f"{other.name}.column.{pointing.name}.references"
        for other in contract.tables
        for pointing in other.columns
        if pointing.references is not None
        and (pointing.references.table, pointing.references.column) == (table.name, column.name)
    }
    own = {f"{key}.references"} if column.references is not None else set()
    rename = f"alter table public.{table.name} rename column {column.name} to {column.name}_old;"
    yield Mutation(f"{key}.present", rename, frozenset(in_key | leading | pointed_at), name)
    wrong, cast = WRONG_TYPES[column.type]
    clearing, cleared = CLEARING.get(name, ("", frozenset[str]()))
    drop_keys = DROP_FOREIGN_KEYS.format(table=table.name, column=column.name, referenced="true")
    yield Mutation(
        f"{key}.type",
        f"{clearing}{drop_keys}"
        f"alter table public.{table.name} alter column {column.name} drop default;"
        f"alter table public.{table.name} alter column {column.name} type {wrong}"
        f" using {cast.format(column.name)};",
        frozenset(pointed_at | own | cleared),
        name,
    )
    if column.nullable is not None:
        change = "set" if column.nullable else "drop"
        fill = f"update public.{table.name} set {column.name} = now() where {column.name} is null;"
        sql = f"alter table public.{table.name} alter column {column.name} {change} not null;"
        yield Mutation(f"{key}.nullability", (fill if column.nullable else "") + sql, touches=name)
    if column.references is not None:
        only = DROP_FOREIGN_KEYS.format(table=table.name, column=column.name, referenced="false")
        yield Mutation(f"{key}.references", only, touches=name)
