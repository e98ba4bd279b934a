"""The files of an export, read as they come."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from threading import Event
from typing import Any

from fsspec.core import url_to_fs

from rampguard.api.events import feed
from rampguard.core.analytics import Tally
from rampguard.ports import Unavailable

BLOCK = 2**16  # bytes
SPARE = timedelta(minutes=5)  # by which the clock of a file system may be behind


@dataclass(frozen=True, slots=True)
class Export:
    """The files of an export that may hold what was written since; over: nobody waits any more."""

    url: str
    since: datetime
    over: Event

    def files(self) -> Iterator["ExportFile"]:
        """Yield them in the order of their names."""
        fs, path = url_to_fs(self.url, use_listings_cache=False)
        found = _matching(fs, path)
        if not found:
            raise FileNotFoundError(f"there is no file {self.url}")
        for one in found:
            written = _written(fs, one) if len(found) > 1 else None
            if written is None or written >= self.since - SPARE:
                yield ExportFile(fs, one, self.over)

    def feed(self, tally: Tally) -> None:
        """Count all of it; a file that is still being written ends where it ends."""
        for file in self.files():
            tally.begin(file.path.rpartition("/")[2])
            feed(tally, file.blocks(), growing=True)


@dataclass(frozen=True, slots=True)
class ExportFile:
    """One file of an export."""

    fs: Any
    path: str
    over: Event

    def size(self) -> int | None:
        """Return how many bytes it has; None: its system does not say."""
        told: int | None = self.fs.size(self.path)
        return told

    def holds(self, tail: bytes, end: int) -> bool:
        """Say whether these bytes stand before an offset: the file is the same, and longer."""
        start = end - len(tail)
        with contextlib.suppress(OSError, ValueError, RuntimeError):  # it has no offsets
            return bool(self.fs.cat_file(self.path, start=start, end=end) == tail)
        return False

    def blocks(self, start: int = 0) -> Iterator[bytes]:
        """Yield what it holds from an offset on."""
        with self.fs.open(self.path, "rb") as file:
            if start:
                file.seek(start)
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
    return sorted(n for n, told in found.items() if told["type"] == "file" or fs.isfile(n))  # links


def _written(fs: Any, path: str) -> datetime | None:
    """Return when a file was written last; None: its system does not say."""
    with contextlib.suppress(RuntimeError, KeyError, TypeError):  # the first: it has no such thing
        at: datetime = fs.modified(path)
        return at if at.tzinfo else at.replace(tzinfo=UTC)
    return None
