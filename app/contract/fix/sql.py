"""The SQL that a fix is made of. Names come from the catalogue and may be anything: all of them pass through here."""

import re
from collections.abc import Iterable

from app.contract.identifiers import printable, quote_identifier

LOCK_TIMEOUT = "5s"
# What the loops of `Target.each` need declared.
FOUND = "item record;"

_QUOTED_OR_BREAK = re.compile(r"""('(?:[^']|'')*'|"(?:[^"]|"")*")|\n""")


def literal(text: str) -> str:
    """A string constant that means the same whatever standard_conforming_strings is (Postgres, "String Constants").

    Raises ValueError for NUL, which no text of Postgres contains.
    """
    if "\0" in text:
        raise ValueError("An SQL string does not contain NUL.")
    quoted = "'" + text.replace("'", "''") + "'"
    return "E" + quoted.replace("\\", "\\\\") if "\\" in text else quoted


def literals(texts: Iterable[str]) -> str:
    return ", ".join(map(literal, texts))


def identifiers(names: Iterable[str]) -> str:
    return ", ".join(map(quote_identifier, names))


def comment(text: str) -> str:
    """Text as comments, one for each of its lines; whatever else could end a comment early is escaped."""
    return "\n".join(f"-- {printable(line)}".rstrip() for line in text.split("\n"))


def block(*commands: str, declare: str = "") -> str:
    """A DO block. It sets lock_timeout itself: under `psql -f` each block is a transaction of its own, and what an
    earlier statement set for its transaction is gone. It puts pg_catalog first, so that its types and operators are
    those of Postgres whatever schemas somebody searches; the others stay, for CHECKs and triggers that rely on them.
    """
    limit = (
        f"perform pg_catalog.set_config('lock_timeout', {literal(LOCK_TIMEOUT)}, true);\n"
        "perform pg_catalog.set_config(\n"
        "  'search_path', pg_catalog.concat('pg_catalog, ', pg_catalog.current_setting('search_path')), true\n"
        ");"
    )
    declared = f"declare\n{indented(declare)}\n" if declare else ""
    code = f"{declared}begin\n{indented(limit, *commands)}\nend"
    number = 0
    while f"$fix{number or ''}$" in code:
        number += 1
    tag = f"$fix{number or ''}$"
    return f"do {tag}\n{code}\n{tag};"


def indented(*commands: str) -> str:
    """Two spaces before each line. Inside a constant or an identifier a line break is part of a name, and stays."""
    return "  " + _QUOTED_OR_BREAK.sub(lambda token: token[1] or "\n  ", "\n".join(commands))


def when(condition: str, *commands: str) -> str:
    return f"if {condition} then\n{indented(*commands)}\nend if;"


def unless_done(condition: str) -> str:
    """The work is done already: leave the block."""
    return when(condition, "return;")


def stop(message: str) -> str:
    """For a shape that the statement was not written for."""
    return f"raise exception using message = {literal(message)};"


class Target:
    """One table, and the questions that guards ask of the catalogue about it. Constraints are found by their shape."""

    def __init__(self, schema: str, table: str) -> None:
        self.table = table
        self.name = f"{quote_identifier(schema)}.{quote_identifier(table)}"
        self.regclass = f"{literal(self.name)}::regclass"

    def exists(self) -> str:
        return f"pg_catalog.to_regclass({literal(self.name)}) is not null"

    def has(self, *columns: str) -> str:
        return " and ".join(f"exists (\n{indented(self._attribute('', column))}\n)" for column in columns)

    def is_required(self, column: str) -> str:
        return f"(\n{indented(self._attribute('attribute.attnotnull', column))}\n)"

    def is_type(self, column: str, type_name: str) -> str:
        """Of that type of pg_catalog itself; a domain over it is another type."""
        return f"(\n{indented(self._attribute('attribute.atttypid', column))}\n) = 'pg_catalog.{type_name}'::regtype"

    def has_constraint(self, name: str) -> str:
        return (
            "exists (\n"
            "  select from pg_catalog.pg_constraint as con\n"
            f"  where con.conrelid = {self.regclass} and con.conname = {literal(name)}\n"
            ")"
        )

    def constraints(self, kind: str, *columns: str, extra: str = "") -> str:
        """A query for the names of the constraints of a kind (pg_constraint.contype) over just these columns."""
        return (
            "select con.conname from pg_catalog.pg_constraint as con\n"
            f"where con.contype = {literal(kind)} and con.conrelid = {self.regclass}\n"
            f"  and con.conkey = {_numbers('con.conrelid', columns)}{extra}"
        )

    def foreign_keys(self, column: str, other: "Target", referenced: str, *, extra: str = "") -> str:
        """The same for the keys on one column that point at one column of another table."""
        pointing = (
            f"\n  and con.confrelid = {other.regclass}\n  and con.confkey = {_numbers('con.confrelid', [referenced])}"
        )
        return self.constraints("f", column, extra=pointing + extra)

    def each(self, query: str, action: str) -> str:
        """For each constraint that a query names: `alter table ... <action> constraint ...`. Needs FOUND declared."""
        command = f"'alter table %s {action} constraint %I', {literal(self.name)}, item.conname"
        return f"for item in\n{indented(query)}\nloop\n  execute pg_catalog.format({command});\nend loop;"

    def revoke_all(self) -> str:
        """Takes back what ALTER DEFAULT PRIVILEGES has given away of a new table. Needs FOUND declared."""
        command = f"'revoke all on table %s from %s', {literal(self.name)}, item.grantee"
        return (
            "for item in\n"
            "  select distinct case acl.grantee\n"
            "    when 0 then 'public' else pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(acl.grantee))\n"
            "  end as grantee\n"
            "  from pg_catalog.pg_class as class\n"
            "  cross join lateral pg_catalog.aclexplode(class.relacl) as acl\n"
            f"  where class.oid = {self.regclass} and acl.grantee <> class.relowner\n"
            f"loop\n  execute pg_catalog.format({command});\nend loop;"
        )

    def _attribute(self, what: str, column: str) -> str:
        return (
            f"select {what}{' ' if what else ''}from pg_catalog.pg_attribute as attribute\n"
            f"where attribute.attrelid = {self.regclass}\n"
            f"  and attribute.attname = {literal(column)} and not attribute.attisdropped"
        )


def _numbers(relation: str, columns: Iterable[str]) -> str:
    """An array of attnum, as pg_constraint has it."""
    numbers = ", ".join(
        "(\n"
        "    select attribute.attnum from pg_catalog.pg_attribute as attribute\n"
        f"    where attribute.attrelid = {relation}\n"
        f"      and attribute.attname = {literal(column)} and not attribute.attisdropped\n"
        "  )"
        for column in columns
    )
    return f"array[{numbers}]"
