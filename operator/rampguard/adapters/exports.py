"""Analytics exports as files of any system that fsspec knows: read as they come, in a thread."""

import asyncio
import contextlib
import gzip
import hashlib
from array import array
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from threading import Event
from typing import Any, TypeVar

import orjson
from fsspec.core import url_to_fs

from rampguard.api.blocks import Broken
from rampguard.api.events import feed, records
from rampguard.core.analytics import Asked, Summary, Tally, summary
from rampguard.core.analytics.tally import BEYOND
from rampguard.core.analytics.users import LAST_BITS
from rampguard.core.durations import show_duration
from rampguard.ports import Kept, Sought, Unavailable, Wanted

Result = TypeVar("Result")
PATIENCE = timedelta(minutes=10)  # with all that is done at once
THREADS = 4
BLOCK = 2**16  # bytes
ENDING, MANIFEST, PARTIAL = ".jsonl.gz", ".manifest.json", ".partial"
SPARE = timedelta(minutes=5)  # by which the clock of a file system may be behind


class FileExports:
    """Implements ports.Exports over the exports of our configuration: a URL each, * in its name.

    captures: the folder for captures, by path or URL; "": there is none. All is done in threads of
    its own: a file system that hangs holds up nothing but other exports.
    """

    def __init__(
        self, exports: Mapping[str, str], captures: str = "", patience: timedelta = PATIENCE
    ) -> None:
        self._exports = exports
        self._captures = captures
        self._patience = patience
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="exports")

    def close(self) -> None:
        """Let go of the threads; one that hangs is left."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    @property
    def captures(self) -> bool:
        """Say whether there is a place for captures."""
        return bool(self._captures)

    async def summarize(self, source: str, wanted: Wanted) -> Summary:
        """Return what the records of a window come to; Unavailable: unknown, or not readable."""
        url = self._url(source)
        return await self._threaded(lambda over: _summary(_Export(url, wanted.since, over), wanted))

    async def capture(self, source: str, sought: Sought) -> Kept:
        """Write the records of the users of an arm; Unavailable: it cannot be done now."""
        url, place = self._url(source), self._captures
        if not place:
            raise Unavailable("there is no place for captures: config.captures.url is empty")
        return await self._threaded(
            lambda over: _capture(_Export(url, sought.since, over), place, sought)
        )

    def _url(self, source: str) -> str:
        url = self._exports.get(source)
        if url is None:
            known = ", ".join(sorted(self._exports)) or "none"
            raise Unavailable(f"no export has the name {source!r}; there are: {known}")
        return url

    async def _threaded(self, work: Callable[[Event], Result]) -> Result:
        """Do it in a thread, which ends soon after nobody waits for it any more."""
        over, loop = Event(), asyncio.get_running_loop()
        try:
            async with asyncio.timeout(self._patience.total_seconds()) as limit:
                return await loop.run_in_executor(self._threads, work, over)
        except (Broken, Unavailable) as error:
            raise Unavailable(str(error)) from error
        except Exception as error:  # every file system has errors of its own
            told = f"{type(error).__name__}: {error}"
            if limit.expired():  # a TimeoutError of the file system is none of ours
                told = f"it was not done within {show_duration(self._patience)}"
            raise Unavailable(told) from error
        finally:
            over.set()


@dataclass(frozen=True, slots=True)
class _Export:
    """The files of an export that may hold what was written since; over: nobody waits any more."""

    url: str
    since: datetime
    over: Event

    def files(self) -> Iterator[tuple[str, Iterator[bytes]]]:
        """Yield names and contents, in the order of the names."""
        fs, path = url_to_fs(self.url, use_listings_cache=False)
        found = _matching(fs, path)
        if not found:
            raise FileNotFoundError(f"there is no file {self.url}")
        for one in found:
            written = _written(fs, one) if len(found) > 1 else None
            if written is None or written >= self.since - SPARE:
                yield one.rpartition("/")[2], self._blocks(fs, one)

    def feed(self, tally: Tally) -> None:
        """Count all of it; a file that is still being written ends where it ends."""
        for name, blocks in self.files():
            tally.begin(name)
            feed(tally, blocks, growing=True)

    def _blocks(self, fs: Any, path: str) -> Iterator[bytes]:
        with fs.open(path, "rb") as file:
            while block := file.read(BLOCK):
                if self.over.is_set():
                    raise Unavailable("nobody waits for it any more")
                yield block


def _matching(fs: Any, path: str) -> list[str]:
    """Return the files of a name; in it * alone stands for others."""
    if "*" not in path:
        return [path]
    pattern = path.replace("[", "[[]").replace("?", "[?]")
    found = fs.glob(pattern, detail=True)
    return sorted(name for name, told in found.items() if told["type"] == "file")


def _summary(export: _Export, wanted: Wanted) -> Summary:
    tally = Tally(experiment=wanted.experiment, since=wanted.since, until=wanted.until)
    export.feed(tally)
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


def _capture(export: _Export, place: str, sought: Sought) -> Kept:
    """Read the export twice: who was in the arm, then what they did. The manifest comes last."""
    tally = Tally(experiment=sought.experiment, since=sought.since, until=sought.until)
    export.feed(tally)
    _check(tally, sought)
    crowd = _Crowd(tally, sought.arm)
    fs, root = url_to_fs(place)
    fs.makedirs(root, exist_ok=True)
    path = f"{root}/{sought.name}{ENDING}"
    try:
        count, sha256 = _write(fs, path + PARTIAL, _lines_of(export, crowd, sought))
        fs.mv(path + PARTIAL, path)
    except BaseException:
        with contextlib.suppress(Exception):
            fs.rm_file(path + PARTIAL)
        raise
    kept = Kept(url=fs.unstrip_protocol(path), records=count, users=len(crowd), sha256=sha256)
    fs.pipe_file(f"{root}/{sought.name}{MANIFEST}", _manifest(kept, sought, export.url))
    return kept


def _check(tally: Tally, sought: Sought) -> None:
    """Refuse what would be less than it seems."""
    if sum(span[BEYOND] for span in tally.spans.values()):
        raise Unavailable(f"the export has more than {BEYOND} kinds of exposures")
    if sought.reaches is not None and tally.latest < sought.reaches:
        last = f"{tally.latest:%Y-%m-%dT%H:%M:%SZ}" if tally.spans else "before the ramp"
        raise Unavailable(f"the export ends {last}, before the rollback did: it may come late")


def _write(fs: Any, path: str, lines: Iterable[bytes]) -> tuple[int, str]:
    """Write lines into a gzip file; return how many there were, and its checksum."""
    count = 0
    with fs.open(path, "wb") as file:
        sealed = _Sealed(file)
        with gzip.GzipFile(fileobj=sealed, mode="wb", mtime=0) as packed:
            for line in lines:
                packed.write(line + b"\n")
                count += 1
    return count, sealed.sha256


def _lines_of(export: _Export, crowd: _Crowd, sought: Sought) -> Iterator[bytes]:
    for _, blocks in export.files():
        for line, event in records(blocks):
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


def _written(fs: Any, path: str) -> datetime | None:
    """Return when a file was written last; None: its system does not say."""
    with contextlib.suppress(RuntimeError, KeyError, TypeError):  # the first: it has no such thing
        at: datetime = fs.modified(path)
        return at if at.tzinfo else at.replace(tzinfo=UTC)
    return None
