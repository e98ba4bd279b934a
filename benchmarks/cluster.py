"""The API of the lab by plain HTTP, through a `kubectl proxy` of our own; no code of the operator.

What is watched is noted with the instant at which it arrived, on this machine's clock.
"""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import aiohttp

Json = dict[str, Any]
RAMPS = "apis/rampguard.dev/v1alpha1/namespaces/{}/experimentramps"
DEPLOYMENTS = "apis/apps/v1/namespaces/{}/deployments"
PODS = "api/v1/namespaces/{}/pods"
MERGE = {"Content-Type": "application/merge-patch+json"}


class Late(Exception):
    """What was waited for did not come."""


@dataclass(frozen=True, slots=True)
class Change:
    """One event of a watch; at: seconds since 1970, when it arrived."""

    at: float
    kind: str  # ADDED, MODIFIED, DELETED
    body: Json

    @property
    def name(self) -> str:
        """Name what changed."""
        return str(self.body["metadata"]["name"])


@dataclass
class Seen:
    """All that a watch has told so far."""

    version: str = ""  # how far it came
    changes: list[Change] = field(default_factory=list)
    grew: asyncio.Event = field(default_factory=asyncio.Event)

    async def first(
        self, fits: Callable[[Change], bool], what: str, after: float = 0, limit: float = 90
    ) -> Change:
        """Return the first change since an instant that fits; wait for it."""
        until, looked = time.time() + limit, 0
        while time.time() < until:
            for change in self.changes[looked:]:
                if change.at >= after and fits(change):
                    return change
            looked = len(self.changes)
            self.grew.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(1):
                    await self.grew.wait()
        raise Late(f"after {limit:.0f} s: not {what}")


@dataclass
class Api:
    """The API server, and watches that run beside."""

    url: str
    http: aiohttp.ClientSession
    tasks: list[asyncio.Task[None]] = field(default_factory=list)
    breaks: list[float] = field(default_factory=list)  # when a watch broke: what follows is late

    def broke(self, since: float, until: float) -> bool:
        """Say whether a watch broke in a span: then its changes have no true instants."""
        return any(since <= one <= until for one in self.breaks)

    async def call(self, method: str, path: str, body: Json | None = None) -> Json:
        """Make one call; PATCH is a merge. Raises ClientResponseError with the server's words."""
        headers = MERGE if method == "PATCH" else None
        async with self.http.request(
            method, f"{self.url}/{path}", json=body, headers=headers
        ) as answer:
            told = await answer.text()
            if answer.status >= 400:
                raise aiohttp.ClientResponseError(
                    answer.request_info, (), status=answer.status, message=told[:500]
                )
        with suppress(ValueError):
            found = json.loads(told)
            return found if isinstance(found, dict) else {}
        return {}

    async def exists(self, path: str) -> bool:
        """Say whether an object is there."""
        async with self.http.get(f"{self.url}/{path}") as answer:
            return answer.status == 200

    async def gone(self, path: str, limit: float = 90) -> None:
        """Wait until an object is gone."""
        until = time.time() + limit
        while await self.exists(path):
            if time.time() > until:
                raise Late(f"after {limit:.0f} s: {path} is still there")
            await asyncio.sleep(0.2)

    async def watch(self, path: str) -> Seen:
        """Watch a list from now on."""
        listed = await self.call("GET", path)
        seen = Seen(version=listed["metadata"]["resourceVersion"])
        self.tasks.append(asyncio.create_task(self._follow(path, seen)))
        return seen

    async def _follow(self, path: str, seen: Seen) -> None:
        while True:
            try:
                await self._once(path, seen)
            except aiohttp.ClientError:
                self.breaks.append(time.time())
                await asyncio.sleep(1)

    async def _once(self, path: str, seen: Seen) -> None:
        """Follow one watch to its end."""
        asked = f"{self.url}/{path}?watch=1&resourceVersion={seen.version}"
        limit = aiohttp.ClientTimeout(total=None)
        async with self.http.get(asked, timeout=limit, raise_for_status=True) as answer:
            async for line in answer.content:
                at, told = time.time(), json.loads(line)
                if told["type"] == "ERROR":
                    raise Late(f"the watch of {path} broke: {told['object']}")
                seen.version = told["object"]["metadata"]["resourceVersion"]
                seen.changes.append(Change(at, told["type"], told["object"]))
                seen.grew.set()


@asynccontextmanager
async def api() -> AsyncIterator[Api]:
    """Open a way to the API server of the current context."""
    proxy = await asyncio.create_subprocess_exec(
        *("kubectl", "proxy", "--port=0"), stdout=asyncio.subprocess.PIPE
    )
    told = await proxy.stdout.readline() if proxy.stdout else b""
    url = f"http://{told.decode().split()[-1]}"
    limit = 64 * 1024 * 1024  # a line is a whole object
    async with aiohttp.ClientSession(read_bufsize=limit) as http:
        opened = Api(url, http)
        try:
            yield opened
        finally:
            for task in opened.tasks:
                task.cancel()
            await asyncio.gather(*opened.tasks, return_exceptions=True)
            proxy.terminate()
            await proxy.wait()
