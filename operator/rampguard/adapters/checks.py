"""HTTP checks of open incidents: one GET, its status and the beginning of its words."""

import asyncio
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from http import HTTPStatus
from pathlib import Path

from aiohttp import ClientError, ClientResponse, ClientSession, ClientTimeout, DummyCookieJar

from rampguard.ports import Answer, Unavailable

PATIENCE = timedelta(seconds=5)  # for a whole check
WORDS = 512  # bytes read of an answer


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One check and the way in; files are read at each question, None: not used."""

    url: str
    ca_file: Path | None = None
    token_file: Path | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


class HttpChecks:
    """Implements ports.Checks over the checks of our configuration, by name."""

    def __init__(self, checks: Mapping[str, Check], patience: timedelta = PATIENCE) -> None:
        self._checks = checks
        self._patience = patience

    async def ask(self, name: str) -> Answer:
        """Return status and words; Unavailable: no such check, or no answer in time."""
        check = self._checks.get(name)
        if check is None:
            known = ", ".join(sorted(self._checks)) or "none"
            raise Unavailable(f"no incident check has the name {name!r}; there are: {known}")
        try:
            async with asyncio.timeout(self._patience.total_seconds()):
                return await _ask(check)
        except TimeoutError as error:
            limit = self._patience.total_seconds()
            raise Unavailable(f"{name}: no answer within {limit:g} s") from error
        except (ClientError, OSError, ValueError) as error:  # ValueError: an odd secret or header
            raise Unavailable(f"{name}: {error or type(error).__name__}") from error


async def _ask(check: Check) -> Answer:
    # One session a question, without proxies or cookies: nothing of one answer reaches another.
    async with (
        ClientSession(
            trust_env=False, cookie_jar=DummyCookieJar(), timeout=ClientTimeout(total=None)
        ) as session,
        session.get(
            check.url,
            headers=await asyncio.to_thread(_headers, check),
            ssl=await asyncio.to_thread(_trusted, check),
            allow_redirects=False,  # would carry our token elsewhere, and say 200 of a login page
        ) as response,
    ):
        return Answer(response.status, await _words(response))


def _headers(check: Check) -> dict[str, str]:
    headers = {"User-Agent": "rampguard", "Accept-Encoding": "identity", **check.headers}
    if check.token_file:
        token = check.token_file.read_text(encoding="utf-8").strip()
        headers["Authorization"] = f"Bearer {token}"
    return headers


def _trusted(check: Check) -> ssl.SSLContext | bool:
    return ssl.create_default_context(cafile=check.ca_file) if check.ca_file else True


async def _words(response: ClientResponse) -> str:
    """Return the beginning of a plain text that says why an answer is not 200."""
    if response.status == HTTPStatus.OK or response.content_type != "text/plain":
        return ""
    return (await response.content.read(WORDS)).decode("utf-8", errors="replace")
