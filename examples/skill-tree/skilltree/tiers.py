"""Puts the parts of each tier together into an application that can be served."""

import asyncio
import os
import random
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress

from fastapi import FastAPI
from fastapi.responses import JSONResponse

from skilltree.api import Api
from skilltree.config import Config, read_config
from skilltree.counting import RequestCounter
from skilltree.events import EventLog
from skilltree.faults import Faults
from skilltree.jobs import Outbox, deliver
from skilltree.metrics import SESSIONS_PATH, TREE_PATH, ApiMetrics, WorkerMetrics
from skilltree.serving import operations
from skilltree.worker import Worker

Background = Callable[[], Awaitable[None]]


def end_process() -> None:
    """End this process as Kubernetes would: open requests are answered."""
    os.kill(os.getpid(), signal.SIGTERM)


def api_app(config: Config, end: Callable[[], None] = end_process) -> FastAPI:
    """Return the API tier; end: what the lab's restart storm calls."""
    metrics, events = ApiMetrics(config.rollout), event_log(config)
    outbox = Outbox(metrics.jobs_dropped)
    api = Api(config, metrics, events, outbox, Faults(random.Random(), on=config.faults))

    async def send_jobs() -> None:
        if config.worker_url:
            await deliver(outbox, config.worker_url)

    app = FastAPI(title="skill tree", lifespan=_lifespan(events, send_jobs))
    app.add_middleware(RequestCounter, requests=metrics.requests, seconds=metrics.seconds)
    app.include_router(operations(metrics.registry, start_delay=config.start_delay))
    app.add_api_route(TREE_PATH, api.tree, methods=["GET"])
    app.add_api_route(SESSIONS_PATH, api.start_session, methods=["POST"])
    if config.faults:
        app.add_api_route("/lab/exit", _exit_on_request(end), methods=["POST"])
    return app


def worker_app(config: Config) -> FastAPI:
    """Return the worker tier."""
    metrics, events = WorkerMetrics(config.rollout), event_log(config)
    worker = Worker(config, metrics, events)
    app = FastAPI(title="skill tree worker", lifespan=_lifespan(events, worker.run))
    app.include_router(operations(metrics.registry, start_delay=config.start_delay))
    app.add_api_route("/jobs", worker.take, methods=["POST"])
    return app


def event_log(config: Config) -> EventLog:
    """Return where a tier writes its events."""
    return EventLog(config.events_dir, config.pod, max_bytes=config.events_max_bytes)


def api() -> FastAPI:
    """Return the API tier as the environment wants it: `uvicorn --factory skilltree.tiers:api`."""
    return api_app(read_config(os.environ))


def worker() -> FastAPI:
    """Return the worker tier as the environment wants it."""
    return worker_app(read_config(os.environ))


def _lifespan(
    events: EventLog, background: Background
) -> Callable[[FastAPI], AbstractAsyncContextManager[None]]:
    @asynccontextmanager
    async def live(_: FastAPI) -> AsyncIterator[None]:
        task = asyncio.ensure_future(background())
        yield
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        events.close()

    return live


def _exit_on_request(end: Callable[[], None]) -> Callable[[], Awaitable[JSONResponse]]:
    async def exit_on_request() -> JSONResponse:
        # Later: the answer leaves first.
        asyncio.get_running_loop().call_later(0.1, end)
        return JSONResponse({"status": "ending"}, 202)

    return exit_on_request
