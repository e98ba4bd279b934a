"""The workers outlive every ramp, make one pass at a time of each, and drain."""

import asyncio
from collections import Counter
from datetime import timedelta

import pytest

from fake_notifier import FakeNotifier, Temper
from fakes import FakeClock, FakeCluster, FakeMetrics, FakeTelemetry, ramp
from rampguard.core.ask import Ref
from rampguard.core.outbox import Kind, Notice
from rampguard.core.plan import Tempo
from rampguard.engine.reconcile import Rest
from rampguard.engine.runner import LONGEST, RESYNC, Runner
from rampguard.ports import (
    Conflict,
    InvalidSpec,
    NotFound,
    Post,
    Refused,
    Resource,
    Rules,
    Unavailable,
    World,
)

A, B = Ref("app", "a"), Ref("app", "b")
SECOND = timedelta(seconds=1)


class Passes:
    """A pass that does what a test says; holds: lets a ramp's pass wait for its event."""

    def __init__(self) -> None:
        self.made: list[Ref] = []
        self.running: Counter[Ref] = Counter()
        self.most: Counter[Ref] = Counter()
        self.raises: dict[Ref, list[Exception]] = {}
        self.holds: dict[Ref, asyncio.Event] = {}
        self.rest = Rest(timedelta(hours=1))

    async def __call__(self, ref: Ref, world: World) -> Rest:
        self.made.append(ref)
        self.running[ref] += 1
        self.most[ref] = max(self.most[ref], self.running[ref])
        try:
            if ref in self.holds:
                await self.holds[ref].wait()
            if self.raises.get(ref):
                raise self.raises[ref].pop(0)
            return self.rest
        finally:
            self.running[ref] -= 1


@pytest.fixture
def passes():
    return Passes()


@pytest.fixture
def world():
    cluster = FakeCluster()
    return World(
        cluster=cluster,
        metrics=FakeMetrics(cluster.clock),
        clock=cluster.clock,
        telemetry=FakeTelemetry(),
        rules=Rules(process="p", tempo=Tempo()),
        notifier=FakeNotifier({"team": Temper.GOOD}),
    )


@pytest.fixture
async def runner(world, passes):
    made = Runner(world, (), 2, passes)
    made.start()
    await settle()
    yield made
    for hold in passes.holds.values():
        hold.set()
    await made.drain()


async def settle() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


async def later(runner: Runner, clock: FakeClock, delay: timedelta) -> None:
    """Let time pass; the scheduler waits in real time, so that a nudge tells it."""
    clock.advance(delay)
    runner.scheduler._changed.set()
    await settle()


def told(world: World) -> list[str]:
    return [result for result, _ in world.telemetry.passes]


async def test_a_woken_ramp_gets_its_pass_and_rests_as_long_as_it_says(runner, passes, world):
    passes.rest = Rest(timedelta(minutes=5))
    runner.scheduler.wake(A)
    await settle()
    assert passes.made == [A]
    await later(runner, world.clock, timedelta(minutes=4))
    assert passes.made == [A]
    await later(runner, world.clock, timedelta(minutes=2))
    assert passes.made == [A, A]
    assert told(world) == ["ok", "ok"]


async def test_one_pass_at_a_time_of_a_ramp_and_many_of_several(runner, passes):
    passes.holds = {A: asyncio.Event(), B: asyncio.Event()}
    for _ in range(3):
        runner.scheduler.wake(A)
        runner.scheduler.wake(B)
        await settle()
    assert (passes.running[A], passes.running[B]) == (1, 1)
    passes.holds[A].set()
    await settle()
    assert passes.made.count(A) == 2
    assert passes.most[A] == 1


@pytest.mark.parametrize(
    ("error", "result", "level"),
    [
        (Conflict("somebody wrote"), "conflict", "info"),
        (Unavailable("no answer"), "unavailable", "warning"),
        (TimeoutError(), "unavailable", "warning"),
        (InvalidSpec("what is this"), "invalid", "warning"),
        (Refused("no"), "refused", "warning"),
        (ZeroDivisionError("a bug"), "bug", "error"),
    ],
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,
)
async def test_an_error_becomes_waiting_and_is_told(runner, passes, error, result, level):
    world = runner._world
    passes.raises = {A: [error]}
    runner.scheduler.wake(A)
    runner.scheduler.wake(B)
    await settle()
    assert set(passes.made) == {A, B}
    assert Counter(told(world)) == Counter(["ok", result])
    ((told_level, message, facts),) = world.telemetry.lines
    assert (told_level, message) == (level, "pass ended early")
    assert (facts["ramp"], facts["result"]) == ("app/a", result)
    assert ("exc_info" in facts) is (result == "bug")
    await later(runner, world.clock, SECOND)
    assert passes.made.count(A) == 2


