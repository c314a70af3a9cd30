"""The documents that are written from the program: `make docs` writes them, a test finds them as they would be now."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from app.contract.check import Expectation
from app.contract.compare import all_expectations
from app.contract.connection import Way
from app.contract.load import load_contract
from app.main import create_app
from app.settings import load_settings

DOCS = Path(__file__).parent.parent / "docs"


class Kind(NamedTuple):
    """What checks whose key has this form have in common."""

    title: str
    form: str
    meaning: str
    why: str
    mend: str


FIX = "`runner-diagnostics fix` writes the statement"
KINDS = (
    Kind(
        "A table",
        r"[a-z_]+\.table",
        "The schema has an ordinary or a partitioned table of exactly that name; a view is not one.",
        "Without it whatever reads or writes it fails, and nothing else about it can be checked.",
        "Apply the migration that the hint names. A fix makes the tables whose columns are all documented.",
    ),
    Kind(
        "A column",
        r"[a-z_]+\.column\.[a-z_]+\.present",
        "The table has the column. The column's other checks are skipped without it.",
        "Inserts and queries of the runner name it, and fail.",
        f"{FIX}; the hint names the migration that should have brought it.",
    ),
    Kind(
        "A type",
        r"[a-z_]+\.column\.[a-z_]+\.type",
        "The column has the documented type, in any precision; a domain counts as what it is based on.",
        "The runner compares and calculates with it: times without a zone are hours off, text does not add up.",
        f"{FIX} where the cast loses nothing, and shows it as a comment with the reason where it might.",
    ),
    Kind(
        "Nullability",
        r"[a-z_]+\.column\.[a-z_]+\.nullability",
        "NOT NULL, or nullable, where the document says which. A NOT NULL that was never validated is a warning.",
        "A null where none may be stops the reader; a NOT NULL where the runner has no value yet stops the insert.",
        f"{FIX} once no row violates it, which it counts first.",
    ),
    Kind(
        "Values",
        r"[a-z_]+\.column\.[a-z_]+\.values",
        "Postgres evaluates the column's own CHECKs on the documented values and on near misses. A refused documented"
        " value is an error; that others are accepted, or all, is a warning.",
        "A refused value is a lost tick or a strategy that cannot be paused.",
        f"{FIX} that replaces the CHECK, where every row keeps to it.",
    ),
    Kind(
        "A reference",
        r"[a-z_]+\.column\.[a-z_]+\.references",
        "A foreign key of that one column points at that table and column. NOT VALID alone is a warning.",
        "Without it rows outlive their strategy or their user, and joins lose them without a word.",
        f"{FIX} in two parts: the first adds it for new rows, the second validates the old ones. Orphans come first.",
    ),
    Kind(
        "A column that must be gone",
        r"[a-z_]+\.column\.[a-z_]+\.absent",
        "The column is not there.",
        "The runner does not fill it: while it is required, every audit insert fails.",
        f"{FIX} that keeps it under another name, without its NOT NULL and its foreign key: nothing is lost.",
    ),
    Kind(
        "A primary key",
        r"[a-z_]+\.primary_key",
        "It has exactly those columns; on a partitioned table those of the partition key may join them.",
        "Upserts name it: with another key, two runners can hold one lock, or one row is written twice.",
        f"{FIX}; duplicates are counted first, and are a person's to decide on.",
    ),
    Kind(
        "Row security",
        r"[a-z_]+\.row_security",
        "It is enabled on the table.",
        "Without it, whoever may select from the table reads the rows of every user.",
        f"{FIX}, with the policies before it is enabled.",
    ),
    Kind(
        "A policy",
        r"[a-z_]+\.policy\.select",
        "A permissive SELECT policy applies to `authenticated`.",
        "Under row security without one, signed-in users and the admin page see an empty table.",
        f"{FIX}.",
    ),
    Kind(
        "What callers see",
        r"[a-z_]+\.access\.(owner|other|admin|anonymous)",
        "The service becomes that caller on a few sampled rows and lets Postgres decide. The check is unknown where"
        " there is no row to try it on, or no right to become the caller. Rows of a table can be read by the name of a"
        " partition, a table that inherits from it, or one that it inherits from, where its policies do not count: one"
        " that a caller may read and that has no row security fails, and what the policies of one that has some show is"
        " unknown. Views are not looked at.",
        "Text of a policy can look right and deny its owner, or let in a stranger.",
        f"{FIX} where a policy of the documented form mends it; the message names the policies involved.",
    ),
    Kind(
        "Promotion",
        r"[a-z_]+\.access\.promote",
        "Neither `authenticated` nor `anon` can write the column that makes admins: by its privileges, and by the"
        " policies that apply.",
        "Users could make themselves admins, of the platform and of this service.",
        "Revoke INSERT and UPDATE on the table, and grant them column by column without that one.",
    ),
    Kind(
        "Indexes",
        r"[a-z_]+\.indexes",
        "A valid btree index, not a partial one, leads with the column.",
        "The newest ticks are found by reading the whole table: seconds at first, then timeouts.",
        "Create it outside a transaction with CONCURRENTLY, as the hint says; the runner goes on writing.",
    ),
    Kind(
        "The connection",
        r"connection\.[a-z_]+",
        "The way to the database is encrypted and its server verified, or does not leave the machine.",
        "Somebody in between could read the login and every row.",
        "Set DATABASE_SSL_ROOT_CERT.",
    ),
    Kind(
        "The roles",
        r"role\.(assumable|login|bypasses_row_security)",
        "The login can become the reading role and is not a superuser; the reading role bypasses row security.",
        "The runner's backend would see other rows than the report speaks of, or none.",
        "The hint has the statement; [deployment.md](deployment.md) has the whole login.",
    ),
    Kind(
        "Grants",
        r"role\.privileges\.[a-z_]+",
        "The reading role may use the schema and do with the table what the backend does; only SELECT, where rows are"
        " read as another role than `service_role`.",
        "New tables of Supabase are granted to nobody since 30 October 2026: the runner's statements are refused.",
        f"{FIX}, for what is missing and no more.",
    ),
    Kind(
        "Migrations",
        r"migrations\.[a-z0-9_]+",
        "The history can be read, and each documented migration is in it, in order: by version, by name or by"
        " statements. One that is recorded and has no effect at all is an error; all else is a warning.",
        "A push would run again what is there already, or never run what is missing.",
        "`supabase migration repair`, as the hint says; or a new migration. Never edit one that was applied.",
    ),
)

MADE = "<!-- Written by `make docs`; a change belongs where it is made from. -->"


def checks_document() -> str:
    """Every check of the built-in contract by its kind. Raises LookupError for a check that no kind describes."""
    expectations = all_expectations(
        load_contract(),
        way=Way(local=True, ssl_mode="disable"),
        reading_role="service_role",
        profile_table="user_profiles",
    )
    by_kind: dict[Kind, list[Expectation]] = {kind: [] for kind in KINDS}
    for expectation in expectations:
        by_kind[_kind(expectation.key)].append(expectation)
    parts = [
        f"""# Checks

