"""Names of database objects as SQL and as text. The only place that quotes an identifier."""

import unicodedata
from collections.abc import Sequence

MOST_NAMED = 3


def quote_identifier(name: str) -> str:
    """A name as an SQL identifier, always quoted. Raises ValueError for what Postgres cannot have as a name.

    Doubling the quote is the whole rule (Postgres, "Lexical Structure", quoted identifiers); NUL cannot occur.
    """
    if not name or "\0" in name:
        raise ValueError("An SQL identifier is neither empty nor contains NUL.")
    return '"' + name.replace('"', '""') + '"'


def few_of(names: Sequence[str]) -> str:
    """The first of some names, and how many more there are."""
    more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
    return ", ".join(names[:MOST_NAMED]) + more


def printable(text: str) -> str:
    """Text from a database on one line, with everything escaped that a terminal or a comment would obey instead of
    show: control and format characters (bidirectional overrides among them), separators of lines, and what has no
    glyph.
    """
    # Reasons of a megabyte would hold everyone up for seconds: Python looks through them in one go, and translates
    # what it finds by a table.
    return text if text.isprintable() else text.translate(_Escapes())


class _Escapes(dict[int, str]):
    """What each character is shown as, found out once a text."""

    def __missing__(self, point: int) -> str:
        character = chr(point)
        # What is printable to Python is obeyed by nobody, but it counts some spaces among what is not.
        obeyed = not character.isprintable() and unicodedata.category(character) != "Zs"
        self[point] = character.encode("unicode_escape", "surrogatepass").decode("ascii") if obeyed else character
        return self[point]
