"""Sends the requests of users, each over a connection of its own, as browsers would."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Protocol, Self

import aiohttp

TIMEOUT = 3.0  # seconds


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back, as far as a user looks at it."""

    status: int
    cookies: Mapping[str, str] = field(default_factory=dict)
    body: object = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A request of a user."""

    method: str
    path: str
    cookies: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    json: object = None


class Browser(Protocol):
    """Whatever gets answers from the API; None: there was none."""

    async def ask(self, asked: Asked) -> Answer | None:
        """Send one request."""
        ...


class HttpBrowser:
    """A browser over the network."""

    def __init__(self, api_url: str) -> None:
        self._api_url = api_url.rstrip("/")
        # No kept connection: a Service spreads connections over the pods, not requests.
        self._http = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(force_close=True, limit=0),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=TIMEOUT),
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        await self._http.close()

    async def ask(self, asked: Asked) -> Answer | None:
        """Send one request; a network that fails is no answer."""
        try:
            async with self._http.request(
                asked.method,
                self._api_url + asked.path,
                cookies=asked.cookies,
                headers=asked.headers,
                json=asked.json,
            ) as got:
                cookies = {name: one.value for name, one in got.cookies.items()}
                return Answer(got.status, cookies, await got.json(content_type=None))
        except (aiohttp.ClientError, TimeoutError, ValueError):
            return None
