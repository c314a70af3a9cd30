"""What squawk says of a fix's statements, without the blocks around them, and which of it is argued."""

import asyncio
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec

from app.contract.fix.model import Part
from app.diagnostics import SchemaReport

SQUAWK = Path(sys.executable).parent / "squawk"


@dataclass(frozen=True)
class Argued:
    """Why a rule is not obeyed by the statements that a pattern fits."""

    rule: str
    statement: str
    why: str


ARGUED = (
    Argued(
        "require-statement-timeout",
        "",
        "What others wait for is the lock, and that is limited. Validating reads a whole table, and may take its time.",
    ),
    Argued("renaming-table", " rename to ", "The alternative is to lose its rows. The clients that break are named."),
    Argued("renaming-column", " rename column ", "The contract has it gone; under another name its values are kept."),
    Argued(
        "ban-drop-not-null",
        " drop not null;",
        "The contract says nullable, or the runner no longer writes the column.",
    ),
    Argued(
        "ban-drop-constraint",
        r" drop constraint \"?\w+\"?(;|, add constraint )",
        "A key to a legacy table refuses each row of the runner's, a CHECK is replaced in the same statement, and one"
        " that was only there to spare SET NOT NULL its scan has done its work.",
    ),
    Argued(
        "changing-column-type", " type text;", "From varchar: Postgres rewrites nothing, and clients read the same."
    ),
    Argued("prefer-bigint-over-int", " integer", "The contract says integer."),
    Argued("adding-required-field", " add column .* not null", "Planned for a table without rows."),
    Argued(
        "constraint-missing-not-valid",
        " add primary key ",
        "There is no NOT VALID key. The statement takes a unique index that is ready, and its hazard says how to make"
        " one; so with the next rule.",
    ),
    Argued("adding-serial-primary-key-field", " add primary key ", "See the rule before."),
)
TOKEN = re.compile(r"""'(?:[^']|'')*'|"(?:[^"]|"")*"|;""")
COMMAND = re.compile(
    r"^\s*(?P<command>(?:alter|create|drop|insert|update|delete|grant|revoke|execute|perform)\b.*)",
    re.DOTALL | re.MULTILINE | re.IGNORECASE,
)


class Finding(msgspec.Struct):
    """`line` counts from 0."""

    rule_name: str
    line: int
    message: str


async def unargued(report: SchemaReport) -> list[str]:
    """What squawk finds in the parts of a fix, each in a transaction of its own, that no argument is given for."""
    found = []
    for part in report.fix.parts:
        commands = [command for statement in part.statements for command in bare_commands(statement.sql)]
        lines = [line for command in commands for line in [command] * (command.count("\n") + 1)]
        for finding in await _findings("\n".join(commands)):
            command = lines[finding.line]
            if not any(rule.rule == finding.rule_name and re.search(rule.statement, command) for rule in ARGUED):
                found.append(f"{finding.rule_name}: {finding.message} {command}")
        found += [f"the file: {finding.rule_name}" for finding in await _findings(_file(part))]
    return found


def _file(part: Part) -> str:
    return "\n\n".join(statement.sql for statement in part.statements)


async def _findings(sql: str) -> list[Finding]:
    process = await asyncio.create_subprocess_exec(
        *(SQUAWK, "--assume-in-transaction", "--pg-version", "15", "--reporter", "json"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    output, _ = await process.communicate(sql.encode())
    return msgspec.json.decode(output, type=list[Finding])


def bare_commands(sql: str) -> Iterator[str]:
    """What a block runs when no guard of it stops it, each ended by a semicolon. squawk does not look into blocks."""
    block = re.fullmatch(r"do (\$\w*\$)\n(.*)\n\1;", sql, re.DOTALL)
    if block is None:
        yield sql
        return
    start = 0
    for token in TOKEN.finditer(block[2]):
        if token[0] == ";":
            found = COMMAND.search(block[2], start, token.start())
            start = token.end()
            if found is not None:
                yield _executed(found["command"].strip()) + ";"


def _executed(command: str) -> str:
    """The command that `execute format(...)` runs, and the setting that `perform set_config(...)` makes."""
    call = re.fullmatch(r"(?:execute|perform) pg_catalog\.(format|set_config)\((.*)\)", command, re.DOTALL)
    if call is None:
        return command
    # What is no constant is a variable with a name in it.
    given = [text[1:-1].replace("''", "'") if text[0] == "'" else "named" for text in _arguments(call[2])]
    if call[1] == "set_config":
        return f"set local {given[0]} = '{given[1]}'"
    values = iter(given[1:])
    return re.sub("%[sI]", lambda _: next(values), given[0])


def _arguments(text: str) -> list[str]:
    return re.findall(r"'(?:[^']|'')*'|[\w.]+", text)
