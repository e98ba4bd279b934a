"""The worker tier: prepares sessions, and tags what it does with the arm of the user."""

import asyncio
from dataclasses import dataclass, field

from fastapi.responses import JSONResponse

from skilltree.assignment import EXPERIMENT, Arm, assign
from skilltree.config import Config
from skilltree.events import EventLog
from skilltree.jobs import Job
from skilltree.metrics import WorkerMetrics

LONGEST_QUEUE = 1000


@dataclass(frozen=True, slots=True)
class Worker:
    """Takes jobs from the API tier and does them one after the other."""

    config: Config
    metrics: WorkerMetrics
    events: EventLog
    queue: asyncio.Queue[Job] = field(default_factory=lambda: asyncio.Queue(LONGEST_QUEUE))

    async def take(self, jobs: list[Job]) -> JSONResponse:
        """Accept a batch as a whole, or not at all: then the API tries again."""
        if self.queue.qsize() + len(jobs) > LONGEST_QUEUE:
            return JSONResponse({"error": "the queue is full"}, 503)
        for job in jobs:
            self.queue.put_nowait(job)
        return JSONResponse({"accepted": len(jobs)}, 202)

    async def run(self) -> None:
        """Do jobs until cancelled."""
        while True:
            self.do(await self.queue.get())
            self.queue.task_done()

    def do(self, job: Job) -> None:
        """Prepare one session, for the arm that the user has or would be given."""
        arm = job.variant or assign(job.user, self.config.rollout).arm
        rollout = "same" if job.rollout == self.config.rollout else "other"
        self.metrics.jobs.labels(EXPERIMENT, arm, rollout).inc()
        self.events.write(
            "session_prepared",
            job.user,
            skill=job.skill,
            experiment=self._block(arm),
        )

    def _block(self, arm: Arm) -> dict[str, object]:
        return {"name": EXPERIMENT, "variant": arm, "rollout": self.config.rollout}
