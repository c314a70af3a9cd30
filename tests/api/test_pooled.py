"""The API's tests once more, through a real PgBouncer in session mode and in transaction mode.

Whatever is named `test_...` in the modules below runs here as well, with a database that the service reaches through
the pooler.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import cache
from pathlib import Path

import pytest

from app.demo.server import EmbeddedPostgres
from tests.api.process import (
    RECOVERY_SECONDS,
    ServiceProcess,
    assert_tells_nothing,
    eventually,
    out_of_reach,
    serving_process,
)
from tests.api.service import PROBE
from tests.api.test_auth import *  # noqa: F403 - their tests are what it is for
from tests.api.test_schema import *  # noqa: F403
from tests.api.test_status import *  # noqa: F403
from tests.api.test_tick_exports import *  # noqa: F403
from tests.api.test_tick_runs import *  # noqa: F403
from tests.api.test_tick_stream import *  # noqa: F403
from tests.databases import SECRET, new_project
from tests.pooler import MODES, PgBouncer, PooledProject, running_pooler

# They ask nothing of a database, wait for a clock, start a service of their own, measure memory for a long time, or
# look at how a lost right or a lost reader is noticed, which no pooler has a part in.
LEFT_OUT = """
test_a_bad_parameter_is_named_and_its_value_not_repeated
test_a_bad_value_is_named_and_not_repeated
test_a_cursor_holds_its_position_to_the_microsecond
test_a_cursor_with_one_bit_changed_is_none
test_a_hundred_thousand_rows_grow_memory_by_less_than_20_mb
test_a_limit_out_of_range_is_brought_into_it
test_a_reader_that_goes_away_ends_its_listening_and_polling_stops
test_a_reader_that_stalls_is_cut_off
test_a_right_that_cannot_be_looked_up_any_more_is_not_believed_for_ever
test_a_stream_ends_soon_after_its_admin_is_none_any_more
test_a_stream_ends_when_its_token_does
test_a_token_in_the_query_string_is_no_credential
test_garbage_is_no_cursor_and_no_other_error
test_looking_up_the_caller_and_reading_share_one_time_limit
test_no_credential_is_401_without_an_error_in_the_challenge
test_nothing_a_cell_holds_is_a_formula_to_a_spreadsheet
test_only_one_authorization_header_of_the_bearer_scheme_is_a_credential
test_serve_ends_streams_and_itself_on_sigterm
test_silence_is_filled_with_heartbeats
test_the_probe_is_no_admin_here
"""
for name in LEFT_OUT.split():
    del globals()[name]


@pytest.fixture(scope="module")
def poolers() -> Iterator[Callable[[EmbeddedPostgres, str], PgBouncer]]:
    with ExitStack() as stack:

        @cache
        def start(cluster: EmbeddedPostgres, mode: str) -> PgBouncer:
            return stack.enter_context(running_pooler(cluster, mode))

        yield start


@pytest.fixture(params=MODES)
def mode(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
async def project(
    cluster: EmbeddedPostgres, template: str, mode: str, poolers: Callable[[EmbeddedPostgres, str], PgBouncer]
) -> AsyncIterator[PooledProject]:
    async with new_project(cluster, template) as direct:
        yield PooledProject(cluster, direct.name, poolers(cluster, mode), mode)


async def test_two_services_share_a_pooler_and_outlive_every_restart(project: PooledProject, tmp_path: Path) -> None:
    def run() -> None:
        url = project.pooled_url()
        with (
            serving_process(ServiceProcess(tmp_path, url, timeout_seconds=5)) as one,
            serving_process(ServiceProcess(tmp_path, url, timeout_seconds=5)) as other,
        ):
            both = (one, other)
            assert_all_answered(*both)
            # One service, while the other one is asked.
            one.signal()
            assert all(other.conforms() for _ in range(5))
            assert one.wait() == 0
            one.start()
            assert_all_answered(*both)
            project.pooler.stop()
            for service in both:
                eventually(service.sick, within=RECOVERY_SECONDS)
                assert out_of_reach(service.report())
            project.pooler.start()
            for service in both:
                eventually(service.whole, within=RECOVERY_SECONDS)
            assert_all_answered(*both)
            # Every session at the server, as a database's restart ends them.
            asyncio.run(project.execute(END_SESSIONS))
            for service in both:
                eventually(service.whole, within=RECOVERY_SECONDS)
            assert_all_answered(*both)
        for service in both:
            assert_tells_nothing(service.log, project.cluster.password, SECRET, PROBE)

    await asyncio.to_thread(run)


END_SESSIONS = """
select pg_terminate_backend(pid) from pg_stat_activity
where usename = 'runner_diagnostics' and datname = current_database()
"""


def assert_all_answered(*services: ServiceProcess) -> None:
    """More at once than the pooler has sessions; each reads by itself, and becomes the reading role to do so."""
    with ThreadPoolExecutor(12) as callers:
        answers = [callers.submit(service.report) for service in services * 6]
        health = [callers.submit(service.healthy) for service in services * 3]
    assert [answer.result().json()["conformant"] for answer in answers] == [True] * len(answers)
    assert all(healthy.result() for healthy in health)
