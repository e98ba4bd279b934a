"""A clock that moves when a test says so."""

import asyncio
import heapq
import itertools
from datetime import UTC, datetime, timedelta
from typing import Protocol

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


def stamp(at: datetime) -> str:
    """Write an instant as the API server does."""
    return f"{at:%Y-%m-%dT%H:%M:%SZ}"


class Follower(Protocol):
    """What lives by the clock. due: when it wants its next tick; None: at rest. tick moves due."""

    def due(self) -> datetime | None: ...

    def tick(self, now: datetime) -> None: ...


class FakeClock:
    """Implements ports.Clock. followers live by it.

    sleep waits until a test advances the time; with `hurried` it advances the time itself.
    """

    def __init__(self, start: datetime = NOON, *, hurried: bool = False) -> None:
        self._start = self._now = start
        self._hurried = hurried
        self._sleepers: list[tuple[datetime, int, asyncio.Future[None]]] = []
        self._order = itertools.count()
        self.followers: list[Follower] = []

    def now(self) -> datetime:
        return self._now

    def monotonic(self) -> float:
        return (self._now - self._start).total_seconds()

    async def sleep(self, delay: timedelta) -> None:
        if self._hurried:
            self.advance(max(delay, timedelta(0)))
            await asyncio.sleep(0)
            return
        if delay <= timedelta(0):
            await asyncio.sleep(0)
            return
        woken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self._now + delay, next(self._order), woken))
        await woken

    def advance(self, delay: timedelta) -> None:
        """Move the time on; each sleeper and each follower gets its own instant."""
        until = self._now + delay
        while (due := self._next_due(until)) is not None:
            self._now = max(self._now, due)
            while self._sleepers and self._sleepers[0][0] <= self._now:
                _, _, woken = heapq.heappop(self._sleepers)
                if not woken.done():
                    woken.set_result(None)
            for follower in self.followers:
                if (wanted := follower.due()) is not None and wanted <= self._now:
                    follower.tick(self._now)
        self._now = until

    def _next_due(self, until: datetime) -> datetime | None:
        dues = [wanted for each in self.followers if (wanted := each.due()) is not None]
        if self._sleepers:
            dues.append(self._sleepers[0][0])
        earliest = min(dues, default=None)
        return earliest if earliest is not None and earliest <= until else None

    async def live(self, delay: timedelta, *, pause: timedelta = timedelta(seconds=1)) -> None:
        """Let time pass in small steps while others run."""
        until = self._now + delay
        while self._now < until:
            self.advance(min(pause, until - self._now))
            for _ in range(20):
                await asyncio.sleep(0)
