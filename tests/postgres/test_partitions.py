"""Ticks partitioned by month, as docs/deployment.md shows it, are verified, mended and read as those of one table."""

from pathlib import Path

import pytest

from app.contract.check import Outcome
from app.contract.load import load_contract
from tests.databases import VERSIONS, Project, failures, with_outcome
from tests.partitioned import partition

TICKS = "select count(*), md5(string_agg(t::text, ' ' order by t::text)) from public.strategy_tick_runs as t"


@pytest.fixture
async def partitioned(project: Project) -> Project:
    await partition(project)
    return project


@pytest.fixture
def own_contract(tmp_path: Path) -> Path:
    """The one that is built in, with the key that the document names for a contract of one's own."""
    built_in = (Path(__file__).parents[2] / "app/contract/runner.toml").read_text()
    before, table, after = built_in.partition('name = "strategy_tick_runs"\n')
    path = tmp_path / "runner.toml"
    path.write_text(before + table + after.replace('primary_key = ["id"]', 'primary_key = ["scheduled_at", "id"]', 1))
    assert load_contract(path) != load_contract(None)
    return path


@pytest.mark.parametrize("version", VERSIONS)
async def test_what_the_document_shows_loses_nothing_and_passes_every_check(
    project: Project, own_contract: Path
) -> None:
    await project.tick_until_now()
    async with project.connect() as connection:
        before = await connection.fetchrow(TICKS)
        await partition(project)
        assert await connection.fetchrow(TICKS) == before
    for contract in (None, own_contract):
        report = await project.check(runner_contract=contract)
        assert with_outcome(report, *set(Outcome) - {Outcome.PASS}) == {}


@pytest.mark.parametrize("key", ["id, scheduled_at", "scheduled_at, id"])
async def test_rows_of_one_moment_are_told_apart_by_a_key_of_two_columns(
    partitioned: Project, own_contract: Path, key: str
) -> None:
    """A policy that looks at a column of few values is put to rows as documents, too, which must be the owner's."""
    await partitioned.execute(
        f"""
        alter table strategy_tick_runs drop constraint strategy_tick_runs_pkey, add primary key ({key});
        update strategy_tick_runs set scheduled_at = date_trunc('day', scheduled_at);
        create policy more on strategy_tick_runs for select to authenticated
          using (status = 'ok' and user_id = auth.uid());
        """
    )
    report = await partitioned.check(runner_contract=own_contract)
    assert with_outcome(report, *set(Outcome) - {Outcome.PASS}) == {}
    await partitioned.execute("create policy leak on strategy_tick_runs for select using (status = 'skipped')")
    report = await partitioned.check(runner_contract=own_contract)
    assert failures(report).keys() == {"strategy_tick_runs.access.other"}
