"""Ticks partitioned by month, as docs/deployment.md shows it, are verified, mended and read as those of one table."""

import asyncio
from datetime import timedelta
from itertools import cycle
from pathlib import Path
from random import Random
from typing import Any
from uuid import UUID

import pytest

from app.contract.check import Outcome
from app.contract.load import load_contract
from app.demo.database import OWNER
from app.demo.server import EmbeddedPostgres
from tests.api.service import Service, claimed, serving_project
from tests.databases import VERSIONS, Project, failures, new_project, with_outcome
from tests.partitioned import border, partition
from tests.postgres.test_ticks import reading
from tests.proof import prove
from tests.ticks import RUNS, USERS, Row, refill

TICKS = "select count(*), md5(string_agg(t::text, ' ' order by t::text)) from public.strategy_tick_runs as t"


OTHERS_END = """
do $$ begin
  while exists (select from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()) loop
    perform pg_sleep(0.01), pg_stat_clear_snapshot();
  end loop;
end $$
"""


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


OWNED = [*zip(RUNS, USERS, strict=True)]

BROKEN = {
    "a missing column": "alter table strategy_tick_runs drop column latency_ms",
    "a missing column that points elsewhere": "alter table strategy_tick_runs drop column strategy_run_id",
    "a missing foreign key": """
        alter table strategy_tick_runs drop constraint strategy_tick_runs_strategy_run_id_fkey;
    """,
    "the legacy column": """
        alter table strategy_tick_runs add column strategy_id uuid references strategies (id);
        insert into strategies (user_id, name) select id, 'old' from user_profiles limit 1;
        update strategy_tick_runs set strategy_id = (select min(id::text)::uuid from strategies);
        alter table strategy_tick_runs alter column strategy_id set not null;
    """,
    "a missing policy": 'drop policy "Users read their own ticks, admins all" on strategy_tick_runs',
    "row security that is off": "alter table strategy_tick_runs disable row level security",
    "a missing CHECK": "alter table strategy_tick_runs drop constraint strategy_tick_runs_status_check",
    "a CHECK that refuses a documented value": """
        delete from strategy_tick_runs where status = 'blocked';
        alter table strategy_tick_runs drop constraint strategy_tick_runs_status_check,
          add constraint strategy_tick_runs_status_check check (status in ('ok', 'skipped', 'error'));
    """,
    "a column that takes null": "alter table strategy_tick_runs alter column started_at drop not null",
    "a column of a narrower type": "alter table strategy_tick_runs alter column reason type varchar(200)",
    "no primary key": "alter table strategy_tick_runs drop constraint strategy_tick_runs_pkey",
    "no grants": "revoke all on strategy_tick_runs from service_role, authenticated",
}


# A foreign key would be checked under a lock, a CHECK be of values that nobody knows, a key be of rows that share it.
FOR_A_PERSON = {
    "a missing column that points elsewhere": {"strategy_tick_runs.column.strategy_run_id.references"},
    "a missing foreign key": {"strategy_tick_runs.column.strategy_run_id.references"},
    "a missing CHECK": {"strategy_tick_runs.column.status.values"},
    "no primary key": {"strategy_tick_runs.primary_key"},
}


@pytest.mark.parametrize(("version", "name"), [*zip(cycle(VERSIONS), BROKEN, strict=False)])
async def test_what_breaks_is_mended_or_left_to_a_person(partitioned: Project, name: str) -> None:
    await partitioned.execute(BROKEN[name])
    before, after = await prove(partitioned)
    assert failures(before)
    assert failures(after).keys() == FOR_A_PERSON.get(name, set())
    for decision in before.fix.decisions:
        if decision.proposal is not None:
            await partitioned.execute(decision.proposal, OWNER)
    assert failures(await partitioned.check()).keys() <= {"strategy_tick_runs.column.status.values"}


async def test_a_foreign_key_that_is_not_validated_is(partitioned: Project) -> None:
    """Since Postgres 18 a partitioned table takes one."""
    await partitioned.execute(
        """
        alter table strategy_tick_runs drop constraint strategy_tick_runs_strategy_run_id_fkey,
          add foreign key (strategy_run_id) references strategy_runs (id) not valid;
        """
    )
    before, after = await prove(partitioned)
    assert failures(before).keys() == before.fix.mends == {"strategy_tick_runs.column.strategy_run_id.references"}
    assert failures(after) == {}


async def rows_read(project: Project) -> dict[str, int]:
    """How many rows of each partition were read since the last call. A session's counts are complete once it ended."""
    async with project.connect() as connection, asyncio.timeout(20):
        await connection.execute(OTHERS_END)
        found = await connection.fetch(
            "select relname, seq_tup_read + idx_tup_fetch as read from pg_stat_user_tables"
            " where schemaname = 'strategy_ticks'"
        )
        await connection.execute("select pg_stat_reset()")
    return {row["relname"]: row["read"] for row in found}


