"""Proxies that stand between the operator and a server, and do what servers do on bad days."""

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from aiohttp import ClientSession, ClientTimeout, web
from aiohttp.test_utils import unused_port

from e2e.operators import PROMETHEUS

FAULTS = ("500", "hanging", "empty", "NaN", "warnings", "garbage")
Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass
class Proxy:
    """A proxy by its address; fault names what it does to answers, empty: nothing."""

    url: str
    fault: str = ""
    asked: list[str] = field(default_factory=list)


@contextmanager
def metrics_proxy() -> Iterator[Proxy]:
    """Stand in front of the lab's Prometheus."""
    proxy = Proxy(f"http://127.0.0.1:{unused_port()}")

    async def answer(request: web.Request) -> web.StreamResponse:
        body = await request.read()
        proxy.asked.append(request.path)
        fault = proxy.fault
        if fault in {"500", "down"}:
            return web.Response(status=500, text="an internal error")
        if fault == "hanging":
            await asyncio.sleep(60)
        if fault == "garbage":
            return web.Response(text="<html>a login page</html>", content_type="text/html")
        async with (
            ClientSession(timeout=ClientTimeout(total=30)) as session,
            session.request(
                request.method,
                f"{PROMETHEUS}{request.path_qs}",
                data=body,
                headers={"Content-Type": request.headers.get("Content-Type", "")},
            ) as true,
        ):
            told = await true.json()
            return web.json_response(_spoilt(told, fault), status=true.status)

    with serving(answer, proxy.url):
        yield proxy


def _spoilt(told: dict[str, object], fault: str) -> dict[str, object]:
    data = told.get("data")
    if fault == "warnings":
        return told | {"warnings": ["a store did not answer: results are partial"]}
    if fault == "empty" and isinstance(data, dict):
        return told | {"data": data | {"result": []}}
    if fault == "NaN" and isinstance(data, dict):
        for one in data["result"]:
            for point in one.get("values", [one.get("value")]):
                point[1] = "NaN"
    return told


@contextmanager
def serving(answer: Answer, url: str) -> Iterator[None]:
    """Answer requests by a function, from a thread of its own."""
    started = threading.Event()
    loop = asyncio.new_event_loop()

    async def run() -> None:
        app = web.Application(client_max_size=2**26)
        app.router.add_route("*", "/{path:.*}", answer)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", int(url.rpartition(":")[2])).start()
        started.set()

    def work() -> None:
        asyncio.set_event_loop(loop)
        loop.run_until_complete(run())
        loop.run_forever()

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    if not started.wait(10):
        raise RuntimeError(f"the proxy at {url} does not start")
    try:
        yield
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
