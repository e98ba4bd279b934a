"""Watches pods while a change is being proven, so that a proof is seen when it happens."""

import asyncio
import contextlib
from collections.abc import Callable
from datetime import timedelta

from rampguard.core.ask import Ref
from rampguard.ports import RampError, Resource, World

PAUSE = timedelta(seconds=1)  # between two watches: a server may end each at once
DEBOUNCE = timedelta(milliseconds=150)  # pods change in bursts


class PodWatches:
    """One watch for each ramp and selector, only while somebody proves."""

    def __init__(self, world: World, wake: Callable[[Ref, timedelta], None]) -> None:
        self._world = world
        self._wake = wake
        self._tasks: dict[tuple[Ref, str], asyncio.Task[None]] = {}

    def want(self, ref: Ref, selectors: frozenset[str]) -> None:
        """Watch what a ramp needs from now on, and nothing else for it."""
        for key in [k for k in self._tasks if k[0] == ref and k[1] not in selectors]:
            self._tasks.pop(key).cancel()
        for selector in selectors:
            key = (ref, selector)
            if key not in self._tasks:
                self._tasks[key] = asyncio.create_task(self._watch(ref, selector))

    async def close(self) -> None:
        """End all watches."""
        tasks = tuple(self._tasks.values())
        self._tasks.clear()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _watch(self, ref: Ref, selector: str) -> None:
        while True:
            # Passes also look by themselves: a watch that fails costs time, never truth.
            with contextlib.suppress(RampError):
                events = self._world.cluster.watch(Resource.PODS, ref.namespace, selector=selector)
                async for _ in events:
                    self._wake(ref, DEBOUNCE)
            await self._world.clock.sleep(PAUSE)
