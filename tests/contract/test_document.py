"""The built-in contract, held against the document's facts table by table. What is written here is typed from the
document, not derived from the contract.
"""

import pytest

from app.contract.load import load_contract
from app.contract.model import Column, Table

CONTRACT = load_contract()
TABLES = {table.name: table for table in CONTRACT.tables}

DOCUMENTED_COLUMNS = {
    "strategy_runs": {
        "id": "uuid",
        "user_id": "uuid",
        "exchange_connection_id": "uuid",
        "exchange": "text",
        "market_type": "text",
        "symbol": "text",
        "timeframe": "text",
        "direction": "text",
        "leverage": "integer",
        "order_size_pct": "numeric",
        "status": "text",
        "last_signal_at": "timestamptz",
        "last_run_at": "timestamptz",
        "created_at": "timestamptz",
        "updated_at": "timestamptz",
    },
    "strategy_tick_runs": {
        "id": "uuid",
        "strategy_run_id": "uuid",
        "user_id": "uuid",
        "scheduled_at": "timestamptz",
        "started_at": "timestamptz",
        "finished_at": "timestamptz",
        "status": "text",
        "reason": "text",
        "signal": "text",
        "latency_ms": "integer",
        "meta": "jsonb",
    },
    "strategy_locks": {
        "strategy_run_id": "uuid",
        "locked_until": "timestamptz",
        "lock_owner": "text",
        "updated_at": "timestamptz",
    },
    "strategy_events": {},
    "strategy_risk_state": {},
    "strategies": {},
}
PRIMARY_KEYS = {
    "strategy_runs": ("id",),
    "strategy_tick_runs": ("id",),
    "strategy_locks": ("strategy_run_id",),
}
REFERENCES = {
    "strategy_runs.user_id": "user_profiles(id)",
    "strategy_runs.exchange_connection_id": "user_exchange_connections(id)",
    "strategy_tick_runs.strategy_run_id": "strategy_runs(id)",
    "strategy_tick_runs.user_id": "user_profiles(id)",
    "strategy_locks.strategy_run_id": "strategy_runs(id)",
}
NULLABILITY = {
    "strategy_runs.last_signal_at": True,
    "strategy_runs.last_run_at": True,
    "strategy_tick_runs.scheduled_at": False,
    "strategy_tick_runs.started_at": False,
    "strategy_locks.locked_until": False,
    "strategy_locks.lock_owner": False,
    "strategy_locks.updated_at": False,
}
VALUES = {
    "strategy_runs.status": ("draft", "active", "paused", "stopped"),
    "strategy_tick_runs.status": ("ok", "skipped", "blocked", "error"),
    "strategy_tick_runs.signal": ("buy", "sell", "hold"),
}


def columns() -> list[tuple[Table, Column]]:
    return [(table, column) for table in CONTRACT.tables for column in table.columns]


def test_every_table_of_the_document_is_there_and_no_other() -> None:
    assert TABLES.keys() == DOCUMENTED_COLUMNS.keys()


@pytest.mark.parametrize("name", DOCUMENTED_COLUMNS)
def test_every_listed_column_has_its_type(name: str) -> None:
    assert {column.name: column.type for column in TABLES[name].columns} == DOCUMENTED_COLUMNS[name]


@pytest.mark.parametrize("name", DOCUMENTED_COLUMNS)
def test_every_stated_primary_key(name: str) -> None:
    assert TABLES[name].primary_key == PRIMARY_KEYS.get(name, ())


def test_every_stated_foreign_key() -> None:
    stated = {f"{table.name}.{column.name}": column.references for table, column in columns()}
    assert {name: str(target) for name, target in stated.items() if target is not None} == REFERENCES


def test_nullability_where_it_is_stated_and_nowhere_else() -> None:
    stated = {f"{table.name}.{column.name}": column.nullable for table, column in columns()}
    assert {name: nullable for name, nullable in stated.items() if nullable is not None} == NULLABILITY


def test_every_value_set() -> None:
    stated = {f"{table.name}.{column.name}": column.values for table, column in columns()}
    assert {name: values for name, values in stated.items() if values} == VALUES


def test_strategy_id_must_be_gone_from_ticks() -> None:
    absent = {table.name: [column.name for column in table.absent_columns] for table in CONTRACT.tables}
    assert {name: names for name, names in absent.items() if names} == {"strategy_tick_runs": ["strategy_id"]}


def test_row_security_and_the_select_policy_are_stated_for_ticks_alone() -> None:
    assert [table.name for table in CONTRACT.tables if table.row_security] == ["strategy_tick_runs"]
    (policy,) = [table.select_policy for table in CONTRACT.tables if table.select_policy is not None]
    assert (policy.role, policy.owner_column, policy.admins) == ("authenticated", "user_id", True)


def test_the_backend_works_as_the_service_role_past_row_security() -> None:
    assert CONTRACT.service_role.name == "service_role"
    assert CONTRACT.service_role.bypasses_row_security is True


def test_what_the_service_role_must_be_allowed() -> None:
    assert {table.name: table.privileges for table in CONTRACT.tables if table.privileges} == {
        "strategy_runs": ("SELECT", "UPDATE"),
        "strategy_tick_runs": ("SELECT", "INSERT"),
        "strategy_locks": ("SELECT", "INSERT", "UPDATE", "DELETE"),
    }


def test_the_three_migrations_in_order_and_what_each_brings() -> None:
    assert [(migration.file, migration.introduces) for migration in CONTRACT.migrations] == [
        ("20260129150000_strategy_runs_and_events.sql", ("strategy_runs", "strategy_events")),
        (
            "20260129160000_strategy_runner.sql",
            ("strategies", "strategy_tick_runs", "strategy_risk_state", "strategy_locks"),
        ),
        (
            "20260129170000_unify_runner_strategy_runs.sql",
            (
                "strategy_runs.last_run_at",
                "strategy_tick_runs.strategy_run_id",
                "strategy_locks.strategy_run_id",
            ),
        ),
    ]


def test_only_the_superseded_table_is_legacy() -> None:
    assert CONTRACT.legacy_tables() == {"strategies"}
