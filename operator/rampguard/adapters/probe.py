"""The probe over HTTP: one GET to one pod, and the words of its answer where they should stand."""

import asyncio
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache
from http import HTTPStatus
from pathlib import Path
from typing import Any

import orjson
from aiohttp import (
    ClientError,
    ClientResponse,
    ClientSession,
    ClientTimeout,
    DummyCookieJar,
    TCPConnector,
)
from yarl import URL

from rampguard.core.probe import Carrier, Probe, Reply, Spot
from rampguard.ports import Door, Unavailable

PATIENCE = timedelta(seconds=5)  # with one answer
LONGEST = 2**20  # bytes of a body
WORDS = 200  # characters of a word or a location
MARK = "X-Rampguard-Probe"  # by which an app leaves our requests out of its counters


@dataclass(frozen=True, slots=True, kw_only=True)
class WayIn:
    """What a probe may need to be let in; files are read at each request, None: not used."""

    namespaces: tuple[str, ...] = ()  # whose pods may be told the headers
    headers_file: Path | None = None  # lines such as `Authorization: Bearer ...`
    ca_file: Path | None = None


class HttpProber:
    """Implements ports.Prober over the ways in of our configuration, by name."""

    def __init__(self, ways: Mapping[str, WayIn], patience: timedelta = PATIENCE) -> None:
        self._ways = ways
        self._patience = patience

    async def ask(self, probe: Probe, door: Door, user: str, uid: str) -> Reply:
        """Return what the pod answers; Unavailable says why it is nothing that can be used."""
        try:
            async with asyncio.timeout(self._patience.total_seconds()):
                return await _ask(probe, door, user, uid, self._way(probe, door))
        except TimeoutError as error:
            raise Unavailable(f"no answer within {self._patience.total_seconds():g} s") from error
        except (ClientError, OSError, ValueError) as error:  # ValueError: an odd header
            raise Unavailable(_why(error)) from error

    def _way(self, probe: Probe, door: Door) -> WayIn:
        if probe.headers_from is None:
            return WayIn()
        way = self._ways.get(probe.headers_from)
        if way is None:
            known = ", ".join(sorted(self._ways)) or "none"
            raise Unavailable(
                f"no probe is configured under the name {probe.headers_from!r}; there are: {known}"
            )
        if door.namespace not in way.namespaces:
            raise Unavailable(
                f"config.probes.{probe.headers_from} is not for namespace {door.namespace}"
            )
        return way


async def _ask(probe: Probe, door: Door, user: str, uid: str, way: WayIn) -> Reply:
    address = f"[{door.address}]" if ":" in door.address else door.address
    scheme = "https" if probe.https else "http"
    url = URL(f"{scheme}://{address}:{door.port}{probe.path}", encoded=True)
    headers = {
        "Host": f"{door.host}:{door.port}",
        "User-Agent": "rampguard-probe",
        "Accept-Encoding": "identity",
        **await asyncio.to_thread(_headers, way),
        MARK: uid,
    }
    match probe.identity:
        case Spot(Carrier.HEADER, name):
            headers[name] = user
        case Spot(Carrier.COOKIE, name):
            others = [headers.pop(one) for one in list(headers) if one.lower() == "cookie"]
            headers["Cookie"] = "; ".join((*others, f"{name}={user}"))
        case Spot(Carrier.QUERY, name):
            url = url.update_query({name: user})
    # One session a request, without proxies or cookies: nothing of one answer reaches another.
    async with (
        ClientSession(
            trust_env=False,
            auto_decompress=False,
            cookie_jar=DummyCookieJar(),
            connector=TCPConnector(force_close=True),
            timeout=ClientTimeout(total=None),
        ) as session,
        session.get(
            url,
            headers=headers,
            ssl=await asyncio.to_thread(_trusted, way.ca_file) if probe.https else True,
            server_hostname=door.host if probe.https else None,
            allow_redirects=False,  # would lead out of the namespace, our headers along
        ) as response,
    ):
        return await _reply(probe, response)


