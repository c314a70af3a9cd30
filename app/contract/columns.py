"""What the contract says of columns, as expectations over the catalogue."""

from collections.abc import Iterator

from app.contract.check import Expectation, Judgement, Severity, failed, passed, unknown
from app.contract.model import TYPES, AbsentColumn, Column, Contract, Reference, Table
from app.contract.observed import AcceptedValues, ForeignKey, Observation
from app.contract.observed import Column as ObservedColumn
from app.contract.values import value_expectation


def column_expectations(contract: Contract, table: Table) -> Iterator[Expectation]:
    """Every check on the columns of a table, those that must be gone last."""
    for column in table.columns:
        yield from _column(contract, table, column)
    for absent in table.absent_columns:
        yield _column_absent(table, absent)


def _column(contract: Contract, table: Table, column: Column) -> Iterator[Expectation]:
    present = f"{table.name}.column.{column.name}.present"
    yield _column_present(contract, table, column, present)
    yield _column_type(table, column, present)
    if column.nullable is not None:
        yield _column_nullability(table, column, column.nullable, present)
    if column.values:
        yield value_expectation(table, column)
    if column.references is not None:
        yield _column_references(contract, table, column, column.references, present)


def _column_present(contract: Contract, table: Table, column: Column, key: str) -> Expectation:
    def judge(observation: Observation) -> Judgement:
        if observation.table(table.name).column(column.name) is None:
            return failed("no such column", f"{table.name} has no column {column.name}.")
        return passed("present", f"{table.name}.{column.name} exists.")

    return Expectation(
        key=key,
        table=table.name,
        severity=Severity.ERROR,
        expected=f"a column {column.name} {column.type}",
        judge=judge,
        requires=table.key,
        introduced_by=contract.introduced_by(table.name, column.name),
    )


def _column_type(table: Table, column: Column, present: str) -> Expectation:
    def judge(observation: Observation) -> Judgement:
        actual = observation.column(table.name, column.name).type
        if (actual.schema, actual.name) != ("pg_catalog", TYPES[column.type]):
            return failed(
                actual.display,
                f"{table.name}.{column.name} is {actual.display}; the runner expects {column.type}.",
            )
        return passed(actual.display, f"{table.name}.{column.name} is {actual.display}.")

    return Expectation(
        key=f"{table.name}.column.{column.name}.type",
        table=table.name,
        severity=Severity.ERROR,
        expected=column.type,
        judge=judge,
        requires=present,
    )


def _column_nullability(table: Table, column: Column, nullable: bool, present: str) -> Expectation:
    expected = "nullable" if nullable else "NOT NULL"

    def judge(observation: Observation) -> Judgement:
        found = observation.column(table.name, column.name)
        name = f"{table.name}.{column.name}"
        tried = observation.tried(table.name, column.name)
        if found.checked and not found.not_null:
            return _checked_nullability(name, found, tried, nullable=nullable)
        if found.not_null and nullable:
            return failed(
                "NOT NULL", f"{name} refuses null; the runner leaves it empty until there is a time to write."
            )
        if not found.not_null and not nullable:
            return _accepts_null(name)
        if found.not_null and not found.not_null_validated:
            return _unvalidated("NOT NULL NOT VALID", name)
        return passed(expected, f"{name} is {expected}.")

    return Expectation(
        key=f"{table.name}.column.{column.name}.nullability",
        table=table.name,
        severity=Severity.ERROR,
        expected=expected,
        judge=judge,
        requires=present,
    )


def _checked_nullability(
    name: str, found: ObservedColumn, tried: AcceptedValues | None, *, nullable: bool
) -> Judgement:
    """A CHECK can refuse null as well as NOT NULL does."""
    if tried is None or tried.obstacle is not None:
        reason = tried.obstacle if tried is not None else "it was not tried"
        return unknown(f"Whether a CHECK on {name} refuses null cannot be told: {reason}.")
    if tried.null_accepted:
        return passed("nullable", f"{name} is nullable.") if nullable else _accepts_null(name)
    if nullable:
        return failed(
            "refused by a CHECK",
            f"A CHECK on {name} refuses null; the runner leaves it empty until there is a time to write.",
        )
    if not found.checks_validated:
        return _unvalidated("refused by a CHECK, NOT VALID", name)
    return passed("refused by a CHECK", f"A CHECK on {name} refuses null, as NOT NULL does.")


