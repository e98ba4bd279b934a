"""The traffic program: users arrive at the pace that the knobs set."""

import asyncio
import random
from collections.abc import Coroutine

from skilltree.browser import Browser
from skilltree.crowd import Crowd
from skilltree.knobs import Knobs
from skilltree.pace import Pace
from skilltree.visits import TrafficMetrics, Visits

TICK = 0.1  # seconds
MOST_AT_ONCE = 100  # visits: an API that hangs must not fill our memory


class Traffic:
    """All users. knobs may be replaced at any time; a visit keeps those that it began with."""

    def __init__(self, browser: Browser, chance: random.Random) -> None:
        self.knobs = Knobs()
        self.metrics = TrafficMetrics()
        self._crowd = Crowd(chance)
        self._pace = Pace(chance)
        self._visits = Visits(browser, chance, self.metrics)
        self._under_way: set[asyncio.Task[None]] = set()
        self._exits_due = 0.0

    async def run(self) -> None:
        """Send users until cancelled."""
        loop = asyncio.get_running_loop()
        began = last = loop.time()
        while True:
            await asyncio.sleep(TICK)
            now = loop.time()
            self.tick(now - began, now - last)
            last = now

    def tick(self, at: float, seconds: float) -> None:
        """Start what is due. at: seconds since the start; seconds: since the last tick."""
        self._pace.advance(self.knobs, at, seconds)
        while self._pace.affords():
            self._next_visit()
        self._exits_due += self.knobs.restart_storm / 60 * seconds
        while self._exits_due >= 1:
            self._exits_due -= 1
            self._start(self._visits.exit_a_pod())
        self.metrics.users.set(len(self._crowd))

    async def settle(self) -> None:
        """Wait for the visits under way."""
        await asyncio.gather(*self._under_way)

    def _next_visit(self) -> None:
        user = self._crowd.next_visitor(self.knobs.new_users)
        sessions = self._crowd.sessions(user, self.knobs.sessions_per_visit)
        self._pace.spend(1 + sessions)
        if len(self._under_way) >= MOST_AT_ONCE:
            self.metrics.skipped.inc()
        else:
            self._start(self._visits.visit(user, sessions, self.knobs))

    def _start(self, doing: Coroutine[None, None, None]) -> None:
        task = asyncio.get_running_loop().create_task(doing)
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)
