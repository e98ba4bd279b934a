"""Work that the API leaves to the worker tier: queued in memory, sent in batches."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress

import aiohttp
from prometheus_client import Counter
from pydantic import BaseModel, ConfigDict, Field

from skilltree.assignment import Arm

LONGEST_QUEUE = 1000
LARGEST_BATCH = 100
TRIES = 5
Send = Callable[[Sequence["Job"]], Awaitable[bool]]


class Job(BaseModel):
    """Prepare a session. rollout: what the API ran; without a variant the worker draws one."""

    model_config = ConfigDict(extra="forbid")
    user: str = Field(min_length=1)
    skill: str
    rollout: int = Field(ge=0, le=100)
    variant: Arm | None = None


class Outbox:
    """Keeps jobs until they are sent; drops and counts those that cannot be."""

    def __init__(self, dropped: Counter, *, pause: float = 0.5) -> None:
        self._dropped = dropped
        self._pause = pause  # seconds: what comes within is one batch
        self._queue: asyncio.Queue[Job] = asyncio.Queue(LONGEST_QUEUE)

    def put(self, job: Job) -> None:
        """Queue a job; a full queue drops it, and the user's request goes on."""
        try:
            self._queue.put_nowait(job)
        except asyncio.QueueFull:
            self._dropped.inc()

    async def run(self, send: Send) -> None:
        """Send batches until cancelled."""
        while True:
            batch = [await self._queue.get()]
            await asyncio.sleep(self._pause)
            while len(batch) < LARGEST_BATCH and not self._queue.empty():
                batch.append(self._queue.get_nowait())
            await self._send(batch, send)

    async def _send(self, batch: Sequence[Job], send: Send) -> None:
        for attempt in range(1, TRIES + 1):
            if await send(batch):
                return
            await asyncio.sleep(attempt * self._pause)
        self._dropped.inc(len(batch))


async def deliver(outbox: Outbox, worker_url: str) -> None:
    """Send the jobs of an outbox to the workers behind a URL until cancelled."""
    # A connection per batch: a kept one would feed a single worker pod.
    connector = aiohttp.TCPConnector(force_close=True)
    timeout = aiohttp.ClientTimeout(total=2)
    async with aiohttp.ClientSession(connector=connector, timeout=timeout) as http:

        async def send(batch: Sequence[Job]) -> bool:
            body = [job.model_dump(mode="json") for job in batch]
            with suppress(aiohttp.ClientError, TimeoutError):
                async with http.post(f"{worker_url}/jobs", json=body) as answer:
                    return answer.ok
            return False

        await outbox.run(send)
