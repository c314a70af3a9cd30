"""Names of database objects as SQL and as text. The only place that quotes an identifier."""

import unicodedata


def quote_identifier(name: str) -> str:
    """A name as an SQL identifier, always quoted. Raises ValueError for what Postgres cannot have as a name.

    Doubling the quote is the whole rule (Postgres, "Lexical Structure", quoted identifiers); NUL cannot occur.
    """
    if not name or "\0" in name:
        raise ValueError("An SQL identifier is neither empty nor contains NUL.")
    return '"' + name.replace('"', '""') + '"'


def printable(text: str) -> str:
    """Text from a database on one line, with everything escaped that a terminal or a comment would obey instead of
    show: control and format characters (bidirectional overrides among them), separators of lines, and what has no
    glyph.
    """
    # Reasons of a megabyte would hold everyone up for seconds: Python looks through them in one go.
    if text.isprintable():
        return text
    return "".join(
        character.encode("unicode_escape", "surrogatepass").decode("ascii") if _is_obeyed(character) else character
        for character in text
    )


def _is_obeyed(character: str) -> bool:
    # What is printable to Python is none of these, but it counts some spaces among what is not.
    return not character.isprintable() and unicodedata.category(character) != "Zs"
