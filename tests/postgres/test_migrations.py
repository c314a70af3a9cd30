"""The migration history: readable or not, and what it says of the three documented migrations."""

import hashlib
from importlib import resources
from pathlib import Path

import pytest

from app.contract.check import Outcome, Severity
from app.contract.load import contract_text
from tests.databases import VERSIONS, Project, failures, outcome

ONE, TWO, THREE = "20260129150000", "20260129160000", "20260129170000"
HISTORY = "supabase_migrations.schema_migrations"


async def states(project: Project) -> list[str]:
    return [migration.state.value for migration in (await project.check()).migrations.expected]


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("template", ["two_migrations"])
async def test_after_only_the_first_two_migrations_exactly_what_the_third_brings_is_missing(project: Project) -> None:
    report = await project.check()
    errors = {key for key, check in failures(report).items() if check.severity is Severity.ERROR}
    assert errors == {
        "strategy_runs.column.last_run_at.present",
        "strategy_tick_runs.column.strategy_run_id.present",
        "strategy_tick_runs.column.strategy_id.absent",
        "strategy_locks.column.strategy_run_id.present",
        "strategy_locks.primary_key",
    }
    assert failures(report).keys() - errors == {f"migrations.{THREE}"}
    assert [migration.state for migration in report.migrations.expected] == ["applied", "applied", "missing"]
    skipped = {check.key: check.because for check in report.checks if check.outcome is Outcome.SKIPPED}
    assert skipped == {
        "strategy_runs.column.last_run_at.type": "strategy_runs.column.last_run_at.present",
        "strategy_runs.column.last_run_at.nullability": "strategy_runs.column.last_run_at.present",
        "strategy_tick_runs.column.strategy_run_id.type": "strategy_tick_runs.column.strategy_run_id.present",
        "strategy_tick_runs.column.strategy_run_id.references": "strategy_tick_runs.column.strategy_run_id.present",
        "strategy_locks.column.strategy_run_id.type": "strategy_locks.column.strategy_run_id.present",
        "strategy_locks.column.strategy_run_id.references": "strategy_locks.column.strategy_run_id.present",
    }


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("template", ["nothing"])
async def test_an_empty_database_lacks_every_table_and_nothing_else_is_claimed(project: Project) -> None:
    report = await project.check()
    assert report.conformant is False
    assert {key for key in failures(report) if not key.startswith("migrations.")} == {
        f"{table}.table"
        for table in (
            "strategy_runs",
            "strategy_events",
            "strategies",
            "strategy_tick_runs",
            "strategy_risk_state",
            "strategy_locks",
        )
    }
    assert {migration.state.value for migration in report.migrations.expected} == {"missing"}
    assert report.migrations.source is None


@pytest.mark.parametrize("version", VERSIONS)
async def test_a_history_the_login_may_not_read_makes_its_checks_unknown_and_stays_a_warning(project: Project) -> None:
    await project.execute(f"revoke all on {HISTORY} from runner_diagnostics")
    report = await project.check()
    assert failures(report).keys() == {"migrations.history"}
    unknown = {check.key for check in report.checks if check.outcome is Outcome.UNKNOWN}
    assert unknown == {f"migrations.{version}" for version in (ONE, TWO, THREE)} | {"migrations.order"}
    assert report.conformant is True
    assert report.migrations.readable is False
    assert {migration.state.value for migration in report.migrations.expected} == {"unknown"}


async def test_a_history_in_a_schema_the_login_may_not_use_is_unreadable(project: Project) -> None:
    await project.execute("revoke all on schema supabase_migrations from runner_diagnostics")
    assert failures(await project.check()).keys() == {"migrations.history"}


async def test_a_history_that_row_security_hides_is_unreadable_and_not_empty(project: Project) -> None:
    await project.execute(f"alter table {HISTORY} enable row level security")
    report = await project.check()
    assert failures(report).keys() == {"migrations.history"}
    assert outcome(report, f"migrations.{ONE}") is Outcome.UNKNOWN


async def test_a_history_someone_has_locked_is_unreadable_and_the_rest_is_judged(project: Project) -> None:
    async with project.connect() as other, other.transaction():
        await other.execute(f"lock table {HISTORY} in access exclusive mode")
        report = await project.check(database_timeout_ms=3000)
    assert failures(report).keys() == {"migrations.history"}
    assert outcome(report, "strategy_locks.primary_key") is Outcome.PASS


async def test_a_history_of_absurd_length_is_unreadable_and_the_rest_is_judged(project: Project) -> None:
    await project.execute(
        f"insert into {HISTORY} (version, name) select 'v' || n, 'x' from generate_series(1, 300000) n"
    )
    report = await project.check()
    assert failures(report).keys() == {"migrations.history"}
    assert "more than 20,000 rows" in failures(report)["migrations.history"].message
    assert outcome(report, "strategy_locks.primary_key") is Outcome.PASS


async def test_a_history_of_thousands_of_migrations_is_read(project: Project) -> None:
    await project.execute(
        f"insert into {HISTORY} (version, name) select 'v' || n, 'x' from generate_series(1, 15000) n"
    )
    assert not failures(await project.check())


async def test_a_history_with_other_columns_is_unreadable_and_the_rest_is_judged(project: Project) -> None:
    await project.execute(f"alter table {HISTORY} rename column version to number")
    report = await project.check()
    assert failures(report).keys() == {"migrations.history"}
    assert "its columns are not those" in failures(report)["migrations.history"].message