def _headers(way: WayIn) -> dict[str, str]:
    """Return the headers of a file; ValueError names a line that is none, not what stands there."""
    if way.headers_file is None:
        return {}
    lines = way.headers_file.read_text(encoding="utf-8").splitlines()
    told = {n: line.partition(":") for n, line in enumerate(lines, 1) if line.strip()}
    for n, (name, colon, _) in told.items():
        if not (name.strip() and colon):
            raise ValueError(f"{way.headers_file}, line {n}: `Name: value` is expected")
    return {name.strip(): value.strip() for name, _, value in told.values()}


@lru_cache(maxsize=16)
def _context(path: Path | None, _: int) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=path)


def _trusted(path: Path | None) -> ssl.SSLContext:
    """Return whom we trust; a file that changed is read anew."""
    return _context(path, path.stat().st_mtime_ns if path else 0)


async def _reply(probe: Probe, response: ClientResponse) -> Reply:
    status = response.status
    if HTTPStatus.MULTIPLE_CHOICES <= status < HTTPStatus.BAD_REQUEST:
        to = response.headers.get("Location", "nowhere")[:WORDS]
        raise Unavailable(f"HTTP {status}, a redirect to {to}; redirects are not followed")
    if not HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
        raise Unavailable(f"HTTP {status}")
    spots = (*probe.arm, *((probe.value,) if probe.value else ()))
    wanted = any(spot.carrier is Carrier.JSON for spot in spots)
    body = await _body(response) if wanted else None
    words = tuple(_word(spot, response, body) for spot in spots)
    return Reply(words[: len(probe.arm)], words[-1] if probe.value else None)


async def _body(response: ClientResponse) -> Any:
    if not response.content_type.endswith("json"):
        raise Unavailable(f"the answer is {response.content_type[:WORDS]}, and JSON is expected")
    body = b""
    async for some in response.content.iter_any():
        body += some
        if len(body) > LONGEST:
            raise Unavailable(f"the answer is longer than {LONGEST // 2**20} MiB")
    try:
        return orjson.loads(body)
    except ValueError as error:
        raise Unavailable("the answer is no JSON, although it says so") from error


def _word(spot: Spot, response: ClientResponse, body: Any) -> str | None:
    """Return the word at a spot; None: there is none."""
    match spot.carrier:
        case Carrier.HEADER:
            found = tuple(dict.fromkeys(response.headers.getall(spot.name, ())))
            return ", ".join(found)[:WORDS] if found else None
        case Carrier.COOKIE:
            cookie = response.cookies.get(spot.name)
            return cookie.value[:WORDS] if cookie else None
        case Carrier.JSON:
            return _as_word(_at(body, spot.name))
        case Carrier.QUERY:
            return None


def _at(body: Any, path: str) -> Any:
    for step in path.split("."):
        match body:
            case dict():
                body = body.get(step)
            case list() if step.isdecimal() and int(step) < len(body):
                body = body[int(step)]
            case _:
                return None
    return body


def _as_word(value: Any) -> str | None:
    match value:
        case bool():
            return str(value).lower()
        case str():
            return value[:WORDS]
        case int() | float():
            return str(value)[:WORDS]
        case _:
            return None


def _why(error: BaseException) -> str:
    """Say what went wrong in words that are the same for every pod."""
    match error.__cause__ or error:
        case ConnectionRefusedError():
            return "the connection was refused"
        case ssl.SSLCertVerificationError() as cause:
            return f"its certificate is not trusted: {cause.verify_message}"[:WORDS]
        case ssl.SSLError() as cause:
            return f"TLS: {cause.reason or cause}"[:WORDS]
    if not isinstance(error, ClientError):
        return str(error)[:WORDS] or type(error).__name__
    told = next((one for one in error.args if isinstance(one, str)), "")
    return ": ".join(filter(None, (type(error).__name__.removeprefix("Client"), told)))[:WORDS]
