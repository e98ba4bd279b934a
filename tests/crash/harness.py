"""Walks a ramp through its story by passes of the engine, and kills the engine on the way."""

import asyncio
import copy
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum

from crash.story import NAME, SECOND, Scene, Story
from crash.watchman import Broken, Watchman
from fake_clock import FakeClock
from fake_cluster import WRITES
from fake_notifier import FakeNotifier
from fake_prober import FakeProber
from fakes import Call, FakeCluster, FakeTelemetry, Killed
from rampguard.core.ask import Ref
from rampguard.core.plan import Tempo
from rampguard.engine.courier import Courier
from rampguard.engine.reconcile import Rest, reconcile
from rampguard.engine.rounds import ask
from rampguard.ports import Conflict, NotFound, RampError, Resource, Rules, TimedOut, World

Pass = Callable[[Ref, World], Awaitable[Rest]]
TEMPO = Tempo()
RESTART = 3 * SECOND
AFTER_ERROR = 2 * SECOND
LIVES = 60
LONGEST = timedelta(hours=2)  # that a story may take, whatever is done to it


class Blow(StrEnum):
    """What happens at one call of a pass.

    A process that is killed once an answer is delivered is one that is killed before its next
    call: it keeps nothing of its own.
    """

    BEFORE = "killed before the call lands"
    LOST = "killed after it landed, before the answer"
    LATE = "killed; the call lands when the next process is about to write"
    UNHEARD = "the call lands, the answer is lost, the process lives on"


@dataclass
class Tale:
    """A scene, who watches it, and every call that any process made in it."""

    scene: Scene
    watchman: Watchman
    calls: list[Call] = field(default_factory=list)

    def another(self) -> "Tale":
        """Return the same at this very instant, to go on otherwise."""
        server = self.scene.cluster.server
        # Written objects are never changed in place: both futures may share them.
        shared = [
            *(each for held in server.objects.values() for each in held.values()),
            *server._claims.values(),
            *self.calls,
        ]
        return copy.deepcopy(self, {id(each): each for each in shared})


def begin(story: Story) -> Tale:
    scene = Scene(story)
    return Tale(scene, Watchman(scene))


@dataclass
class Process:
    """One engine: its memory lasts as long as it."""

    tale: Tale
    make: Pass = reconcile
    name: str = "one"
    cluster: FakeCluster = field(init=False)
    world: World = field(init=False)
    courier: Courier = field(init=False)

    def __post_init__(self) -> None:
        scene = self.tale.scene
        self.cluster = scene.cluster.another(calls=self.tale.calls)
        self.world = World(
            cluster=self.cluster,
            metrics=scene.metrics,
            clock=scene.cluster.clock,
            telemetry=FakeTelemetry(),
            rules=Rules(process=self.name, tempo=TEMPO),
            notifier=FakeNotifier(dict(scene.story.tempers), scene.mail, call=self._call),
            prober=FakeProber(scene.cluster, scene.story.answer),
        )
        self.courier = Courier(self.world, lambda _: None)

    async def look(self) -> timedelta:
        """Make a pass, and send what it found due; return when to look again.

        Killed is let out, a bug too.
        """
        again = await self._pass()
        if errand := self.world.errands.pop(NAME, None):
            at_once = FakeClock(self.cluster.clock.now(), hurried=True)
            self.world.heard[errand.ask.uid] = await ask(errand, replace(self.world, clock=at_once))
            again = SECOND / 10
        self.courier.take(NAME)
        sent = tuple(self.courier._under_way.values())
        for _ in range(10 if sent else 0):
            await asyncio.sleep(0)
        for task in sent:
            if task.done():
                task.result()
        return min(again, SECOND / 10) if self.world.deliveries else again

    async def end(self) -> None:
        """Take what is still under way along into death."""
        await self.courier.close()

    async def _call(self, verb: str, effect: Callable[[], object]) -> object:
        return await self.cluster._call(verb, Resource.RAMPS, NAME, effect)

    async def _pass(self) -> timedelta:
        try:
            rest = await self.make(NAME, self.world)
        except Conflict:
            return SECOND / 10
        except NotFound:
            return timedelta(hours=1)
        except RampError:
            return AFTER_ERROR
        return rest.again_in


async def walk(process: Process, *, first: timedelta = timedelta(0)) -> AsyncIterator[Tale]:
    """Let a process take a ramp to its end; yield the tale before each pass."""
    tale, due = process.tale, process.tale.scene.now + first
    limit = tale.scene.now + LONGEST
    while not tale.scene.is_over:
        if tale.scene.now > limit:
            raise Broken(f"no end in sight: {tale.scene.status.get('summary')}")
        until(tale.scene, due)
        yield tale
        due = tale.scene.now + await process.look()


