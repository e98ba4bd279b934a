"""Prometheus by query and query_range: the shape asked for within a deadline, or an error.

prometheus-api-client is the transport. Its own queries lose warnings, put the query into the URL,
retry, and wait as long as a server likes; ours do none of this.
"""

import asyncio
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from pathlib import Path

import orjson
import requests
from prometheus_api_client import PrometheusConnect
from requests.adapters import HTTPAdapter
from urllib3 import Retry
from urllib3.exceptions import HTTPError

from rampguard.core.ask import PromQL
from rampguard.ports import BadQuery, Json, Sample, Series, Unavailable

THREADS = 16
EPOCH, MILLISECOND = datetime(1970, 1, 1, tzinfo=UTC), timedelta(milliseconds=1)
MOST_POINTS = 10_000  # asked for at once: Prometheus refuses more than 11,000
SKEW = timedelta(seconds=60)  # between its clock and ours; counts of other minutes are no answer
TOLD_SKEW = timedelta(seconds=5)  # beyond it a person is told
LONGEST_ANSWER = 64 * 1024 * 1024  # bytes

Form = Mapping[str, str]
Log = Callable[..., None]  # level, message, facts


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """One Prometheus and the way in; files are read at each query, None: not used."""

    url: str
    ca_file: Path | None = None
    token_file: Path | None = None
    username_file: Path | None = None
    password_file: Path | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long one query may take; in_all counts the wait for a thread, too."""

    connect: timedelta = timedelta(seconds=2)
    read: timedelta = timedelta(seconds=10)
    in_all: timedelta = timedelta(seconds=20)


class PrometheusMetrics:
    """Implements ports.Metrics over the sources of our configuration, by name."""

    def __init__(
        self,
        sources: Mapping[str, Source],
        patience: Patience | None = None,
        *,
        log: Log = lambda *_, **__: None,
    ) -> None:
        self._patience = patience or Patience()
        self._connections = {
            name: _Connection(name, source, self._patience, log) for name, source in sources.items()
        }
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="prometheus")

    def close(self) -> None:
        """Close all connections; queries that still wait for a thread are cancelled."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        for connection in self._connections.values():
            connection.close()

    async def instant(self, source: str, query: PromQL, at: datetime) -> tuple[Sample, ...]:
        """Return the vector at an instant; a scalar is one sample without labels."""
        data = await self._ask(source, "query", {"query": query, "time": _unix(at)})
        with _shape(source):
            match data["resultType"]:
                case "vector":
                    return tuple(_sample(item) for item in data["result"])
                case "scalar":
                    return (Sample({}, float(data["result"][1])),)
                case other:
                    raise BadQuery(f"{source}: {query}: gives a {other}; a vector is needed")

    async def span(
        self, source: str, query: PromQL, start: datetime, end: datetime, step: timedelta
    ) -> tuple[Series, ...]:
        """Return the matrix of [start, end], both ends included where the grid meets them.

        Points bear the very instants of the grid, start + k * step, though Prometheus knows them
        to the millisecond only. A longer range is asked for in parts.
        """
        series: list[Series] = []
        while start <= end:
            stop = min(end, start + step * (MOST_POINTS - 1))
            form = {
                "query": query,
                "start": _unix(start),
                "end": _unix(stop),
                "step": str(step.total_seconds()),
            }
            data = await self._ask(source, "query_range", form)
            with _shape(source):
                series.extend(_series(item, start, step) for item in data["result"])
            start += step * MOST_POINTS
        return _joined(series)

    async def _ask(self, source: str, path: str, form: Form) -> Json:
        connection = self._connections.get(source)
        if connection is None:
            known = ", ".join(sorted(self._connections)) or "none"
            raise Unavailable(
                f"no Prometheus is configured under the name {source!r}; there are: {known}"
            )
        patience = self._patience.in_all.total_seconds()
        deadline = time.monotonic() + patience
        query = asyncio.get_running_loop().run_in_executor(
            self._threads, connection.ask, path, form, deadline
        )
        try:
            return await asyncio.wait_for(query, patience)
        except TimeoutError as error:
            raise Unavailable(f"{source}: no answer within {patience:g} s") from error


