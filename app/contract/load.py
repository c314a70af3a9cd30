"""From a TOML file to a `Contract`; what is wrong with a file is said with its line or its key."""

import hashlib
import re
import tomllib
from collections.abc import Iterable, Iterator
from importlib import resources
from pathlib import Path

import msgspec

from app.contract.model import TYPES, Contract, Table
from app.errors import ContractError


def contract_text(path: Path | None) -> str:
    """The text of a contract file; of the built-in one without a path. Raises ContractError when it cannot be read."""
    if path is None:
        return (resources.files("app.contract") / "runner.toml").read_text(encoding="utf-8")
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise ContractError(f"The contract file {path} cannot be read: {reason}.") from error


def load_contract(path: Path | None = None) -> Contract:
    """Read and validate a contract file. Raises ContractError naming the line (bad TOML) or the key (bad content)."""
    source = str(path) if path is not None else "runner.toml"
    try:
        document = tomllib.loads(contract_text(path))
        contract = msgspec.convert(document, Contract)
    except tomllib.TOMLDecodeError as error:
        raise ContractError(f"{source} is not valid TOML: {error}.") from error
    except msgspec.ValidationError as error:
        raise ContractError(f"{source}: {_with_named_key(str(error))}.") from error
    for problem in _contradictions(contract):
        raise ContractError(f"{source}: {problem}.")
    return contract


def contract_digest(contract: Contract) -> str:
    """A fingerprint of what a contract says: comments, order of keys and layout of its file do not change it."""
    canonical = msgspec.json.encode(contract, order="deterministic")
    return "sha256:" + hashlib.sha256(canonical).hexdigest()


def _with_named_key(message: str) -> str:
    """The messages end in a path such as `$.tables[1].columns[0].type`; `$.` says nothing to a reader of TOML."""
    return re.sub(r" - at `\$\.?(.*)`$", lambda found: f", at {found[1]}" if found[1] else "", message)


def _contradictions(contract: Contract) -> Iterator[str]:
    """What the shape of the file cannot rule out, each named by its key."""
    if not contract.tables:
        yield "tables is empty: nothing would be checked"
    if not contract.service_role.name:
        yield "service_role.name is empty"
    yield from _repeated("tables", (table.name for table in contract.tables))
    yield from _repeated("migrations", (migration.version for migration in contract.migrations))
    known = {table.name for table in contract.tables}
    known |= {f"{table.name}.{column.name}" for table in contract.tables for column in table.columns}
    for migration in contract.migrations:
        if not set(migration.introduces) - contract.legacy_tables():
            yield f"migrations.{migration.version}.introduces nothing that must exist: it would always seem applied"
        for name in migration.introduces:
            if name not in known:
                yield f"migrations.{migration.version}.introduces names {name!r}, which no table of the contract has"
    for table in contract.tables:
        yield from _contradictions_of_table(table)


def _contradictions_of_table(table: Table) -> Iterator[str]:
    names = [column.name for column in table.columns]
    yield from _repeated(f"tables.{table.name}.columns", names)
    for column in table.columns:
        if column.type not in TYPES:
            known = ", ".join(sorted(TYPES))
            yield f"tables.{table.name}.columns.{column.name}.type is {column.type!r}; known types are {known}"
    for key, listed in (("primary_key", table.primary_key), ("indexed", table.indexed)):
        for name in listed:
            if name not in names:
                yield f"tables.{table.name}.{key} names {name!r}, which is not among its columns"
    for absent in table.absent_columns:
        if absent.name in names:
            yield f"tables.{table.name}.absent_columns names {absent.name!r}, which is also among its columns"
    if table.select_policy is not None and len(table.primary_key) not in (1, 2):
        yield f"tables.{table.name}.select_policy needs a primary_key of one or two columns, to sample rows by"
    if table.select_policy is not None and table.select_policy.owner_column not in names:
        yield f"tables.{table.name}.select_policy.owner_column is not among its columns"


def _repeated(key: str, names: Iterable[str]) -> Iterator[str]:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            yield f"{key} has {name!r} twice"
        seen.add(name)
