"""Analytics exports as files of any system that fsspec knows: read as they come, in a thread."""

import asyncio
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from fsspec.core import url_to_fs

from rampguard.api.blocks import Broken
from rampguard.api.events import feed
from rampguard.core.analytics import Asked, Summary, Tally, summary
from rampguard.ports import Unavailable, Wanted

BLOCK = 2**16  # bytes
SPARE = timedelta(minutes=5)  # by which the clock of a file system may be behind


class FileExports:
    """Implements ports.Exports over the exports of our configuration: a URL each, * in its name."""

    def __init__(self, exports: Mapping[str, str]) -> None:
        self._exports = exports

    async def summarize(self, source: str, wanted: Wanted) -> Summary:
        """Return what the records of a window come to; Unavailable: unknown, or not readable."""
        url = self._exports.get(source)
        if url is None:
            known = ", ".join(sorted(self._exports)) or "none"
            raise Unavailable(f"no export has the name {source!r}; there are: {known}")
        return await asyncio.to_thread(_summary, url, wanted)


def _summary(url: str, wanted: Wanted) -> Summary:
    tally = Tally(experiment=wanted.experiment, since=wanted.since, until=wanted.until)
    try:
        for fs, path in _files(url, wanted.since):
            tally.begin(path.rpartition("/")[2])
            feed(tally, _blocks(fs, path))
    except Broken as error:
        raise Unavailable(str(error)) from error
    except Exception as error:  # every file system has errors of its own
        raise Unavailable(f"{type(error).__name__}: {error}") from error
    return summary(tally, Asked(arms=wanted.arms, share=wanted.share), wanted.until)


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
    try:
        at: datetime = fs.modified(path)
    except (NotImplementedError, KeyError, TypeError):
        return None
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def _blocks(fs: Any, path: str) -> Iterator[bytes]:
    with fs.open(path, "rb") as file:
        while block := file.read(BLOCK):
            yield block
