"""Two operators at once, by accident: their calls interleave, they doze off, they die."""

import asyncio
import random
from datetime import timedelta

from crash.harness import RESTART, Pass, Process, Tale, begin, until
from crash.story import SECOND, Story
from crash.watchman import Broken
from fakes import Killed
from rampguard.core.ask import Ref
from rampguard.engine.reconcile import reconcile
from rampguard.ports import Resource

DOZE = 0.02  # chance, for each call, that its process sleeps before it
LONGEST = timedelta(hours=3)
AFTERWARDS = timedelta(minutes=15)  # a process that slept through the end wakes in it


async def crowd(
    story: Story,
    seed: int,
    make: Pass = reconcile,
    *,
    operators: int = 2,
    deadly: bool = True,
    stamps: bool = True,
) -> Tale:
    """Let several operators lead one ramp to its end, in an order that the seed draws.

    stamps: not one may be left behind.
    """
    tale, dice = begin(story), random.Random(seed)  # noqa: S311 - an order
    tasks = [
        asyncio.create_task(_operate(tale, make, f"{seed}-{n}", dice, deadly=deadly))
        for n in range(operators)
    ]
    try:
        await _until_over(tale, tasks)
        await _live(tale, tasks, AFTERWARDS)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    tale.watchman.check_end(stamps=stamps)
    tale.watchman.check_events(tale.calls)
    return tale


async def _operate(tale: Tale, make: Pass, name: str, dice: random.Random, *, deadly: bool) -> None:
    clock = tale.scene.cluster.clock

    async def doze(verb: str, resource: Resource, ref: Ref) -> None:
        if dice.random() < DOZE:
            await clock.sleep(SECOND * dice.choice((1, 5, 30, 300)))

    while True:
        process = Process(tale, make, name)
        process.cluster.yields, process.cluster.before = dice, doze
        if deadly:
            process.cluster.crash_after(dice.randrange(10, 200), answer_lost=dice.random() < 0.5)
        try:
            while True:
                await clock.sleep(await process.look())
        except Killed:
            await clock.sleep(RESTART)


async def _until_over(tale: Tale, tasks: list[asyncio.Task[None]]) -> None:
    limit = tale.scene.now + LONGEST
    while not tale.scene.is_over:
        if tale.scene.now > limit:
            raise Broken(f"no end in sight: {tale.scene.status.get('summary')}")
        await _live(tale, tasks, SECOND)


async def _live(tale: Tale, tasks: list[asyncio.Task[None]], span: timedelta) -> None:
    """Let time pass second by second, and let everybody do something in each."""
    for _ in range(span // SECOND):
        until(tale.scene, tale.scene.now + SECOND)
        for _ in range(10):
            await asyncio.sleep(0)
        for task in tasks:
            if task.done():
                task.result()  # what broke, breaks the test
