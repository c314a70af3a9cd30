"""What the contract says of tables, as expectations over the catalogue."""

from collections.abc import Iterator

from app.contract.access import access_expectations
from app.contract.check import Expectation, Judgement, Severity, failed, passed
from app.contract.columns import column_expectations
from app.contract.identifiers import quote_identifier
from app.contract.model import Contract, Table
from app.contract.observed import Observation

ORDINARY, PARTITIONED = "r", "p"
KINDS = {"v": "a view", "m": "a materialized view", "f": "a foreign table"}


def table_expectations(contract: Contract) -> Iterator[Expectation]:
    """Every check on tables, their columns, keys and indexes, in the order of the contract."""
    for table in contract.tables:
        yield _table_exists(contract, table)
        yield from column_expectations(contract, table)
        if table.primary_key:
            yield _primary_key(contract, table)
        if table.row_security:
            yield _row_security(table)
        if table.select_policy is not None:
            yield from access_expectations(table, table.select_policy)
        if table.indexed:
            yield _indexes(table)


def _table_exists(contract: Contract, table: Table) -> Expectation:
    def judge(observation: Observation) -> Judgement:
        if observation.catalogue.schema is None:
            return failed("no such schema", f"There is no schema {observation.schema} in this database.")
        relation = observation.catalogue.relation(table.name)
        if relation is None:
            return failed("no such table", f"There is no table {observation.schema}.{table.name}.")
        if relation.kind not in (ORDINARY, PARTITIONED):
            kind = KINDS.get(relation.kind, f"a relation of kind {relation.kind}")
            return failed(
                kind,
                f"{observation.schema}.{table.name} is {kind}; the runner expects a table it can write to.",
            )
        actual = "a table" if relation.kind == ORDINARY else "a partitioned table"
        return passed(actual, f"{observation.schema}.{table.name} is {actual}.")

    return Expectation(
        key=table.key,
        table=table.name,
        severity=Severity.WARNING if table.legacy else Severity.ERROR,
        expected="a table",
        judge=judge,
        introduced_by=contract.introduced_by(table.name),
    )


def _primary_key(contract: Contract, table: Table) -> Expectation:
    expected = ", ".join(table.primary_key)

    def judge(observation: Observation) -> Judgement:
        relation = observation.table(table.name)
        actual = relation.primary_key
        # A partitioned table's key must contain its partition key, so that may join the expected columns.
        joined = frozenset(relation.partition_key) - frozenset(table.primary_key)
        if frozenset(actual) - joined == frozenset(table.primary_key):
            return passed(", ".join(actual), f"The primary key of {table.name} is ({', '.join(actual)}).")
        if not actual:
            return failed("no primary key", f"{table.name} has no primary key; the runner expects ({expected}).")
        return failed(
            ", ".join(actual),
            f"The primary key of {table.name} is ({', '.join(actual)}); the runner expects ({expected}).",
        )

    first = table.primary_key[0]
    return Expectation(
        key=f"{table.name}.primary_key",
        table=table.name,
        severity=Severity.ERROR,
        expected=expected,
        judge=judge,
        requires=table.key,
        introduced_by=contract.introduced_by(table.name, first),
    )


def _row_security(table: Table) -> Expectation:
    def judge(observation: Observation) -> Judgement:
        if not observation.table(table.name).row_security:
            return failed(
                "disabled",
                f"Row security is off on {table.name}: whoever may select from it reads every user's rows.",
                hint="Make sure its policies are right, then ALTER TABLE ... ENABLE ROW LEVEL SECURITY.",
            )
        return passed("enabled", f"Row security is on for {table.name}.")

    return Expectation(
        key=f"{table.name}.row_security",
        table=table.name,
        severity=Severity.ERROR,
        expected="enabled",
        judge=judge,
        requires=table.key,
    )


def _indexes(table: Table) -> Expectation:
    expected = ", ".join(f"a btree index leading with {column}" for column in table.indexed)

    def judge(observation: Observation) -> Judgement:
        indexes = observation.table(table.name).indexes
        serving = {
            index.leading_column: index.name
            for index in indexes
            if index.method == "btree" and index.valid and not index.partial
        }
        for column in table.indexed:
            if column not in serving:
                invalid = [index.name for index in indexes if index.leading_column == column and not index.valid]
                actual = f"only the invalid {invalid[0]}" if invalid else "no such index"
                return failed(
                    actual,
                    f"No valid btree index on {table.name} leads with {column}, so the newest rows"
                    " are found by reading the whole table.",
                    hint=_create_index(observation, table.name, column),
                )
        names = ", ".join(str(serving[column]) for column in table.indexed)
        return passed(names, f"{names} serves the newest rows of {table.name}.")

    return Expectation(
        key=f"{table.name}.indexes",
        table=table.name,
        severity=Severity.WARNING,
        expected=expected,
        judge=judge,
        requires=table.key,
    )


def _create_index(observation: Observation, table: str, column: str) -> str:
    """CONCURRENTLY keeps the runner writing; partitioned tables do not know it."""
    target = f"{quote_identifier(observation.schema)}.{quote_identifier(table)} ({quote_identifier(column)} DESC);"
    if observation.table(table).kind == PARTITIONED:
        return f"On each partition first, to keep locks short, then: CREATE INDEX ON {target}"
    return f"Outside a transaction: CREATE INDEX CONCURRENTLY ON {target}"
