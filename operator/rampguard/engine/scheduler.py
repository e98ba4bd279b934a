"""Which ramp is due when; knows no stage. A ramp never runs twice at once."""

import asyncio
import heapq
import itertools
from datetime import timedelta

from rampguard.core.ask import Ref
from rampguard.ports import Clock

NEVER = float("inf")


class Scheduler:
    """Due times and a workqueue in one; lives in one event loop.

    A ramp that is woken while it runs becomes due once more when its pass is done.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._due: dict[Ref, float] = {}  # monotonic seconds; the heap may hold older entries
        self._heap: list[tuple[float, int, Ref]] = []
        self._count = itertools.count()  # of two that are due at once the first woken comes first
        self._running: set[Ref] = set()
        self._woken: set[Ref] = set()  # while running
        self._changed = asyncio.Event()
        self._closed = False

    def wake(self, ref: Ref, *, after: timedelta = timedelta(0)) -> None:
        """Let a ramp be due after a while at the latest; an earlier due time stays."""
        if ref in self._running:
            self._woken.add(ref)
            return
        due = self._clock.monotonic() + after.total_seconds()
        if due < self._due.get(ref, NEVER):
            self._push(ref, due)

    def done(self, ref: Ref, again_in: timedelta | None) -> None:
        """End the pass of a ramp; None: it is gone, and due only if it was woken meanwhile."""
        self._running.discard(ref)
        if ref in self._woken:
            self._woken.discard(ref)
            self.wake(ref)
        elif again_in is not None:
            self.wake(ref, after=again_in)

    def close(self) -> None:
        """Let next() return None from now on."""
        self._closed = True
        self._changed.set()

    async def next(self) -> Ref | None:
        """Wait for the ramp that is due first, and mark it as running; None: closed."""
        while not self._closed:
            self._changed.clear()
            wait = self._wait()
            if wait <= 0:
                return self._pop()
            limit = None if wait == NEVER else wait
            try:
                async with asyncio.timeout(limit):
                    await self._changed.wait()
            except TimeoutError:
                continue
        self._changed.set()  # for whoever else waits
        return None

    def known(self) -> frozenset[Ref]:
        """Return every ramp that is due some time or runs now."""
        return frozenset(self._due) | frozenset(self._running)

    def forget(self, ref: Ref) -> None:
        """Drop a ramp that is gone."""
        self._due.pop(ref, None)

    @property
    def queued(self) -> int:
        """Return how many ramps are due now and wait for a worker."""
        now = self._clock.monotonic()
        return sum(due <= now for due in self._due.values())

    @property
    def running(self) -> int:
        """Return how many passes run now."""
        return len(self._running)

    @property
    def overdue(self) -> timedelta:
        """Return how long the ramp that waits longest has been due."""
        first = min(self._due.values(), default=NEVER)
        if first == NEVER:
            return timedelta(0)
        return timedelta(seconds=max(0.0, self._clock.monotonic() - first))

    def _push(self, ref: Ref, due: float) -> None:
        self._due[ref] = due
        heapq.heappush(self._heap, (due, next(self._count), ref))
        self._changed.set()

    def _wait(self) -> float:
        while self._heap and self._due.get(self._heap[0][2]) != self._heap[0][0]:
            heapq.heappop(self._heap)
        return self._heap[0][0] - self._clock.monotonic() if self._heap else NEVER

    def _pop(self) -> Ref:
        *_, ref = heapq.heappop(self._heap)
        del self._due[ref]
        self._running.add(ref)
        if self._heap:
            self._changed.set()
        return ref
