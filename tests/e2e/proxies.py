"""Proxies that stand between the operator and a server, and do what servers do on bad days."""

import asyncio
import base64
import json
import ssl
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from aiohttp import ClientResponse, ClientSession, ClientTimeout, TCPConnector, web
from aiohttp.test_utils import unused_port

from e2e.operators import Operator
from e2e.stage import PROMETHEUS, kubectl

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
    ends: list[Callable[[], None]] = []

    async def work() -> None:
        over = asyncio.Event()
        loop = asyncio.get_running_loop()
        ends.append(lambda: loop.call_soon_threadsafe(over.set))
        app = web.Application(client_max_size=2**26)
        app.router.add_route("*", "/{path:.*}", answer)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", int(url.rpartition(":")[2])).start()
        started.set()
        await over.wait()
        await runner.cleanup()
        orphans = asyncio.all_tasks() - {asyncio.current_task()}  # their clients were killed
        for task in orphans:
            task.cancel()
        await asyncio.gather(*orphans, return_exceptions=True)
        await asyncio.sleep(1)  # sockets with TLS close a moment after their session

    thread = threading.Thread(target=lambda: asyncio.run(work()), daemon=True)
    thread.start()
    if not started.wait(10):
        raise RuntimeError(f"the proxy at {url} does not start")
    try:
        yield
    finally:
        ends[0]()
        thread.join(20)


@dataclass
class Blows:
    """Kills the operator at chosen calls of each of its lives; the last life is not ended.

    lives: how many calls each life has. Every other blow falls after the call has landed, so that
    only its answer is lost.
    """

    lives: list[int]
    victim: Operator | None = None
    struck: list[str] = field(default_factory=list)
    _calls: int = 0

    def falls(self, request: web.Request) -> bool:
        """Say whether this call is the last of a life."""
        begun = self._calls or "/experimentramps/" in request.path  # a pass begins with the ramp
        if not self.lives or not begun or "watch=" in request.query_string:
            return False
        self._calls += 1
        if self._calls < self.lives[0]:
            return False
        self.lives.pop(0)
        self._calls = 0
        return True

    def strike(self, request: web.Request, when: str) -> None:
        self.struck.append(f"{when} {request.method} {request.path}")
        if self.victim is not None:
            self.victim.kill()


@contextmanager
def api_proxy(home: Path, blows: Blows) -> Iterator[Path]:
    """Stand in front of the lab's API server; yields a kubeconfig that leads here."""
    server, secured = _way_in(home)
    url = f"http://127.0.0.1:{unused_port()}"

    async def answer(request: web.Request) -> web.StreamResponse:
        body = await request.read()
        struck = blows.falls(request)
        if struck and len(blows.struck) % 2 == 0:
            blows.strike(request, "before")
            raise web.HTTPBadGateway
        kept = ("Content-Type", "Accept", "Accept-Encoding")
        headers = {key: request.headers[key] for key in kept if key in request.headers}
        told = ClientTimeout(total=None, connect=10)
        connector = TCPConnector(ssl=secured)
        async with (
            ClientSession(connector=connector, timeout=told, auto_decompress=False) as session,
            session.request(
                request.method, f"{server}{request.path_qs}", data=body, headers=headers
            ) as true,
        ):
            if struck:
                await true.read()
                blows.strike(request, "lost")
                raise web.HTTPBadGateway
            return await _passed_on(request, true)

    config = home / "proxied.kubeconfig"
    config.write_text(_kubeconfig(url))
    with serving(answer, url):
        yield config


async def _passed_on(request: web.Request, true: ClientResponse) -> web.StreamResponse:
    """Pass an answer on as it comes: a watch never ends."""
    kept = ("Content-Type", "Content-Encoding")
    headers = {key: true.headers[key] for key in kept if key in true.headers}
    answer = web.StreamResponse(status=true.status, headers=headers)
    await answer.prepare(request)
    async for chunk in true.content.iter_any():
        await answer.write(chunk)
    await answer.write_eof()
    return answer


def _way_in(home: Path) -> tuple[str, ssl.SSLContext]:
    """Return the address of the API server, and a context that logs in as the lab's admin."""
    told = json.loads(kubectl("config", "view", "--minify", "--raw", "-o", "json"))
    cluster, user = told["clusters"][0]["cluster"], told["users"][0]["user"]
    files = {}
    for name, encoded in (
        ("ca", cluster["certificate-authority-data"]),
        ("cert", user["client-certificate-data"]),
        ("key", user["client-key-data"]),
    ):
        files[name] = home / f"admin.{name}"
        files[name].write_bytes(base64.b64decode(encoded))
    context = ssl.create_default_context(cafile=files["ca"])
    context.load_cert_chain(files["cert"], files["key"])
    return cluster["server"], context


def _kubeconfig(url: str) -> str:
    return json.dumps(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "kind-rampguard-proxied",
            "clusters": [{"name": "proxied", "cluster": {"server": url}}],
            "users": [{"name": "nobody", "user": {}}],
            "contexts": [
                {
                    "name": "kind-rampguard-proxied",
                    "context": {"cluster": "proxied", "user": "nobody"},
                }
            ],
        }
    )