async def test_new_ticks_are_looked_for_in_their_partition_alone(partitioned: Project) -> None:
    rows = [Row(border() + timedelta(minutes=minute)) for minute in range(-1, 2)]
    await refill(partitioned, rows)
    await rows_read(partitioned)
    async with reading(partitioned) as ticks:
        found = await ticks.by_ids([row.id.bytes for row in rows[1:]], border())
    assert [tick.id for tick in found] == [row.id for row in rows[1:]]
    read = await rows_read(partitioned)
    assert read[f"month_{border():%Y_%m}"] >= 2
    assert read["strategy_tick_runs"] == 0


PATHS = ("/status?window=1h", "/status?window=24h", "/runs", "/tick-runs?limit=500&fields=meta")
EXPORTED = ("text/csv", "application/x-ndjson")


def told(service: Service, path: str, **headers: str) -> Any:  # noqa: ANN401 - any JSON
    """An answer without what is of one request."""
    answer = service.get(f"/api/runner{path}", claimed(), headers=headers)
    assert answer.status_code == 200, answer.text
    if "Accept" in headers:
        return answer.text
    body = {name: value for name, value in answer.json().items() if name not in ("requestId", "durationMs", "cached")}
    for section in body.get("sections", {}).values():
        assert section["ok"], section
        del section["durationMs"]
    return body


def pages(service: Service, query: str) -> list[Any]:
    found = [told(service, f"/tick-runs?limit=70{query}")]
    while found[-1]["nextCursor"] is not None:
        found.append(told(service, f"/tick-runs?limit=70{query}&cursor={found[-1]['nextCursor']}"))
    return found


async def test_the_answers_are_those_of_a_plain_table(
    partitioned: Project, cluster: EmbeddedPostgres, clock: list[int]
) -> None:
    chance = Random(7)
    minutes = [border() + timedelta(minutes=minute, seconds=-4) for minute in range(-60, 40)]
    rows = [
        Row(at, UUID(int=chance.getrandbits(128)), run, user, chance.choice(["ok", "ok", "skipped", "error"]), "why")
        for at in minutes
        for run, user in OWNED
    ]
    # Of a run that is silent later on more is stored in the old partition than is looked at.
    rows += [Row(border() - timedelta(minutes=n), UUID(int=n), RUNS[0]) for n in range(1_100)]
    rows += [Row(border() + timedelta(hours=1 + n), UUID(int=2_000 + n), RUNS[0], status="error") for n in range(3)]
    rows.sort(key=lambda row: row.scheduled_at)
    async with new_project(cluster) as plain:
        for project in (plain, partitioned):
            await refill(project, rows)
        with serving_project(plain) as one, serving_project(partitioned) as other:
            for now in (border() + timedelta(minutes=30), border() + timedelta(days=3)):
                clock.append(int(now.timestamp()) * 1_000_000)
                for path in PATHS:
                    assert told(other, path) == told(one, path), path
            for query in (
                "",
                "&status=error",
                f"&strategy_run_id={RUNS[1]}&reason=w",
                f"&since={border():%Y-%m-%dT00:30:00Z}",
            ):
                assert pages(other, query) == pages(one, query)
            for accept in EXPORTED:
                assert told(other, "/tick-runs", Accept=accept) == told(one, "/tick-runs", Accept=accept)
            assert told(one, "/tick-runs", Accept="text/csv").count("\n") == len(rows) + 1


async def test_a_status_of_an_hour_reads_the_ticks_of_that_hour(partitioned: Project, clock: list[int]) -> None:
    """Of each older partition it reads no more than the newest tick, where every run has ticked in that hour."""
    times = [border() + timedelta(minutes=minute, seconds=-4) for minute in (*range(-500, 0, 5), 170, 175, 180)]
    await refill(partitioned, [Row(at, strategy_run_id=run, user_id=user) for at in times for run, user in OWNED])
    await partitioned.execute(
        "update strategy_runs set status = 'stopped' where id not in (select strategy_run_id from strategy_tick_runs);"
        "analyze strategy_tick_runs"
    )
    clock.append(int((border() + timedelta(minutes=180)).timestamp()) * 1_000_000)
    await rows_read(partitioned)
    with serving_project(partitioned) as service:
        assert told(service, "/status?window=1h")["ticks"]["total"] == 3 * len(OWNED)
    read = await rows_read(partitioned)
    assert read[f"month_{border():%Y_%m}"] >= 3 * len(OWNED)
    assert read["strategy_tick_runs"] <= 1


async def test_through_the_whole_the_rules_of_the_whole_decide(partitioned: Project) -> None:
    """Nobody but the owner may use the schema that the partitions are in."""
    await refill(partitioned, [Row(border() + timedelta(minutes=minute)) for minute in range(-2, 3)])
    month = f"strategy_ticks.month_{border():%Y_%m}"
    for sql in (
        f"alter table {month} enable row level security",
        f"grant all on {month} to anon; create policy open on {month} using (true)",
        f"alter table {month} owner to supabase_admin",
        "drop table strategy_ticks.beyond",
        f"alter table strategy_tick_runs detach partition {month}",
    ):
        await partitioned.execute(sql)
        assert with_outcome(await partitioned.check(), *set(Outcome) - {Outcome.PASS}) == {}, sql
