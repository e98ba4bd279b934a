"""Carries notices to their channels beside the passes: nothing waits for a channel."""

import asyncio
from collections import defaultdict
from collections.abc import Callable
from datetime import timedelta

from rampguard.core.ask import Ref
from rampguard.core.durations import show_duration
from rampguard.core.outbox import Delivery, Notice
from rampguard.ports import RampError, World

PATIENCE = timedelta(seconds=30)  # with one try
AT_ONCE = 4  # tries of one channel, whichever ramps they are of


class Courier:
    """One task for each notice and channel; what came of it is told by the next pass.

    What was tried waits in world.deliveries until a status remembers it: till then it is not sent
    again by this process.
    """

    def __init__(
        self, world: World, wake: Callable[[Ref], None], patience: timedelta = PATIENCE
    ) -> None:
        self._world = world
        self._wake = wake
        self._patience = patience
        self._under_way: dict[tuple[str, str, str], asyncio.Task[None]] = {}
        self._uids: dict[Ref, str] = {}
        self._turns = defaultdict[str, asyncio.Semaphore](lambda: asyncio.Semaphore(AT_ONCE))

    def take(self, ref: Ref) -> None:
        """Send what the last pass of a ramp left and what is not under way yet."""
        post = self._world.posts.pop(ref, None)
        if post is None:
            return
        self._uids[ref] = post.uid
        tried = {(d.key, d.channel) for d in self._world.deliveries.get(post.uid, ())}
        for notice, channel in post.due:
            key = (post.uid, notice.key, channel)
            if key not in self._under_way and (notice.key, channel) not in tried:
                task = asyncio.create_task(self._carry(ref, post.uid, notice, channel))
                self._under_way[key] = task

    def forget(self, ref: Ref) -> None:
        """Drop what is known of a ramp that is gone; what is under way still arrives."""
        self._world.deliveries.pop(self._uids.pop(ref, ""), None)

    async def close(self) -> None:
        """End what is under way: it is sent again by who comes next."""
        tasks = tuple(self._under_way.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _carry(self, ref: Ref, uid: str, notice: Notice, channel: str) -> None:
        try:
            async with self._turns[channel]:
                failed = await self._tried(ref, uid, notice, channel)
            if self._uids.get(ref) == uid:
                told = Delivery(
                    key=notice.key, channel=channel, at=self._world.clock.now(), failed=failed
                )
                self._world.deliveries[uid] = (*self._world.deliveries.get(uid, ()), told)
        finally:
            del self._under_way[uid, notice.key, channel]
        self._wake(ref)

    async def _tried(self, ref: Ref, uid: str, notice: Notice, channel: str) -> str:
        """Try once; return why it failed, empty: it did not."""
        try:
            async with asyncio.timeout(self._patience.total_seconds()):
                await self._world.notifier.deliver(channel, ref, uid, notice)
        except TimeoutError:
            return f"no answer within {show_duration(self._patience)}"
        except RampError as error:
            return str(error)
        except Exception as error:  # noqa: BLE001 - a bug of a channel's library stops no other
            self._world.telemetry.log(
                "error", "notice not delivered", ramp=str(ref), channel=channel, exc_info=error
            )
            return f"a bug: {type(error).__name__}"
        self._world.telemetry.log(
            "info", "notice delivered", ramp=str(ref), channel=channel, key=notice.key
        )
        return ""


def settle(uid: str, remembered: tuple[Delivery, ...], world: World) -> None:
    """Let go of what a status remembers by now."""
    left = tuple(one for one in world.deliveries.pop(uid, ()) if one not in remembered)
    if left:
        world.deliveries[uid] = left
