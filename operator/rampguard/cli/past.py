"""Reads what Prometheus remembers, by its HTTP API: with a deadline, in parts, errors in words."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from pathlib import Path
from typing import Any

import orjson
import requests

from rampguard.cli.exits import Exit, Told
from rampguard.cli.text import crop, safe
from rampguard.core.ask import PromQL
from rampguard.core.history import History
from rampguard.core.model import Series

CONNECT, READ = 10, 60  # seconds
PART = timedelta(days=1)  # asked for at once
MOST_POINTS = 10_000  # of a part: Prometheus refuses more than 11,000
LONGEST = 256 * 2**20  # bytes of an answer
LONGEST_WORDS = 500
Points = dict[frozenset[tuple[str, str]], list[tuple[datetime, float]]]


@dataclass(frozen=True, slots=True)
class Server:
    """A Prometheus and the way in; headers: sent with each query."""

    url: str
    headers: Mapping[str, str] = field(default_factory=dict)


def headers_of(path: str | None) -> dict[str, str]:
    """Return the headers of a file: `Name: value` lines, or one bearer token."""
    if not path:
        return {}
    try:
        lines = Path(path).read_text(encoding="utf-8").strip().splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise Told(f"cannot read {safe(path)}: {error}", Exit.UNREACHED) from error
    if len(lines) == 1 and ":" not in lines[0]:
        return {"Authorization": f"Bearer {lines[0].strip()}"}
    pairs = (line.partition(":") for line in lines if line.strip())
    return {name.strip(): value.strip() for name, _, value in pairs}


def ask(  # noqa: PLR0913 - whom, what, a range, and how to show progress
    server: Server,
    queries: Iterable[PromQL],
    *,
    start: datetime,
    end: datetime,
    step: timedelta,
    parts: Callable[[list[tuple[PromQL, datetime]]], Iterable[tuple[PromQL, datetime]]] = iter,
) -> History:
    """Return the answers to queries over a range; parts: shows how far it has come.

    A Told says what is wrong and what to do.
    """
    length = min(PART, step * MOST_POINTS) // step * step
    asked = [(query, since) for query in queries for since in _parts(start, end, length)]
    found: dict[PromQL, Points] = {query: {} for query, _ in asked}
    with requests.Session() as session:
        for query, since in parts(asked):
            until = min(end, since + length - step)
            form = {"query": query, "start": _unix(since), "end": _unix(until)}
            data = _answer(session, server, {**form, "step": f"{step.total_seconds():.0f}"})
            _gather(found[query], data)
    answers = {
        query: tuple(Series(dict(labels), tuple(points)) for labels, points in told.items())
        for query, told in found.items()
    }
    return History(start=start, end=end, step=step, answers=answers)


def _parts(start: datetime, end: datetime, length: timedelta) -> Iterator[datetime]:
    while start <= end:
        yield start
        start += length


def _answer(session: requests.Session, server: Server, form: dict[str, str]) -> Any:
    try:
        with session.post(
            f"{server.url.rstrip('/')}/api/v1/query_range",
            data=form,
            headers=dict(server.headers),
            timeout=(CONNECT, READ),
            allow_redirects=False,  # would carry a token elsewhere
            stream=True,
        ) as response:
            raw = response.raw.read(LONGEST + 1, decode_content=True)
            status = response.status_code
    except (requests.RequestException, OSError, ValueError) as error:
        raise Told(f"{server.url}: {_cause(error)}", Exit.UNREACHED) from error
    if len(raw) > LONGEST:
        raise Told(f"{server.url}: an answer of more than 256 MiB; ask for fewer --days",
                   Exit.UNREACHED)  # fmt: skip
    return _judged(server, status, raw, form["query"])


def _judged(server: Server, status: int, raw: bytes, query: str) -> Any:
    try:
        told = orjson.loads(raw)
    except orjson.JSONDecodeError:
        told = None
    if not isinstance(told, dict) or "status" not in told:
        raise Told(f"{server.url}: HTTP {status}, {_no_prometheus(status)}", Exit.UNREACHED)
    if told["status"] != "success":
        words = crop(safe(str(told.get("error") or f"HTTP {status}")), LONGEST_WORDS)
        raise Told(f"{server.url}: {words}\n  asked: {crop(query, LONGEST_WORDS)}", Exit.UNREACHED)
    if told.get("warnings"):
        raise Told(f"{server.url}: a partial answer: {safe(str(told['warnings']))}", Exit.UNREACHED)
    return told.get("data")


def _gather(found: Points, data: Any) -> None:
    """Add an answer to those before it."""
    try:
        for item in data["result"]:
            labels = frozenset((str(k), str(v)) for k, v in item["metric"].items())
            points = ((datetime.fromtimestamp(at, UTC), float(v)) for at, v in item["values"])
            found.setdefault(labels, []).extend(points)
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise Told(f"an answer of an unknown shape: {error!r}", Exit.UNREACHED) from error


def _no_prometheus(status: int) -> str:
    """Say what an answer that is not Prometheus' own probably means."""
    if status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
        return "it wants a login: give --header-file with a token or with headers"
    if HTTPStatus.MULTIPLE_CHOICES <= status < HTTPStatus.BAD_REQUEST:
        return "it redirects: give the URL that it redirects to"
    if status == HTTPStatus.NOT_FOUND:
        return "it has no /api/v1: give the URL below which Prometheus' API stands"
    return "without an answer of Prometheus"


def _cause(error: Exception) -> str:
    if isinstance(error, requests.ConnectTimeout):
        return f"cannot be reached within {CONNECT} s"
    if isinstance(error, requests.Timeout):
        return f"no answer within {READ} s"
    if isinstance(error, requests.exceptions.InvalidURL | requests.exceptions.MissingSchema):
        return "is no URL such as http://prometheus:9090"
    if isinstance(error, requests.ConnectionError):
        return "cannot be reached"
    return crop(safe(str(error)), LONGEST_WORDS)


def _unix(at: datetime) -> str:
    return f"{at.timestamp():.0f}"
