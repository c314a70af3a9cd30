"""Whether a trigger's function could keep a value out of a column, read off its source."""

import re

COMMENTS = re.compile(r"--[^\n]*|/\*.*?\*/", re.DOTALL)
# Whoever raises stops the statement; whoever is called may raise. A notification is neither.
STOPS = re.compile(r"\b(raise|assert|execute|call)\b|\bperform\s+(?!(pg_catalog\s*\.\s*)?pg_notify\b)", re.IGNORECASE)
# Before the row is written, a trigger can also leave it out, or put another in its place.
REPLACES = re.compile(r"\breturn\s+(?!new\s*;)|\bnew\s*:?=|\binto\s+(strict\s+)?new\b(?!\s*\.)", re.IGNORECASE)


def may_guard(source: str, *, language: str, column: str, before: bool) -> bool:
    """False only for a plain function of which it is certain: one that touches other columns, or keeps a record.

    The contrib module moddatetime sets the column it is given and nothing else (Postgres, "spi").
    """
    if language == "c":
        return source != "moddatetime"
    if language != "plpgsql":
        return True
    body = COMMENTS.sub(" ", source)
    if re.search(rf"\b{re.escape(column)}\b", body, re.IGNORECASE) or STOPS.search(body):
        return True
    return before and REPLACES.search(body) is not None
