"""The databases with many ticks are kept, and are what they are said to be; here with fewer, by the same recipe."""

import asyncio
import socket
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from app.demo.database import OWNER
from app.demo.server import HOST, EmbeddedPostgres
from app.errors import ConfigurationError
from bench import kept
from bench.kept import LARGEST, KeptTicks, Size, kept_ticks

CYCLES = 40
INDEXES = "select indexdef from pg_indexes where tablename = 'strategy_tick_runs' order by indexname"


@pytest.fixture
def cache(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(kept, "SIZES", {"no_ticks": Size(1000, 0), LARGEST: Size(1000, CYCLES)})
    return folder


def ask(ticks: KeptTicks, query: str, database: str = LARGEST) -> list[tuple[Any, ...]]:
    return [tuple(row) for row in asyncio.run(fetched(ticks.cluster.url(OWNER, database), query))]


async def fetched(url: str, query: str) -> list[asyncpg.Record]:
    connection = await asyncpg.connect(url)
    try:
        return list(await connection.fetch(query))
    finally:
        await connection.close()


def test_it_is_built_once_and_is_the_same_afterwards(cache: Path) -> None:
    everything = "select md5(string_agg(tick::text, ',' order by id)) from strategy_tick_runs as tick"
    with kept_ticks(cache) as ticks:
        assert ticks.built_in is not None
        first = ask(ticks, everything)
    with kept_ticks(cache) as ticks:
        assert ticks.built_in is None
        assert ask(ticks, everything) == first


def test_ticks_lie_before_half_minutes_and_only_productions_indexes_are_there(cache: Path) -> None:
    with kept_ticks(cache) as ticks:
        ((count, cycles, runs, early, late),) = ask(
            ticks,
            """
            select
              count(*), count(distinct scheduled_at), count(distinct strategy_run_id),
              min(distance), max(distance)
            from strategy_tick_runs
            cross join lateral (
              select date_bin('30 seconds', scheduled_at + interval '5 seconds', 'epoch') - scheduled_at
            ) as boundary (distance)
            """,
        )
        assert (count, cycles, runs) == (CYCLES * 1000, CYCLES, 1000)
        assert early == late == timedelta(seconds=4)
        # One is made by the migrations alone.
        assert ask(ticks, INDEXES) == ask(ticks, INDEXES, "no_ticks")
        ((indexes,),) = ask(ticks, f"select count(*) from ({INDEXES}) as indexes")
        assert indexes == 4
        orphans = "select count(*) from strategy_tick_runs where strategy_run_id not in (select id from strategy_runs)"
        assert ask(ticks, orphans) == [(0,)]


def test_what_is_old_is_moved_to_now_and_keeps_its_distances(cache: Path) -> None:
    spread = """
    select max(scheduled_at) - min(scheduled_at), sum(extract(epoch from finished_at - scheduled_at)),
      sum(extract(epoch from scheduled_at)::numeric % 30)
    from strategy_tick_runs
    """
    with kept_ticks(cache) as ticks:
        before = ask(ticks, spread)
        ask(
            ticks,
            """
            update strategy_tick_runs
            set
              scheduled_at = scheduled_at - interval '3 days',
              started_at = started_at - interval '3 days',
              finished_at = finished_at - interval '3 days'
            """,
        )
        assert datetime.now(UTC) - asyncio.run(ticks.as_of()) > timedelta(days=2)
        asyncio.run(ticks.bring_up_to_date())
        assert abs(datetime.now(UTC) - asyncio.run(ticks.as_of())) < timedelta(minutes=1)
        assert ask(ticks, spread) == before


def test_another_recipe_takes_the_place_of_the_old_one(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with kept_ticks(cache) as ticks:
        assert ticks.built_in is not None
    monkeypatch.setattr(kept, "_recipe", lambda: "another")
    with kept_ticks(cache) as ticks:
        assert ticks.built_in is not None
    assert [entry.name for entry in cache.glob("ticks-*")] == ["ticks-another"]


def test_a_build_that_was_cut_off_is_not_taken_for_one(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as broken:
        broken.setattr(kept, "_text", lambda _file: "no sql")
        broken.setattr(kept, "_recipe", lambda: "same")
        with pytest.raises(asyncpg.PostgresSyntaxError), kept_ticks(cache):
            pass
    monkeypatch.setattr(kept, "_recipe", lambda: "same")
    with kept_ticks(cache) as ticks:
        assert ticks.built_in is not None


def test_two_at_once_do_not_share_it(cache: Path) -> None:
    with kept_ticks(cache), pytest.raises(ConfigurationError, match="Somebody else"), kept_ticks(cache):
        pass


def test_a_server_that_outlived_its_program_is_taken_over(cache: Path) -> None:
    directory = cache / "cluster"
    with EmbeddedPostgres(kept=directory) as first:
        with EmbeddedPostgres(kept=directory) as second:
            assert [tuple(row) for row in asyncio.run(fetched(second.url(), "select 1"))] == [(1,)]
            with pytest.raises(ConnectionRefusedError):
                socket.create_connection((HOST, first.port))
        assert directory.exists()