async def test_a_bug_backs_off_further_each_time_and_the_process_lives(runner, passes, world):
    passes.raises = {A: [ZeroDivisionError("a bug")] * 20}
    runner.scheduler.wake(A)
    await settle()
    waits = []
    for _ in range(12):
        waits.append(world.telemetry.lines[-1][2]["again_in"])
        await later(runner, world.clock, LONGEST)
    assert waits[0] < 1.01
    assert waits[5] > waits[0]
    assert all(LONGEST.total_seconds() / 2 <= wait <= LONGEST.total_seconds() for wait in waits[9:])
    runner.scheduler.wake(B)
    await settle()
    assert B in passes.made


async def test_a_good_pass_forgets_the_failures(runner, passes, world):
    passes.raises = {A: [Unavailable("x"), Unavailable("x"), Unavailable("x")]}
    for _ in range(4):
        runner.scheduler.wake(A)
        await settle()
    passes.raises = {A: [Unavailable("x")]}
    runner.scheduler.wake(A)
    await settle()
    assert world.telemetry.lines[-1][2]["again_in"] <= 1


async def test_a_server_that_asks_for_patience_gets_it(runner, passes, world):
    passes.raises = {A: [Unavailable("429", retry_after=timedelta(minutes=2))]}
    runner.scheduler.wake(A)
    await settle()
    assert world.telemetry.lines[-1][2]["again_in"] == 120


async def test_a_conflict_looks_again_at_once_however_often(runner, passes, world):
    passes.raises = {A: [Conflict("x")] * 10}
    runner.scheduler.wake(A)
    for _ in range(10):
        await later(runner, world.clock, SECOND)
    assert max(facts["again_in"] for *_, facts in world.telemetry.lines) <= 0.2


async def test_a_ramp_that_is_gone_is_dropped(runner, passes, world):
    world.telemetry.ramps[A] = {}
    passes.raises = {A: [NotFound("gone")]}
    runner.scheduler.wake(A)
    await settle()
    assert A not in runner.scheduler.known()
    assert A not in world.telemetry.ramps
    assert told(world) == ["ok"]


@pytest.mark.parametrize("error", [[], [Unavailable("no answer")]], ids=["good", "bad"])
async def test_what_a_pass_remembered_is_sent_however_it_ended(runner, passes, error):
    world = runner._world
    notice = Notice(
        kind=Kind.BLOCKED,
        key="k",
        at=world.clock.now(),
        text="t",
        experiment="e",
        env="E",
        origin=1,
        to=2,
    )
    world.posts[A] = Post("uid", ((notice, "team"),))
    passes.raises = {A: error}
    runner.scheduler.wake(A)
    await settle()
    assert [one.notice for one in world.notifier.taken] == [notice]


async def test_the_resync_wakes_what_no_event_told(runner, passes, world):
    assert runner.listed
    world.cluster.put(Resource.RAMPS, ramp("a"))
    await later(runner, world.clock, RESYNC)
    assert passes.made == [A]


async def test_a_list_that_fails_is_tried_again_soon(world, passes):
    world.cluster.fail(Unavailable("no answer"), verb="list")
    runner = Runner(world, (), 1, passes)
    runner.start()
    await settle()
    assert not runner.listed
    await later(runner, world.clock, 5 * SECOND)
    assert runner.listed
    await runner.drain()


async def test_only_our_namespaces_are_listed(world, passes):
    world.cluster.put(Resource.RAMPS, ramp("a"))
    world.cluster.put(Resource.RAMPS, ramp("a", namespace="other"))
    runner = Runner(world, ("app",), 1, passes)
    runner.start()
    await settle()
    assert passes.made == [A]
    await runner.drain()


async def test_a_drain_lets_the_running_pass_end_and_begins_no_other(world, passes):
    passes.holds = {A: asyncio.Event()}
    runner = Runner(world, (), 1, passes)
    runner.start()
    runner.scheduler.wake(A)
    await settle()
    draining = asyncio.create_task(runner.drain())
    runner.scheduler.wake(B)
    await settle()
    assert not draining.done()
    passes.holds[A].set()
    await draining
    assert passes.made == [A]
    assert told(world) == ["ok"]


async def test_a_proof_watches_its_pods_only_while_it_lasts(runner, passes, world):
    watchers = world.cluster.server._watchers
    passes.rest = Rest(timedelta(hours=1), frozenset({"app=api"}))
    runner.scheduler.wake(A)
    await settle()
    assert [watcher.selector for watcher in watchers] == ["app=api"]
    passes.rest = Rest(timedelta(hours=1))
    runner.scheduler.wake(A)
    await settle()
    assert watchers == []
