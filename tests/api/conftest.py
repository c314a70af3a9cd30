"""The clock of a database."""

from collections.abc import Mapping

import pytest

from app.postgres.statements import statement
from tests.stored_rows import moment


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """What the database takes for now, in microseconds, is the last of these: the only thing that is not real here."""
    now: list[int] = []

    def told(name: str, identifiers: Mapping[str, str] | None = None, *, condition: str = "") -> str:
        text = statement(name, identifiers, condition=condition)
        if name != "as_of":
            return text
        assert text.count("pg_catalog.now()") == 1
        return text.replace("pg_catalog.now()", f"'{moment(now[-1])}'::timestamptz")

    monkeypatch.setattr("app.postgres.activity.statement", told)
    return now
