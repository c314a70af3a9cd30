"""One read for all who ask, with a clock of the test's own."""

import asyncio

import pytest

from app.shared_read import SharedRead


class Source:
    """Numbers its reads, and lets the test decide when each ends."""

    def __init__(self) -> None:
        self.started = 0
        self.gate = asyncio.Event()

    async def read(self) -> int:
        self.started += 1
        number = self.started
        await self.gate.wait()
        return number


def shared(source: Source, now: list[float], reuse_seconds: float = 2.0) -> SharedRead[int]:
    return SharedRead(source.read, reuse_seconds=reuse_seconds, clock=lambda: now[0])


async def test_all_who_ask_during_a_read_get_its_result() -> None:
    source = Source()
    reader = shared(source, [0.0])
    waiting = [asyncio.create_task(reader.get()) for _ in range(50)]
    await asyncio.sleep(0)
    source.gate.set()
    results = await asyncio.gather(*waiting)
    assert {result.value for result in results} == {1}
    assert not any(result.cached for result in results)


async def test_a_result_is_reused_until_its_time_is_over() -> None:
    source, now = Source(), [0.0]
    source.gate.set()
    reader = shared(source, now)
    assert (await reader.get()).value == 1
    now[0] = 1.9
    again = await reader.get()
    assert (again.value, again.cached) == (1, True)
    now[0] = 2.0
    later = await reader.get()
    assert (later.value, later.cached) == (2, False)


async def test_fresh_waits_for_a_read_that_starts_after_it_and_shares_it() -> None:
    source = Source()
    reader = shared(source, [0.0])
    first = asyncio.create_task(reader.get())
    await asyncio.sleep(0)
    fresh = [asyncio.create_task(reader.get(fresh=True)) for _ in range(20)]
    joined = asyncio.create_task(reader.get())
    await asyncio.sleep(0)
    assert source.started == 1
    source.gate.set()
    assert (await first).value == (await joined).value == 1
    assert {result.value for result in await asyncio.gather(*fresh)} == {2}
    assert source.started == 2


async def test_fresh_goes_past_a_result_that_could_be_reused() -> None:
    source = Source()
    source.gate.set()
    reader = shared(source, [0.0])
    await reader.get()
    assert (await reader.get(fresh=True)).value == 2


async def test_who_gives_up_does_not_take_the_others_result_away() -> None:
    source = Source()
    reader = shared(source, [0.0])
    impatient = asyncio.create_task(reader.get())
    patient = asyncio.create_task(reader.get())
    await asyncio.sleep(0)
    impatient.cancel()
    await asyncio.wait([impatient])
    source.gate.set()
    assert (await patient).value == 1
    assert (await reader.get()).cached


async def test_a_failure_reaches_all_who_wait_and_is_not_remembered() -> None:
    attempts: list[None] = []

    async def read() -> int:
        attempts.append(None)
        await asyncio.sleep(0)
        if len(attempts) == 1:
            raise ValueError("once")
        return len(attempts)

    reader = SharedRead(read, reuse_seconds=60)
    outcomes = await asyncio.gather(*(reader.get() for _ in range(5)), return_exceptions=True)
    assert {type(outcome) for outcome in outcomes} == {ValueError}
    assert (await reader.get()).value == 2


async def test_a_failed_read_does_not_fail_the_fresh_one_queued_behind_it() -> None:
    gate = asyncio.Event()
    attempts: list[None] = []

    async def read() -> int:
        attempts.append(None)
        number = len(attempts)
        await gate.wait()
        if number == 1:
            raise ValueError("once")
        return number

    reader = SharedRead(read, reuse_seconds=60)
    first = asyncio.create_task(reader.get())
    await asyncio.sleep(0)
    fresh = asyncio.create_task(reader.get(fresh=True))
    await asyncio.sleep(0)
    gate.set()
    with pytest.raises(ValueError, match="once"):
        await first
    assert (await fresh).value == 2
