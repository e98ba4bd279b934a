"""Which ramp is due when."""

import asyncio
from datetime import timedelta

import pytest

from fakes import FakeClock
from rampguard.core.ask import Ref
from rampguard.engine.scheduler import Scheduler

A, B = Ref("app", "a"), Ref("app", "b")
SECOND = timedelta(seconds=1)


@pytest.fixture
def clock():
    return FakeClock()


@pytest.fixture
def scheduler(clock):
    return Scheduler(clock)


async def taken(scheduler: Scheduler) -> Ref | None:
    """Return what is due now; None: nothing is."""
    waits = asyncio.create_task(scheduler.next())
    for _ in range(3):
        await asyncio.sleep(0)
    if not waits.done():
        waits.cancel()
        await asyncio.gather(waits, return_exceptions=True)
        return None
    return waits.result()


async def test_the_ramp_that_is_due_first_comes_first(scheduler, clock):
    scheduler.wake(A, after=2 * SECOND)
    scheduler.wake(B, after=SECOND)
    assert await taken(scheduler) is None
    clock.advance(3 * SECOND)
    assert [await taken(scheduler), await taken(scheduler)] == [B, A]


async def test_of_two_that_are_due_at_once_the_first_woken_comes_first(scheduler):
    scheduler.wake(B)
    scheduler.wake(A)
    assert [await taken(scheduler), await taken(scheduler)] == [B, A]


async def test_an_earlier_due_time_stays(scheduler, clock):
    scheduler.wake(A, after=SECOND)
    scheduler.wake(A, after=60 * SECOND)
    clock.advance(SECOND)
    assert await taken(scheduler) == A
    scheduler.done(A, None)
    clock.advance(120 * SECOND)
    assert await taken(scheduler) is None


async def test_an_event_brings_a_ramp_forward(scheduler):
    scheduler.wake(A, after=60 * SECOND)
    scheduler.wake(A)
    assert await taken(scheduler) == A


async def test_a_ramp_never_runs_twice_at_once(scheduler):
    scheduler.wake(A)
    assert await taken(scheduler) == A
    scheduler.wake(A)
    assert await taken(scheduler) is None
    assert scheduler.running == 1


async def test_a_ramp_that_is_woken_while_it_runs_runs_once_more(scheduler):
    scheduler.wake(A)
    assert await taken(scheduler) == A
    for _ in range(3):
        scheduler.wake(A)
    scheduler.done(A, 60 * SECOND)
    assert await taken(scheduler) == A
    scheduler.done(A, 60 * SECOND)
    assert await taken(scheduler) is None


async def test_a_ramp_that_is_gone_is_forgotten_unless_it_was_woken(scheduler):
    for woken in (False, True):
        scheduler.wake(A)
        assert await taken(scheduler) == A
        if woken:
            scheduler.wake(A)
        scheduler.done(A, None)
        assert (A in scheduler.known()) is woken


async def test_a_forgotten_ramp_is_not_due(scheduler, clock):
    scheduler.wake(A, after=SECOND)
    scheduler.forget(A)
    clock.advance(60 * SECOND)
    assert await taken(scheduler) is None


async def test_who_waits_is_told_of_an_earlier_ramp(scheduler):
    scheduler.wake(A, after=60 * SECOND)
    waits = asyncio.create_task(scheduler.next())
    await asyncio.sleep(0)
    scheduler.wake(B)
    assert await waits == B


async def test_two_workers_take_two_ramps(scheduler):
    workers = [asyncio.create_task(scheduler.next()) for _ in range(2)]
    await asyncio.sleep(0)
    scheduler.wake(A)
    scheduler.wake(B)
    assert {await worker for worker in workers} == {A, B}


async def test_closing_sends_every_worker_home(scheduler):
    workers = [asyncio.create_task(scheduler.next()) for _ in range(3)]
    await asyncio.sleep(0)
    scheduler.wake(A, after=60 * SECOND)
    scheduler.close()
    assert await asyncio.gather(*workers) == [None, None, None]


async def test_the_gauges_tell_the_queue(scheduler, clock):
    assert (scheduler.queued, scheduler.running, scheduler.overdue) == (0, 0, 0 * SECOND)
    scheduler.wake(A)
    scheduler.wake(B, after=60 * SECOND)
    clock.advance(7 * SECOND)
    assert (scheduler.queued, scheduler.overdue) == (1, 7 * SECOND)
    assert await taken(scheduler) == A
    assert (scheduler.queued, scheduler.running) == (0, 1)
