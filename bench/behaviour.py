"""What pgTAP has no assertion for and a patient user tests by hand: values tried, and callers played, on own rows.

Everything here knows the tables' other columns, the spelling of the claims and the callers that matter; it is a test
that was written for this schema, where the assertions are read off the contract.
"""

from collections.abc import Iterator

from app.contract.model import ANONYMOUS, AUTHENTICATED
from bench.assertions import quoted
from tests.mutations import CONTRACT

OWNER, OTHER, ADMIN, UNKNOWN = (f"00000000-0000-4000-9000-00000000000{number}" for number in range(1, 5))
ROW = "00000000-0000-4000-9000-000000000009"
UNDOCUMENTED = ("panic", "")

ARRANGE = f"""
insert into public.user_profiles (id, role) values ('{OWNER}', 'user'), ('{OTHER}', 'user'), ('{ADMIN}', 'admin');
insert into public.strategy_runs (id, user_id, exchange, symbol) values ('{ROW}', '{OWNER}', 'bybit', 'BTC-USD');
insert into public.strategy_tick_runs (id, strategy_run_id, user_id, scheduled_at, started_at, status, signal)
  values ('{ROW}', '{ROW}', '{OWNER}', now(), now(), 'ok', 'buy');
"""
TICKS_SEEN = "(select count(*) from public.strategy_tick_runs)"
THE_TICK_SEEN = f"(select count(*) from public.strategy_tick_runs where id = '{ROW}')"
PROMOTE = "update public.user_profiles set role = 'admin'"
JOIN = f"insert into public.user_profiles (id, role) values ('{UNKNOWN}', 'admin')"


def behaviour() -> list[str]:
    """The statements, for the end of a pgTAP script."""
    return [
        ARRANGE,
        *_values(),
        *_as(AUTHENTICATED, OWNER, f"is({THE_TICK_SEEN}, 1::bigint, 'owners see their ticks')"),
        *_as(AUTHENTICATED, ADMIN, f"is({THE_TICK_SEEN}, 1::bigint, 'admins see all ticks')"),
        *_as(AUTHENTICATED, OTHER, f"is({TICKS_SEEN}, 0::bigint, 'other users see no ticks')"),
        *_as(AUTHENTICATED, UNKNOWN, f"is({TICKS_SEEN}, 0::bigint, 'users without a profile see no ticks')"),
        *_as(ANONYMOUS, None, _refused(f"select {TICKS_SEEN}", "visitors see no ticks")),
        *_as(AUTHENTICATED, OWNER, _refused(PROMOTE, "users cannot make themselves admins")),
        *_as(AUTHENTICATED, UNKNOWN, _refused(JOIN, "users cannot join as admins")),
        *_as(ANONYMOUS, None, _refused(PROMOTE, "visitors cannot make admins")),
    ]


def _values() -> Iterator[str]:
    for table in CONTRACT.tables:
        for column in table.columns:
            name = f"{table.name}.{column.name}"
            if not column.values:
                continue
            capitals = column.values[0].upper()
            for value in column.values:
                yield f"select lives_ok({_setting(table.name, column.name, value)}, '{name} accepts {value}');"
            for value in (*UNDOCUMENTED, capitals):
                sql = _setting(table.name, column.name, value)
                yield f"select throws_ok({sql}, null, null, '{name} refuses {value}');"


def _setting(table: str, column: str, value: str) -> str:
    return quoted(f"update public.{table} set {column} = {quoted(value)} where id = '{ROW}'")


def _refused(sql: str, about: str) -> str:
    return f"throws_ok({quoted(sql)}, '42501', null, {quoted(about)})"


def _as(role: str, subject: str | None, assertion: str) -> Iterator[str]:
    """An assertion made by a caller of the platform's API, with the claims that such a caller has."""
    claims = f'{{"role":"{role}"' + (f',"sub":"{subject}"' if subject else "") + "}"
    yield f"select set_config('request.jwt.claims', {quoted(claims)}, true) as claims \\gset"
    yield f"set local role {role};"
    yield f"select {assertion};"
    yield "reset role;"
