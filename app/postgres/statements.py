"""The SQL files of this room."""

import re
from collections.abc import Mapping
from functools import cache
from importlib import resources

from app.contract.identifiers import quote_identifier

_PLACEHOLDER = re.compile(r':"(\w+)"|(?<!:):(condition)\b')


def statement(name: str, identifiers: Mapping[str, str] | None = None, *, condition: str = "") -> str:
    """The text of `sql/<name>.sql`, with psql's placeholders filled in: `:"name"` by that identifier, quoted.

    `:condition` takes an expression as it is. Only what Postgres itself has written may be one: the text that
    pg_get_expr gives of a CHECK or a policy. Values never take either way: they are `$1` parameters.
    """

    def fill(found: re.Match[str]) -> str:
        return quote_identifier((identifiers or {})[found[1]]) if found[1] else condition

    return _PLACEHOLDER.sub(fill, _code(name))


@cache
def _code(name: str) -> str:
    """Without the comments, which may name placeholders, and which every query would carry to the server's log."""
    text = (resources.files("app.postgres") / "sql" / f"{name}.sql").read_text(encoding="utf-8")
    return "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("--"))
