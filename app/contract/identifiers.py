"""Names of database objects as SQL and as text. The only place that quotes an identifier."""


def quote_identifier(name: str) -> str:
    """A name as an SQL identifier, always quoted. Raises ValueError for what Postgres cannot have as a name.

    Doubling the quote is the whole rule (Postgres, "Lexical Structure", quoted identifiers); NUL cannot occur.
    """
    if not name or "\0" in name:
        raise ValueError("An SQL identifier is neither empty nor contains NUL.")
    return '"' + name.replace('"', '""') + '"'
