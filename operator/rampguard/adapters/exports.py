"""Analytics exports as files of any system that fsspec knows: read as they come, in a thread."""

import asyncio
import contextlib
import gzip
import hashlib
from array import array
from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import orjson
from fsspec.core import url_to_fs

from rampguard.api.blocks import Broken
from rampguard.api.events import feed, records
from rampguard.core.analytics import Asked, Summary, Tally, summary
from rampguard.core.analytics.users import LAST_BITS
from rampguard.ports import Kept, Sought, Unavailable, Wanted

Result = TypeVar("Result")
BLOCK = 2**16  # bytes
ENDING, MANIFEST, PARTIAL = ".jsonl.gz", ".manifest.json", ".partial"
SPARE = timedelta(minutes=5)  # by which the clock of a file system may be behind


class FileExports:
    """Implements ports.Exports over the exports of our configuration: a URL each, * in its name.

    captures: the folder for captures, by path or URL; "": there is none.
    """

    def __init__(self, exports: Mapping[str, str], captures: str = "") -> None:
        self._exports = exports
        self._captures = captures

    @property
    def captures(self) -> bool:
        """Say whether there is a place for captures."""
        return bool(self._captures)

    async def summarize(self, source: str, wanted: Wanted) -> Summary:
        """Return what the records of a window come to; Unavailable: unknown, or not readable."""
        url = self._url(source)
        return await _threaded(lambda: _summary(url, wanted))

    async def capture(self, source: str, sought: Sought) -> Kept:
        """Write the records of the users of an arm; Unavailable: it cannot be done now."""
        url, place = self._url(source), self._captures
        if not place:
            raise Unavailable("there is no place for captures: config.captures.url is empty")
        return await _threaded(lambda: _capture(url, place, sought))

    def _url(self, source: str) -> str:
        url = self._exports.get(source)
        if url is None:
            known = ", ".join(sorted(self._exports)) or "none"
            raise Unavailable(f"no export has the name {source!r}; there are: {known}")
        return url


async def _threaded(work: Callable[[], Result]) -> Result:
    try:
        return await asyncio.to_thread(work)
    except Broken as error:
        raise Unavailable(str(error)) from error
    except Exception as error:  # every file system has errors of its own
        raise Unavailable(f"{type(error).__name__}: {error}") from error


def _tally(url: str, tally: Tally, since: datetime) -> None:
    for fs, path in _files(url, since):
        tally.begin(path.rpartition("/")[2])
        feed(tally, _blocks(fs, path))


def _summary(url: str, wanted: Wanted) -> Summary:
    tally = Tally(experiment=wanted.experiment, since=wanted.since, until=wanted.until)
    _tally(url, tally, wanted.since)
    return summary(tally, Asked(arms=wanted.arms, share=wanted.share), wanted.until)


class _Crowd:
    """The users of one arm, 8 bytes each."""

    def __init__(self, tally: Tally, arm: str) -> None:
        groups = [users.parts() for group, users in tally.users.items() if group.arm == arm]
        self._parts = [array("q", sorted(set().union(*some))) for some in zip(*groups, strict=True)]

    def __len__(self) -> int:
        return sum(map(len, self._parts))

    def __contains__(self, user: object) -> bool:
        told = hash(user)
        part = self._parts[told & LAST_BITS] if self._parts else ()
        at = bisect_left(part, told)
        return at < len(part) and part[at] == told


class _Sealed:
    """A file that is being written, and its checksum."""

    def __init__(self, file: Any) -> None:
        self._file = file
        self._sum = hashlib.sha256()

    @property
    def sha256(self) -> str:
        return self._sum.hexdigest()

    def write(self, raw: bytes) -> int:
        self._sum.update(raw)
        written: int = self._file.write(raw)
        return written

    def flush(self) -> None:
        self._file.flush()


def _capture(url: str, place: str, sought: Sought) -> Kept:
    """Read the export twice: who was in the arm, then what they did. The manifest comes last."""
    tally = Tally(experiment=sought.experiment, since=sought.since, until=sought.until)
    _tally(url, tally, sought.since)
    crowd, count = _Crowd(tally, sought.arm), 0
    fs, root = url_to_fs(place)
    fs.makedirs(root, exist_ok=True)
    path = f"{root}/{sought.name}{ENDING}"
    with fs.open(path + PARTIAL, "wb") as file:
        sealed = _Sealed(file)
        with gzip.GzipFile(fileobj=sealed, mode="wb", mtime=0) as packed:
            for line in _lines_of(url, crowd, sought):
                packed.write(line + b"\n")
                count += 1
    fs.mv(path + PARTIAL, path)
    kept = Kept(
        url=fs.unstrip_protocol(path), records=count, users=len(crowd), sha256=sealed.sha256
    )
    fs.pipe_file(f"{root}/{sought.name}{MANIFEST}", _manifest(kept, sought, url))
    return kept


def _lines_of(url: str, crowd: _Crowd, sought: Sought) -> Iterator[bytes]:
    for fs, path in _files(url, sought.since):
        for line, event in records(_blocks(fs, path)):
            if sought.since <= event.at < sought.until and event.user in crowd:
                yield line


def _manifest(kept: Kept, sought: Sought, url: str) -> bytes:
    told = {
        "apiVersion": "rampguard.dev/capture/v1",
        "kind": "Capture",
        "experiment": sought.experiment,
        "arm": sought.arm,
        "since": sought.since,
        "until": sought.until,
        "export": url,
        "url": kept.url,
        "records": kept.records,
        "users": kept.users,
        "sha256": kept.sha256,
    }
    return orjson.dumps(told, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


def _files(url: str, since: datetime) -> Iterator[tuple[Any, str]]:
    """Yield the files that may hold what was written since, in the order of their names."""
    fs, path = url_to_fs(url, use_listings_cache=False)
    found = sorted(fs.glob(path)) if "*" in path else [path]
    if not found:
        raise FileNotFoundError(f"there is no file {url}")
    for one in found:
        written = _written(fs, one) if len(found) > 1 else None
        if written is None or written >= since - SPARE:
            yield fs, one


def _written(fs: Any, path: str) -> datetime | None:
    """Return when a file was written last; None: its system does not say."""
    with contextlib.suppress(RuntimeError, KeyError, TypeError):
        at: datetime = fs.modified(path)
        return at if at.tzinfo else at.replace(tzinfo=UTC)
    return None


def _blocks(fs: Any, path: str) -> Iterator[bytes]:
    with fs.open(path, "rb") as file:
        while block := file.read(BLOCK):
            yield block