class _Connection(PrometheusConnect):  # type: ignore[misc]  # a base without types: prometheus-api-client has none
    """One Prometheus; blocking, used by many threads."""

    def __init__(self, name: str, source: Source, patience: Patience, log: Log) -> None:
        super().__init__(url=source.url.rstrip("/"), method="POST", retry=Retry(0))
        self._name = name
        self._source = source
        self._patience = patience
        self._log = log
        self._is_skewed = False  # as it was told last
        # Neither a .netrc, nor a proxy, nor a CA of the environment: our configuration rules.
        self._session.trust_env = False
        # The constructor mounted a pool of 10 of its own.
        self._session.mount(self.url, HTTPAdapter(max_retries=Retry(0), pool_maxsize=THREADS))

    def ask(self, path: str, form: Form, deadline: float) -> Json:
        """Return `data` of a successful and whole answer; raise Unavailable or BadQuery."""
        try:
            try:
                status, raw, ahead = self._query(path, form, deadline)
            except requests.ConnectionError:
                # Most often a connection kept alive that the server has closed meanwhile.
                status, raw, ahead = self._query(path, form, deadline)
        except (OSError, HTTPError, UnicodeError) as error:
            # Errors of requests are OSErrors, a missing caFile is; UnicodeError: an odd secret.
            raise Unavailable(f"{self}: {_cause(error)}") from error
        self._check_clock(ahead)
        return self._judge(status, raw)

    def __str__(self) -> str:
        return f"{self._name} ({self.url})"

    def _query(self, path: str, form: Form, deadline: float) -> tuple[int, bytes, timedelta]:
        """Return status and body of an answer, and by how much its clock is ahead of ours."""
        left = deadline - time.monotonic()
        if left <= 0:
            raise Unavailable(f"{self}: no time left for a query")
        connect = min(left, self._patience.connect.total_seconds())
        read = min(left, self._patience.read.total_seconds())
        asked = time.time()
        response = self._session.request(
            "POST",
            f"{self.url}/api/v1/{path}",
            data={**form, "timeout": f"{read:.3f}"},
            headers=self._headers(),
            auth=self._basic(),
            verify=str(self._source.ca_file) if self._source.ca_file else True,
            timeout=(connect, read),
            allow_redirects=False,  # would carry our token elsewhere
            stream=True,
        )
        with response:
            ahead = _ahead(response.headers.get("Date", ""), asked, time.time())
            return response.status_code, self._body(response, deadline), ahead

    def _check_clock(self, ahead: timedelta) -> None:
        """Tell once that a server has another time than ours; refuse its answers if they differ."""
        word = "ahead of" if ahead > timedelta(0) else "behind"
        told = f"its clock is {abs(ahead).total_seconds():.0f} s {word} ours"
        if abs(ahead) > SKEW:
            raise Unavailable(f"{self}: ClockSkew: {told}; let both follow the same time")
        skewed = abs(ahead) > TOLD_SKEW
        if skewed and not self._is_skewed:
            self._log("warning", "clocks differ", source=str(self), because=told)
        self._is_skewed = skewed

    def _body(self, response: requests.Response, deadline: float) -> bytes:
        """Read what comes as it comes: each wait is short, all of them may not be."""
        body = bytearray()
        while chunk := response.raw.read1(65536):
            body += chunk
            if time.monotonic() > deadline:
                raise Unavailable(f"{self}: the answer came too slowly")
            if len(body) > LONGEST_ANSWER:
                raise Unavailable(f"{self}: the answer is longer than {LONGEST_ANSWER} bytes")
        return bytes(body)

    def _headers(self) -> dict[str, str]:
        headers = {"Accept-Encoding": "identity", **self._source.headers}
        if self._source.token_file:
            headers["Authorization"] = f"Bearer {self._secret(self._source.token_file)}"
        return headers

    def _basic(self) -> tuple[str, str] | None:
        if not (self._source.username_file and self._source.password_file):
            return None
        return self._secret(self._source.username_file), self._secret(self._source.password_file)

    def _secret(self, path: Path) -> str:
        try:
            return path.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise Unavailable(f"{self}: the file {path} cannot be read: {error}") from error

    def _judge(self, status: int, raw: bytes) -> Json:
        try:
            envelope = orjson.loads(raw)
        except orjson.JSONDecodeError:
            envelope = None
        if not isinstance(envelope, dict) or "status" not in envelope:
            raise Unavailable(f"{self}: HTTP {status} {_no_prometheus(status)}")
        if status != HTTPStatus.OK or envelope["status"] != "success":
            words = f"{self}: {envelope.get('error') or f'HTTP {status}'}"
            # Only this is the query's fault for certain; "execution" may be a lost store.
            bad = envelope.get("errorType") == "bad_data"
            raise BadQuery(words) if bad else Unavailable(words)
        if envelope.get("warnings"):
            raise Unavailable(f"{self}: a partial answer: {envelope['warnings']}")
        data = envelope.get("data")
        if not isinstance(data, dict):
            raise Unavailable(f"{self}: an answer without data")
        return data


