"""The knobs over HTTP: served by the traffic program, turned from the command line."""

import asyncio
import random
import signal
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import aiohttp
from aiohttp import web
from prometheus_client import generate_latest

from skilltree.browser import HttpBrowser
from skilltree.traffic import Traffic

KNOBS_PORT = 8081


class KnobsError(Exception):
    """The traffic program did not do as told; the message is its answer, or that it has none."""


def control_app(traffic: Traffic) -> web.Application:
    """Return /knobs (GET, PATCH), /metrics and /healthz of a traffic program."""

    async def show(_: web.Request) -> web.Response:
        return web.json_response(traffic.knobs.model_dump())

    async def change(request: web.Request) -> web.Response:
        try:
            traffic.knobs = traffic.knobs.changed(_patch(await request.json()))
        except ValueError as error:
            return web.json_response({"error": str(error)}, status=422)
        return web.json_response(traffic.knobs.model_dump())

    async def metrics(_: web.Request) -> web.Response:
        text = generate_latest(traffic.metrics.registry).decode()
        return web.Response(text=text, content_type="text/plain")

    async def healthz(_: web.Request) -> web.Response:
        return web.json_response({"status": "ok"})

    app = web.Application()
    app.router.add_get("/knobs", show)
    app.router.add_patch("/knobs", change)
    app.router.add_get("/metrics", metrics)
    app.router.add_get("/healthz", healthz)
    return app


def _patch(body: object) -> dict[str, object]:
    if not isinstance(body, dict):
        raise ValueError('an object such as {"rps": 60} is needed')  # noqa: TRY004 - a bad value
    return body


async def run_traffic(api_url: str, port: int, settings: Mapping[str, object]) -> None:
    """Send users to an API until SIGTERM; settings: the knobs to begin with, ValueError if bad."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with HttpBrowser(api_url) as browser:
        traffic = Traffic(browser, random.Random())
        traffic.knobs = traffic.knobs.changed(settings)
        runner = web.AppRunner(control_app(traffic), access_log=None, shutdown_timeout=1)
        await runner.setup()
        await web.TCPSite(runner, "0.0.0.0", port).start()
        running = asyncio.create_task(traffic.run())
        running.add_done_callback(lambda _: stop.set())
        await stop.wait()
        await runner.cleanup()
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running  # raises what ended it, if that was not us


async def turn_knobs(url: str, patch: Mapping[str, str]) -> Mapping[str, Any]:
    """Return the knobs of a running traffic program, after a change if there is one."""
    method = "PATCH" if patch else "GET"
    timeout = aiohttp.ClientTimeout(total=5)
    try:
        async with (
            aiohttp.ClientSession(timeout=timeout) as http,
            http.request(method, f"{url}/knobs", json=dict(patch) or None) as answer,
        ):
            told: dict[str, Any] = await answer.json()
    except (aiohttp.ClientError, TimeoutError, ValueError) as error:
        raise KnobsError(f"no traffic program answers at {url}: {error}") from error
    if "error" in told:
        raise KnobsError(told["error"])
    return told