{MADE}

The key of a check never changes. An *error* that fails makes the database not conform, a *warning* does not. Each is at
most as severe as said here; one that cannot be made is *unknown*, one that depends on a failed one is *skipped*.
"""
    ]
    parts += [_section(kind, found) for kind, found in by_kind.items() if found]
    return "\n".join(parts)


def _kind(key: str) -> Kind:
    for kind in KINDS:
        if re.fullmatch(kind.form, key):
            return kind
    raise LookupError(f"{key} is of no kind in tests/generated.py: add one that says what it means")


def _section(kind: Kind, expectations: list[Expectation]) -> str:
    rows = "".join(
        f"| `{one.key}` | {one.severity} | {one.expected.replace('|', chr(92) + '|')} |\n" for one in expectations
    )
    return f"""## {kind.title}

{kind.meaning}

*Why it matters:* {kind.why}

*How to mend it:* {kind.mend}

| key | severity | expected |
|---|---|---|
{rows}"""


EXAMPLES = {
    "/metrics": "",
    "/api/runner/schema": "?fail_on=drift",
    "/api/runner/schema/fix": "?part=1",
    "/api/runner/status": "?window=24h",
    "/api/runner/runs": "?state=overdue&limit=20",
    "/api/runner/tick-runs": "?status=error&status=blocked&limit=20",
    "/api/runner/tick-runs/stream": "?status=error",
}
WHO = {"AdminOrProbe": "an admin, or the probe's token", "Admin": "an admin"}


def openapi() -> dict[str, Any]:
    secret = "only-to-write-a-document-0123456789abcdef"
    settings = load_settings(
        env_file=None, database_url="postgresql://127.0.0.1/postgres", supabase_jwt_secret=secret, probe_token=secret
    )
    return create_app(settings).openapi()


def api_document() -> str:
    """Every path of the OpenAPI document, with its parameters, its answers and a call to try."""
    document = openapi()
    head = f"""# HTTP