def _accepts_null(name: str) -> Judgement:
    return failed("nullable", f"{name} accepts null; the runner expects NOT NULL.")


def _unvalidated(actual: str, name: str) -> Judgement:
    return failed(
        actual,
        f"{name} refuses null in new rows, but its old rows were never checked.",
        severity=Severity.WARNING,
        hint="Once no row is null, validate the constraint: ALTER TABLE ... VALIDATE CONSTRAINT.",
    )


def _column_references(
    contract: Contract, table: Table, column: Column, target: Reference, present: str
) -> Expectation:
    def judge(observation: Observation) -> Judgement:
        foreign_keys = [key for key in observation.table(table.name).foreign_keys if key.columns == (column.name,)]
        name = f"{table.name}.{column.name}"
        matching = [
            key
            for key in foreign_keys
            if (key.referenced_schema, key.referenced_table, key.referenced_columns)
            == (observation.schema, target.table, (target.column,))
        ]
        enforced = [key for key in matching if key.enforced]
        if any(key.validated for key in enforced):
            return passed(f"references {target}", f"{name} references {target}.")
        if enforced:
            return failed(
                f"references {target}, NOT VALID",
                f"{name} references {target}, but its old rows were never checked (NOT VALID).",
                severity=Severity.WARNING,
                hint="Once no row is an orphan, validate it: ALTER TABLE ... VALIDATE CONSTRAINT.",
            )
        if matching:
            return failed(
                f"references {target}, not enforced",
                f"{name} references {target}, but Postgres does not enforce it"
                " (NOT ENFORCED, or its triggers are disabled).",
                hint="Find the orphans first; then ALTER CONSTRAINT ... ENFORCED, or ENABLE TRIGGER ALL on both tables"
                " and their partitions.",
            )
        actual = _targets(foreign_keys, observation.schema)
        return failed(actual, f"{name} {actual}; the runner expects {target}.")

    return Expectation(
        key=f"{table.name}.column.{column.name}.references",
        table=table.name,
        severity=Severity.ERROR,
        expected=f"references {target}",
        judge=judge,
        requires=present,
        introduced_by=contract.introduced_by(table.name, column.name),
    )


def _targets(foreign_keys: list[ForeignKey], schema: str) -> str:
    """`references strategies(id)`; tables of another schema are written with it, for they may be namesakes."""
    if not foreign_keys:
        return "has no foreign key"
    targets = []
    for key in foreign_keys:
        table = key.referenced_table
        if key.referenced_schema != schema:
            table = f"{key.referenced_schema}.{table}"
        targets.append(f"{table}({', '.join(key.referenced_columns)})")
    return "references " + " and ".join(targets)


def _column_absent(table: Table, absent: AbsentColumn) -> Expectation:
    def judge(observation: Observation) -> Judgement:
        relation = observation.table(table.name)
        column = relation.column(absent.name)
        if column is None:
            return passed("no such column", f"{table.name} has no column {absent.name}, as it should be.")
        foreign_keys = [key for key in relation.foreign_keys if key.columns == (absent.name,)]
        actual = column.type.display + (" NOT NULL" if column.not_null else "")
        if foreign_keys:
            actual += ", " + _targets(foreign_keys, observation.schema)
        return failed(actual, f"{table.name}.{absent.name} is still there: {absent.why}.")

    return Expectation(
        key=f"{table.name}.column.{absent.name}.absent",
        table=table.name,
        severity=Severity.ERROR,
        expected="no such column",
        judge=judge,
        requires=table.key,
    )
