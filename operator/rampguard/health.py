"""/healthz, /readyz and /metrics, read-only, on a port of their own."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta

from aiohttp import web

from rampguard.engine.runner import Runner

LONGEST_OVERDUE = timedelta(minutes=5)


@asynccontextmanager
async def serve(
    port: int, runner: Runner, *, is_ready: Callable[[], bool], metrics: Callable[[], bytes]
) -> AsyncIterator[None]:
    """Answer until the block ends. Unhealthy is a ramp that waits for minutes to be looked at."""

    async def healthz(_: web.Request) -> web.Response:
        overdue = runner.scheduler.overdue
        if overdue > LONGEST_OVERDUE:
            text = f"a ramp has been due for {overdue.total_seconds():.0f} s"
            return web.Response(status=500, text=text)
        return web.Response(text="ok")

    async def readyz(_: web.Request) -> web.Response:
        if is_ready():
            return web.Response(text="ok")
        return web.Response(status=503, text="not ready: ramps are not listed yet")

    async def show(_: web.Request) -> web.Response:
        return web.Response(body=metrics(), headers={"Content-Type": "text/plain; version=0.0.4"})

    app = web.Application()
    app.add_routes(
        [web.get("/healthz", healthz), web.get("/readyz", readyz), web.get("/metrics", show)]
    )
    server = web.AppRunner(app, access_log=None)
    await server.setup()
    try:
        await web.TCPSite(server, port=port).start()
        yield
    finally:
        await server.cleanup()