{MADE}

`$BASE` is the address of the service and `$TOKEN` an admin's access token, or `PROBE_TOKEN` where the probe may have
it. With `ENVIRONMENT=development`, `/docs` shows the same with every schema, and `/openapi.json` has it for programs.

Answers are JSON with `ok` and `requestId`, times are RFC 3339 in UTC, and nothing may be kept.
Errors are RFC 9457 problems: `type`, `title`, `status`, `detail`, and `ok: false`, `error`, `code`, `requestId`.
401 is a missing or bad token, 403 no admin, 422 a parameter that it names, 503 (`Retry-After`) a database out of reach.
"""
    sections = [
        _path(document, path, operation["get"]) for path, operation in document["paths"].items() if "get" in operation
    ]
    return "\n".join([head, *sections])


def _path(document: dict[str, Any], path: str, operation: dict[str, Any]) -> str:
    who = next((WHO[name] for scheme in operation.get("security", ()) for name in scheme), "everyone")
    answer = operation["responses"]["200"]
    types = ", ".join(f"`{name}`" for name in answer.get("content", {}) if path.startswith(("/api", "/metrics")))
    lines = [
        f"## `GET {path}`\n",
        f"{operation['summary']}.\n",
        f"For {who}." + (f" Answers {types}." if types else ""),
    ]
    parameters = list(_parameters(operation))
    if parameters:
        lines += ["", "| parameter | default | |", "|---|---|---|", *parameters]
    schema = answer.get("content", {}).get("application/json", {}).get("schema", {})
    if "$ref" in schema:
        members = document["components"]["schemas"][schema["$ref"].rsplit("/", 1)[-1]]["properties"]
        lines += ["", "Members: " + ", ".join(f"`{name}`" for name in members) + "."]
    token = "" if who == "everyone" else '-H "Authorization: Bearer $TOKEN" '
    stream = "-N " if path.endswith("/stream") else ""
    return "\n".join([*lines, "", "```sh", f'curl {stream}{token}"$BASE{path}{EXAMPLES.get(path, "")}"', "```", ""])


def _parameters(operation: dict[str, Any]) -> Iterator[str]:
    for parameter in operation.get("parameters", ()):
        schema = parameter["schema"]
        default = schema.get("default")
        shown = f"`{json.dumps(default).strip(chr(34))}`" if default not in (None, []) else ""
        name = f"`{parameter['name']}`" + (", repeatable" if schema.get("type") == "array" else "")
        yield f"| {name} | {shown} | {parameter['description']} |"


DOCUMENTS = {"checks.md": checks_document, "api.md": api_document}

if __name__ == "__main__":
    for name, write in DOCUMENTS.items():
        (DOCS / name).write_text(write(), encoding="utf-8")