def _ahead(date: str, asked: float, heard: float) -> timedelta:
    """Return by how much a Date is outside the time in which it was written; 0 if unreadable.

    date: of whole seconds, cut. asked, heard: our time at both ends of the call.
    """
    try:
        theirs = parsedate_to_datetime(date).timestamp()
    except ValueError:
        return timedelta(0)
    return timedelta(seconds=round(max(theirs - heard, 0) or min(theirs + 1 - asked, 0)))


def _no_prometheus(status: int) -> str:
    """Say what an answer that is not Prometheus' own probably means."""
    if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
        return "refuses our credentials; look at its tokenFile, or usernameFile and passwordFile"
    if HTTPStatus.MULTIPLE_CHOICES <= status < HTTPStatus.BAD_REQUEST:
        return "redirects; configure the URL it redirects to"
    if status == HTTPStatus.NOT_FOUND:
        return "has no /api/v1; configure the URL below which Prometheus' API stands"
    return "without a Prometheus answer"


def _cause(error: Exception) -> str:
    if isinstance(error, requests.ConnectTimeout):
        return "cannot be reached in time"
    if isinstance(error, requests.Timeout):
        return "no answer in time"
    return str(error)


def _unix(at: datetime) -> str:
    """Return an instant as Prometheus takes it: cut to the millisecond, so that it never rounds."""
    seconds, milliseconds = divmod((at - EPOCH) // MILLISECOND, 1000)
    return f"{seconds}.{milliseconds:03d}"


@contextmanager
def _shape(source: str) -> Iterator[None]:
    """Take apart an answer; what is not as documented is no answer."""
    try:
        yield
    except (KeyError, TypeError, ValueError, IndexError, OverflowError) as error:
        raise Unavailable(f"{source}: an answer of an unknown shape: {error!r}") from error


def _sample(item: Json) -> Sample:
    return Sample(dict(item["metric"]), float(item["value"][1]))


def _series(item: Json, start: datetime, step: timedelta) -> Series:
    def asked(at: float) -> datetime:
        return start + round((datetime.fromtimestamp(at, UTC) - start) / step) * step

    points = tuple((asked(at), float(value)) for at, value in item["values"])
    return Series(dict(item["metric"]), points)


def _joined(parts: Iterable[Series]) -> tuple[Series, ...]:
    """Put the parts of one series together again, in their order."""
    points: dict[frozenset[tuple[str, str]], list[tuple[datetime, float]]] = {}
    for part in parts:
        points.setdefault(frozenset(part.labels.items()), []).extend(part.points)
    return tuple(Series(dict(labels), tuple(found)) for labels, found in points.items())