def until(scene: Scene, due: datetime) -> None:
    """Let time pass, and what happens in it happen at its own instant."""
    while (soon := scene.happens_at) is not None and soon <= due:
        scene.cluster.clock.advance(max(soon - scene.now, timedelta(0)))
        scene.happen()
        due = min(due, scene.now + SECOND / 10)  # the event source wakes the engine
    scene.cluster.clock.advance(max(due - scene.now, timedelta(0)))


async def to_its_end(process: Process, *, first: timedelta = timedelta(0)) -> None:
    """Let a process take a ramp to its end, and look at all that it left."""
    try:
        async for _ in walk(process, first=first):
            pass
    finally:
        await process.end()
    process.tale.watchman.check_end()
    process.tale.watchman.check_events(process.tale.calls)


async def struck(before: Tale, make: Pass, call: int, blow: Blow) -> Process | None:
    """Return who goes on after a pass in which a blow fell; None: it made fewer calls."""
    process = Process(before.another(), make)
    if blow is Blow.UNHEARD:
        process.cluster.fail(TimedOut("no answer"), lost=True, spared=call - 1)
    else:
        lost, late = blow is Blow.LOST, blow is Blow.LATE
        process.cluster.crash_after(call, answer_lost=lost, late=late)
    try:
        await process.look()
    except Killed:
        await last_breaths()
        await process.end()
        return _heir(process, make)
    if any(f.times == 0 for f in process.cluster.faults):
        return process
    await process.end()
    return None


def _heir(dead: Process, make: Pass) -> Process:
    """Return the process that takes over; a write that is still on its way lands before its own."""
    heir = Process(dead.tale, make, "two")

    async def land(verb: str, resource: Resource, ref: Ref) -> None:
        if verb in WRITES:
            dead.cluster.land()

    if dead.cluster.in_flight is not None:
        heir.cluster.before = land
    return heir


async def last_breaths() -> None:
    """Let what a dead process had begun run into its death."""
    for _ in range(5):
        await asyncio.sleep(0)


@dataclass
class Tally:
    """How much was tried."""

    passes: int = 0
    blows: int = 0
    futures: int = 0


async def every_blow(
    story: Story,
    make: Pass = reconcile,
    *,
    blows: tuple[Blow, ...] = tuple(Blow),
    restart: timedelta = RESTART,
    thorough: bool = False,
) -> Tally:
    """Strike at each call of each pass of a story, and let a process go on from there to the end.

    Two blows that leave the same cluster at the same instant have the same future, because a
    process keeps nothing else: it is lived through once. And of the passes that find the cluster
    as the one before did, each fifth is struck. thorough: every pass, every blow, every time.
    """
    tally, known, idle, version = Tally(), set(), 0, -1
    one = Process(begin(story), make)
    async for before in walk(one):
        idle = idle + 1 if before.scene.cluster.server.version == version else 0
        version = before.scene.cluster.server.version
        if idle % 5 and not thorough:
            continue
        tally.passes += 1
        for blow in blows:
            for call in itertools.count(1):
                after = await struck(before, make, call, blow)
                if after is None:
                    break
                tally.blows += 1
                left = _left(after)
                if left in known and not thorough:
                    continue
                known.add(left)
                tally.futures += 1
                told = f"{story}: pass {tally.passes}, call {call}, {blow}"
                await _lived(after, restart, told)
    await one.end()
    one.tale.watchman.check_end()
    one.tale.watchman.check_events(one.tale.calls)
    return tally


def _left(process: Process) -> tuple[object, ...]:
    """Return all that the future depends on, within one story."""
    scene, comes = process.tale.scene, process.cluster.before
    kept = (tuple(process.world.refusals.items()), tuple(process.world.deliveries.items()))
    return scene.now, scene.cluster.server.version, kept, comes, len(scene.mail)


async def _lived(process: Process, restart: timedelta, told: str) -> None:
    try:
        await to_its_end(process, first=restart)
    except Broken as broken:
        raise Broken(f"{told}: {broken}") from broken


async def dying_again_and_again(
    story: Story, calls: int, blow: Blow, make: Pass = reconcile
) -> None:
    """Let each process die at its nth call, many times over; then let one live."""
    tale = begin(story)
    for _ in range(LIVES):
        process = Process(tale, make)
        process.cluster.crash_after(calls, answer_lost=blow is Blow.LOST)
        try:
            async for _ in walk(process, first=RESTART):
                pass
        except Killed:
            await last_breaths()
            await process.end()
    await _lived(Process(tale, make), RESTART, f"{story}: each process dies at its call {calls}")
