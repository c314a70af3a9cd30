"""The SQL files of this room, read once when the pool is built."""

import re
from collections.abc import Mapping
from importlib import resources

from app.contract.identifiers import quote_identifier

_IDENTIFIER = re.compile(r':"(\w+)"')


def statement(name: str, identifiers: Mapping[str, str] | None = None) -> str:
    """The text of `sql/<name>.sql`, with psql's `:"name"` replaced by the quoted identifier of that name.

    Values never take this way: they are `$1` parameters.
    """
    text = (resources.files("app.postgres") / "sql" / f"{name}.sql").read_text(encoding="utf-8")
    return _IDENTIFIER.sub(lambda found: quote_identifier((identifiers or {})[found[1]]), text)
