"""/healthz, /readyz, /metrics and /records, read-only, on a port of their own."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta

from aiohttp import web

from rampguard.engine.runner import Runner
from rampguard.ports import Held, Records

LONGEST_OVERDUE = timedelta(minutes=5)


@asynccontextmanager
async def serve(
    port: int,
    runner: Runner,
    *,
    is_ready: Callable[[], bool],
    metrics: Callable[[], bytes],
    records: Records | None = None,
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
    if records is not None:
        app.add_routes(_records(records))
    server = web.AppRunner(app, access_log=None)
    await server.setup()
    try:
        await web.TCPSite(server, port=port).start()
        yield
    finally:
        await server.cleanup()


def _records(records: Records) -> list[web.RouteDef]:
    """Return the list of records, and each by the name that it has there."""

    async def listed(_: web.Request) -> web.Response:
        try:
            held = await asyncio.to_thread(records.held)
        except Exception as error:
            raise web.HTTPServiceUnavailable(text=f"no records can be read: {error}") from error
        return web.json_response({"records": [_told(one) for one in held]})

    async def one(request: web.Request) -> web.StreamResponse:
        try:
            blocks = await asyncio.to_thread(records.blocks, request.match_info["name"])
            if blocks is None:
                raise web.HTTPNotFound(text="there is no such record; /records lists those kept")
            block = await asyncio.to_thread(next, blocks, b"")
        except OSError as error:
            raise web.HTTPServiceUnavailable(text=f"it cannot be read: {error}") from error
        answer = web.StreamResponse(headers={"Content-Type": "application/gzip"})
        await answer.prepare(request)
        while block:
            await answer.write(block)
            block = await asyncio.to_thread(next, blocks, b"")
        return answer

    return [web.get("/records", listed), web.get("/records/{name}", one)]


def _told(held: Held) -> dict[str, object]:
    return {
        "name": held.name,
        "namespace": held.ramp.namespace,
        "ramp": held.ramp.name,
        "uid": held.uid,
        "bytes": held.size,
        "from": held.since.isoformat() if held.since else None,
        "to": held.until.isoformat(),
    }
