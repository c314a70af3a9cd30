"""Contract files: what is wrong with one is said with its line or its key."""

from pathlib import Path

import pytest

from app.contract.load import contract_digest, contract_text, load_contract
from app.errors import ContractError

BUILT_IN = contract_text(None)


def refusal(tmp_path: Path, text: str) -> str:
    path = tmp_path / "contract.toml"
    path.write_text(text)
    with pytest.raises(ContractError) as caught:
        load_contract(path)
    return str(caught.value)


def replaced(old: str, new: str) -> str:
    assert old in BUILT_IN
    return BUILT_IN.replace(old, new, 1)


def test_bad_toml_names_its_line(tmp_path: Path) -> None:
    line = BUILT_IN[: BUILT_IN.index("[service_role]")].count("\n") + 1
    assert f"line {line}" in refusal(tmp_path, replaced("[service_role]", "[service_role"))


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [
        ('name = "runner"', "", "`name`"),
        ('type = "uuid"', 'type = "guid"', "tables.strategy_runs.columns.id.type"),
        ('type = "uuid"', "type = 3", "tables[0].columns[0].type"),
        ("nullable = true", 'nullable = "yes"', "tables[0].columns[11].nullable"),
        ('type = "uuid"', 'typo = "uuid"', "typo"),
        ('primary_key = ["id"]', 'primary_key = ["key"]', "tables.strategy_runs.primary_key"),
        ('"UPDATE"', '"TRUNCATE"', "tables[0].privileges[1]"),
        ('{ name = "user_id"', '{ name = "id"', "tables.strategy_runs.columns has 'id' twice"),
        ('name = "strategy_events"', 'name = "strategy_runs"', "tables has 'strategy_runs' twice"),
        ('"strategy_runs.last_run_at"', '"strategy_runs.ran"', "migrations.20260129170000.introduces"),
        ('introduces = ["strategy_runs", "strategy_events"]', "introduces = []", "migrations.20260129150000"),
        (
            'introduces = ["strategy_runs", "strategy_events"]',
            'introduces = ["strategies"]',
            "migrations.20260129150000",
        ),
        ('name = "service_role"', 'name = ""', "service_role.name"),
        ('indexed = ["scheduled_at"]', 'indexed = ["at"]', "tables.strategy_tick_runs.indexed"),
        ('owner_column = "user_id"', 'owner_column = "owner"', "tables.strategy_tick_runs.select_policy.owner_column"),
        (
            'primary_key = ["id"]\nrow_security',
            'primary_key = ["scheduled_at", "id", "user_id"]\nrow_security',
            "tables.strategy_tick_runs.select_policy",
        ),
        ('{ name = "strategy_id", why', '{ name = "status", why', "tables.strategy_tick_runs.absent_columns"),
    ],
)
def test_bad_content_names_its_key(tmp_path: Path, old: str, new: str, named: str) -> None:
    message = refusal(tmp_path, replaced(old, new))
    assert named in message
    assert "\n" not in message


def test_a_contract_that_would_check_nothing_is_refused(tmp_path: Path) -> None:
    text = 'name = "x"\nmigrations = []\ntables = []\n[service_role]\nname = "r"\nbypasses_row_security = true\n'
    assert "tables is empty" in refusal(tmp_path, text)


def test_a_file_that_is_missing_or_no_text_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ContractError, match="cannot be read"):
        load_contract(tmp_path / "missing.toml")
    path = tmp_path / "bytes.toml"
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(ContractError, match="UTF-8"):
        load_contract(path)


def test_the_digest_follows_what_a_contract_says_and_not_how_it_is_written(tmp_path: Path) -> None:
    path = tmp_path / "contract.toml"
    path.write_text("# Another comment.\n\n" + replaced('{ name = "id", type = "uuid" }', '{type="uuid",name="id"}'))
    assert contract_digest(load_contract(path)) == contract_digest(load_contract())
    path.write_text(replaced('{ name = "id", type = "uuid" }', '{ name = "id", type = "text" }'))
    assert contract_digest(load_contract(path)) != contract_digest(load_contract())
