"""The workers: they take due ramps, make one pass each, and never let an error out."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

from rampguard.core.ask import Ref
from rampguard.engine.beside import Beside
from rampguard.engine.captures import captures
from rampguard.engine.courier import Courier
from rampguard.engine.lookups import lookups
from rampguard.engine.reconcile import Rest, reconcile
from rampguard.engine.recounts import recounts
from rampguard.engine.rounds import rounds
from rampguard.engine.scheduler import Scheduler
from rampguard.engine.watching import PodWatches
from rampguard.ports import (
    Conflict,
    InvalidSpec,
    NotFound,
    RampError,
    Refused,
    Resource,
    Unavailable,
    World,
)

RESYNC = timedelta(minutes=10)
LONGEST = timedelta(minutes=5)  # between two tries of a ramp whose passes fail
DRAIN = timedelta(seconds=8)
Pass = Callable[[Ref, World], Awaitable[Rest]]


class Runner:
    """Scheduler, workers, watches, courier and the tasks beside the passes of one process."""

    def __init__(
        self, world: World, namespaces: tuple[str, ...], workers: int, make: Pass = reconcile
    ) -> None:
        self.scheduler = Scheduler(world.clock)
        self._world = world
        self._namespaces: tuple[str | None, ...] = namespaces or (None,)
        self._make = make
        self._watches = PodWatches(world, lambda ref, after: self.scheduler.wake(ref, after=after))
        self._courier = Courier(world, self.scheduler.wake)
        wake = self.scheduler.wake
        self._beside: tuple[Beside[Any, Any], ...] = (
            rounds(world, wake),
            lookups(world, wake),
            recounts(world, wake),
            captures(world, wake),
        )
        self._failed: dict[Ref, int] = {}
        self._workers = workers
        self._tasks: list[asyncio.Task[None]] = []
        self.listed = False  # every ramp was listed once

    def start(self) -> None:
        """Start the workers and the resync."""
        self._tasks = [asyncio.create_task(self._work()) for _ in range(self._workers)]
        self._tasks.append(asyncio.create_task(self._resync()))

    async def drain(self) -> None:
        """Take no new pass, let the running ones end, then end everything."""
        self.scheduler.close()
        resync, workers = self._tasks[-1], self._tasks[:-1]
        resync.cancel()
        _, late = await asyncio.wait(workers, timeout=DRAIN.total_seconds())
        for task in late:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._watches.close()
        await self._courier.close()
        for one in self._beside:
            await one.close()

    async def _work(self) -> None:
        while (ref := await self.scheduler.next()) is not None:
            self._show()
            self.scheduler.done(ref, await self._pass(ref))
            self._show()

    async def _pass(self, ref: Ref) -> timedelta | None:
        """Make one pass; return when to look again, None if the ramp is gone."""
        clock, telemetry = self._world.clock, self._world.telemetry
        began = clock.monotonic()
        try:
            rest = await self._make(ref, self._world)
        except NotFound:
            self._gone(ref)
            result, again = "ok", None
        except Exception as error:  # noqa: BLE001 - a worker outlives every ramp
            result = _name(error)
            again = self._back_off(ref, error)
            self._tell(ref, result, error, again)
        else:
            self._failed.pop(ref, None)
            self._watches.want(ref, rest.watch)
            result, again = "ok", rest.again_in
        self._courier.take(ref)
        for one in self._beside:
            one.take(ref)
        telemetry.count_pass(result, clock.monotonic() - began)
        return again

    def _gone(self, ref: Ref) -> None:
        self._failed.pop(ref, None)
        self._watches.want(ref, frozenset())
        self._courier.forget(ref)
        for one in self._beside:
            one.forget(ref)
        self._world.telemetry.forget_ramp(ref)

    def _back_off(self, ref: Ref, error: Exception) -> timedelta:
        if isinstance(error, Conflict):
            return timedelta(milliseconds=random.randint(20, 200))  # noqa: S311 - two that collide
        tries = self._failed.get(ref, 0)
        self._failed[ref] = tries + 1
        asked = getattr(error, "retry_after", None) or timedelta(0)
        jitter = random.uniform(0.5, 1.0)  # noqa: S311 - spreads load
        return max(asked, min(LONGEST, timedelta(seconds=2 ** min(tries, 9)) * jitter))

    def _tell(self, ref: Ref, result: str, error: Exception, again: timedelta) -> None:
        level = {"conflict": "info", "bug": "error"}.get(result, "warning")
        facts: dict[str, object] = {"ramp": str(ref), "error": str(error) or repr(error)}
        if result == "bug":
            facts["exc_info"] = error
        self._world.telemetry.log(
            level, "pass ended early", result=result, again_in=again.total_seconds(), **facts
        )

    async def _resync(self) -> None:
        """List every ramp now and then: a missed event costs minutes, never a ramp."""
        while True:
            try:
                await self._list()
            except RampError as error:
                self._world.telemetry.log("warning", "ramps cannot be listed", error=str(error))
                await self._world.clock.sleep(timedelta(seconds=5))
                continue
            self.listed = True
            await self._world.clock.sleep(RESYNC)

    async def _list(self) -> None:
        found: set[Ref] = set()
        for namespace in self._namespaces:
            for ramp in await self._world.cluster.list(Resource.RAMPS, namespace, fresh=False):
                told = ramp["metadata"]
                found.add(Ref(told["namespace"], told["name"]))
        for ref in sorted(found | self.scheduler.known(), key=str):
            self.scheduler.wake(ref)

    def _show(self) -> None:
        scheduler = self.scheduler
        self._world.telemetry.set_queue(scheduler.queued, scheduler.running, scheduler.overdue)


def _name(error: Exception) -> str:
    match error:
        case Conflict():
            return "conflict"
        case Unavailable() | TimeoutError():
            return "unavailable"
        case InvalidSpec():
            return "invalid"
        case Refused():
            return "refused"
        case _:
            return "bug"
