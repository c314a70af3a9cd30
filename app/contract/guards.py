"""Whether a trigger's function could keep a value out of a column, read off its source."""

import re

# Characters. A longer one is not read: the patterns below may take the square of its length.
LONGEST_SOURCE = 10_000
# Where a quote may be escaped, or a comment be within another, it is not certain where they end.
UNCERTAIN = re.compile(r"\\|/\*(?:(?!\*/).)*/\*", re.DOTALL)
# What is quoted may look like a comment, and is none; it stays.
QUOTED_OR_COMMENT = re.compile(r"""('[^']*'|"[^"]*"|(\$\w*\$).*?\2)|--[^\n]*|/\*.*?\*/""", re.DOTALL)
# Whoever raises stops the statement; whoever is called may raise. A notification is neither.
STOPS = re.compile(r"\b(raise|assert|execute|call)\b|\bperform\s+(?!(pg_catalog\s*\.\s*)?pg_notify\b)", re.IGNORECASE)
# Before the row is written, a trigger can also leave it out, or put another in its place.
REPLACES = re.compile(r"\breturn\s+(?!new\s*;)|\bnew\s*:?=|\binto\s+(strict\s+)?new\b(?!\s*\.)", re.IGNORECASE)

# What stands before a parenthesis and is no call, or is one of a function that takes whatever it is given.
CALLS = re.compile(r"(\binto\s+)?(?<![\w.\"$])([\w.\"$]++)\s*\(", re.IGNORECASE)
# fmt: off
WORDS = frozenset((
    "all", "and", "any", "array", "as", "by", "case", "cast", "conflict", "distinct", "else", "elsif", "exists",
    "extract", "filter", "from", "if", "in", "not", "on", "or", "over", "perform", "return", "row", "select", "then",
    "using", "values", "when", "where",
))
HARMLESS = frozenset((
    "array_agg", "auth.jwt", "auth.role", "auth.uid", "clock_timestamp", "coalesce", "concat", "count",
    "gen_random_uuid", "greatest", "least", "lower", "max", "md5", "min", "now", "nullif", "pg_notify", "row_to_json",
    "statement_timestamp", "sum", "to_char", "to_json", "to_jsonb", "transaction_timestamp", "trim", "upper",
))
# fmt: on


def may_guard(source: str, *, language: str, column: str, before: bool) -> bool:
    """False only for a plain function of which it is certain: one that touches other columns, or keeps a record.

    The contrib module moddatetime sets the column it is given and nothing else (Postgres, "spi").
    """
    if language == "c":
        return source != "moddatetime"
    if language != "plpgsql" or len(source) > LONGEST_SOURCE:
        return True
    certain = UNCERTAIN.search(source) is None
    body = QUOTED_OR_COMMENT.sub(lambda found: found[1] or " ", source) if certain else source
    if re.search(rf"\b{re.escape(column)}\b", body, re.IGNORECASE) or STOPS.search(body) or _calls_another(body):
        return True
    return before and REPLACES.search(body) is not None


def _calls_another(body: str) -> bool:
    """Whether a function is called, in the middle of an expression, that may raise for reasons of its own."""
    names = (name.lower().removeprefix("pg_catalog.") for into, name in CALLS.findall(body) if not into)
    return not WORDS.union(HARMLESS).issuperset(names)
