"""The databases of the comparison: drifted ones, and ones that only look so. Their SQL is what the tests run."""

from dataclasses import dataclass

from app.contract.check import Outcome
from app.demo.database import DRIFTS
from tests.mutations import all_mutations
from tests.postgres.test_access import SCENARIOS, TICKS
from tests.postgres.test_lookalikes import ALIKE
from tests.postgres.test_migrations import HISTORY, THREE, TWO
from tests.postgres.test_near_misses import UNLIKE
from tests.postgres.test_promotion import PROMOTIONS
from tests.postgres.test_values import ACCEPTING, KEY, PASSING, REFUSING

# It refuses what it should, and only ours cannot tell: a tool that says nothing of it has missed nothing.
WHOLE_ROW = "only a CHECK on the whole row"
CALLERS = ("owner", "other", "admin", "anonymous")


@dataclass(frozen=True, slots=True)
class Drift:
    """What is done to a copy of `template`; `keys` are the checks of ours that must fail for it to count as found."""

    keys: tuple[str, ...]
    about: str
    sql: str
    template: str = "documented"


@dataclass(frozen=True, slots=True)
class LookAlike:
    """What is done to a documented database that leaves every documented statement true."""

    about: str
    sql: str


# Of every kind of fact in the contract at least one, by the check that the tests' mutation breaks.
STRUCTURE = {
    "strategy_locks.table": "a table renamed",
    "strategy_events.table": "a table of which only the existence is documented, renamed",
    "strategy_runs.column.symbol.present": "a column renamed",
    "strategy_tick_runs.column.strategy_run_id.present": "the column that the third migration brings, renamed",
    "strategy_runs.column.leverage.type": "integer changed to bigint",
    "strategy_runs.column.created_at.type": "timestamptz changed to timestamp",
    "strategy_tick_runs.column.meta.type": "jsonb changed to json",
    "strategy_runs.column.last_signal_at.nullability": "NOT NULL where null is documented",
    "strategy_locks.column.lock_owner.nullability": "null where NOT NULL is documented",
    "strategy_tick_runs.column.user_id.references": "a foreign key dropped",
    "strategy_runs.primary_key": "a primary key dropped, and with it the foreign keys on it",
    "strategy_tick_runs.column.strategy_id.absent": "a column that must be gone, added again",
    "strategy_tick_runs.row_security": "row security disabled",
    "strategy_tick_runs.indexes": "an index dropped",
    "role.privileges.strategy_runs": "UPDATE revoked from the service role",
    "role.privileges.strategy_tick_runs": "INSERT revoked from the service role",
    "role.privileges.strategy_locks": "DELETE revoked from the service role",
}

# The tests hold these inside their functions.
HISTORIES = [
    Drift((f"migrations.{THREE}",), DRIFTS["two-migrations"].about, "", "two_migrations"),
    Drift(
        ("strategy_runs.table", f"migrations.{THREE}"),
        "nothing was ever applied: a database without tables",
        "",
        "nothing",
    ),
    Drift(
        (f"migrations.{THREE}",),
        "a migration whose effect is there is not recorded, so that a push would run it again",
        f"delete from {HISTORY} where version = '{THREE}';",
    ),
    Drift(
        (f"migrations.{THREE}",),
        "a migration is recorded under another version",
        f"update {HISTORY} set version = '20260301000000' where version = '{THREE}';",
    ),
    Drift(
        ("migrations.order",),
        "a later migration is recorded without an earlier one",
        f"delete from {HISTORY} where version = '{TWO}';",
    ),
    Drift(("migrations.history",), "the history is gone", "drop schema supabase_migrations cascade;"),
    Drift(
        ("role.privileges.strategy_runs",),
        "USAGE on the schema revoked from the service role",
        "revoke usage on schema public from public, service_role;",
    ),
]


def all_drifts() -> list[Drift]:
    """Structure, grants and history first, then values, then what callers see and what they can make of themselves."""
    # Where several mutations break the same check, the last stands: it revokes the last of the privileges.
    mutations = {mutation.breaks: mutation.sql for mutation in all_mutations()}
    return [
        *(Drift((key,), about, mutations[key]) for key, about in STRUCTURE.items()),
        *(Drift(tuple(messages), about, sql) for about, (sql, messages) in UNLIKE.items()),
        *HISTORIES,
        *(
            Drift((KEY,), f"values: {about}", sql)
            for about, (sql, _) in (REFUSING | ACCEPTING).items()
            if about != WHOLE_ROW
        ),
        *(
            Drift(tuple(f"{TICKS}.access.{who}" for who in _wronged(letters)), f"policies: {about}", sql)
            for about, (sql, letters) in SCENARIOS.items()
            if _wronged(letters)
        ),
        *(
            Drift(("user_profiles.access.promote",), f"self promotion: {about}", sql)
            for about, (sql, result) in PROMOTIONS.items()
            if result is Outcome.FAIL
        ),
    ]


def all_look_alikes() -> list[LookAlike]:
    """Every database that the tests want to pass, and one that ours warns of: shape, rules on values, policies."""
    return [
        *(LookAlike(about, sql) for about, sql in ALIKE.items()),
        *(LookAlike(f"values: {about}", sql) for about, sql in PASSING.items()),
        LookAlike(f"values: {WHOLE_ROW}", ACCEPTING[WHOLE_ROW][0]),
        *(LookAlike(f"policies: {about}", sql) for about, (sql, letters) in SCENARIOS.items() if letters == "pppp"),
    ]


def _wronged(letters: str) -> list[str]:
    """The callers that see too little or too much, of the tests' letters for each."""
    return [who for who, letter in zip(CALLERS, letters, strict=True) if letter == "f"]