async def test_a_view_in_the_place_of_the_history_is_not_run(project: Project) -> None:
    await project.execute(
        f"""
        create table probed (at timestamptz);
        alter table {HISTORY} rename to real;
        create function trap() returns text language plpgsql as $$ begin raise exception 'ran'; end $$;
        create view {HISTORY} as select trap() as version, null::text as name;
        grant select on {HISTORY} to runner_diagnostics;
        """
    )
    found = failures(await project.check())
    assert found.keys() == {"migrations.history"}
    assert "not a table" in found["migrations.history"].message


@pytest.mark.parametrize("version", VERSIONS)
async def test_without_a_history_the_effect_alone_decides(project: Project) -> None:
    await project.execute("drop schema supabase_migrations cascade")
    report = await project.check()
    assert failures(report).keys() == {"migrations.history"}
    assert [migration.state.value for migration in report.migrations.expected] == ["unrecorded"] * 3
    assert outcome(report, f"migrations.{ONE}") is Outcome.PASS
    assert outcome(report, "migrations.order") is Outcome.SKIPPED


async def test_a_migration_whose_effect_is_there_without_a_record_is_unrecorded(project: Project) -> None:
    await project.execute(f"delete from {HISTORY} where version = '{THREE}'")
    assert await states(project) == ["applied", "applied", "unrecorded"]
    assert failures(await project.check()).keys() == {f"migrations.{THREE}"}


async def test_the_same_name_under_another_version_is_renumbered(project: Project) -> None:
    await project.execute(f"update {HISTORY} set version = '20260301000000' where version = '{THREE}'")
    report = await project.check()
    found = failures(report)
    assert found.keys() == {f"migrations.{THREE}"}
    assert "20260301000000" in found[f"migrations.{THREE}"].message
    assert [migration.state.value for migration in report.migrations.expected][2] == "renumbered"


async def test_the_same_statements_under_another_version_and_name_are_renumbered(
    project: Project, tmp_path: Path
) -> None:
    """As `tr -d '[:space:];' < FILE | sha256sum` fingerprints the file, however the recorder split it."""
    file = resources.files("app.demo") / "migrations" / f"{THREE}_unify_runner_strategy_runs.sql"
    bare = "".join(file.read_text().split()).replace(";", "")
    digest = hashlib.sha256(bare.encode()).hexdigest()
    path = tmp_path / "contract.toml"
    version_line = f'version = "{THREE}"\n'
    path.write_text(contract_text(None).replace(version_line, version_line + f'statements_sha256 = "{digest}"\n'))
    await project.execute(f"update {HISTORY} set version = 'x', name = 'remote' where version = '{THREE}'")
    report = await project.check(runner_contract=path)
    assert report.migrations.expected[2].state.value == "renumbered"
    assert "statements" not in str(report)


async def test_a_migration_recorded_without_any_effect_is_an_error(project: Project) -> None:
    await project.execute(
        """
        alter table strategy_runs drop column last_run_at;
        alter table strategy_tick_runs drop column strategy_run_id;
        drop table strategy_locks;
        """
    )
    report = await project.check()
    assert report.migrations.expected[2].state.value == "ineffective"
    assert failures(report)[f"migrations.{THREE}"].severity is Severity.ERROR


async def test_a_migration_with_some_of_its_effect_is_applied_and_what_is_missing_fails_by_itself(
    project: Project,
) -> None:
    await project.execute("alter table strategy_runs drop column last_run_at")
    report = await project.check()
    assert report.migrations.expected[2].state.value == "applied"
    (check,) = [check for check in report.checks if check.key == f"migrations.{THREE}"]
    assert "not there: strategy_runs.last_run_at" in check.message
    found = failures(report)
    assert found.keys() == {"strategy_runs.column.last_run_at.present"}
    assert "should have brought it" in str(found["strategy_runs.column.last_run_at.present"].hint)


async def test_a_dropped_legacy_table_says_nothing_against_its_migration(project: Project) -> None:
    await project.execute(f"drop table strategies; delete from {HISTORY} where version = '{TWO}'")
    report = await project.check()
    assert report.migrations.expected[1].state.value == "unrecorded"
    assert failures(report)["strategies.table"].severity is Severity.WARNING
    assert report.conformant is True


async def test_a_later_migration_recorded_without_an_earlier_one_is_out_of_order(project: Project) -> None:
    await project.execute(f"delete from {HISTORY} where version = '{TWO}'")
    found = failures(await project.check())
    assert found.keys() == {f"migrations.{TWO}", "migrations.order"}
    assert found["migrations.order"].severity is Severity.WARNING


async def test_histories_of_the_first_supabase_versions_have_no_names(project: Project) -> None:
    await project.execute(f"alter table {HISTORY} drop column name, drop column statements")
    assert failures(await project.check()) == {}


async def test_versions_that_are_no_times_and_rows_without_names_do_no_harm(project: Project) -> None:
    await project.execute(
        f"""
        insert into {HISTORY} (version, name, statements) values
          ('0001_init', null, null), ('', '', array[]::text[]), ('zz"; drop table x', 'odd', array[null])
        """
    )
    assert failures(await project.check()) == {}
