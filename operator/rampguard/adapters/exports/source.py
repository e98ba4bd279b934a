"""The exports of our configuration."""

import asyncio
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Event
from typing import TypeVar

from rampguard.adapters.exports.capture import capture
from rampguard.adapters.exports.files import Export
from rampguard.adapters.exports.following import Following
from rampguard.api.blocks import Broken
from rampguard.core.analytics import Asked, Followed, Summary, Tally, summary
from rampguard.core.durations import show_duration
from rampguard.core.export import Recount, Recounted
from rampguard.ports import Kept, Sought, Unavailable, Wanted

Result = TypeVar("Result")
PATIENCE = timedelta(minutes=10)  # with all that is done at once
THREADS = 4
IDLE = timedelta(minutes=30)  # what was read for a ramp is forgotten


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
        self._following: dict[str, Following] = {}  # by uid of the ramp
        self._idle: dict[str, asyncio.TimerHandle] = {}

    def close(self) -> None:
        """Let go of the threads; one that hangs is left."""
        for idle in self._idle.values():
            idle.cancel()
        self._threads.shutdown(wait=False, cancel_futures=True)

    @property
    def captures(self) -> bool:
        """Say whether there is a place for captures."""
        return bool(self._captures)

    async def summarize(self, source: str, wanted: Wanted) -> Summary:
        """Return what the records of a window come to; Unavailable: unknown, or not readable."""
        url = self._url(source)
        return await self._threaded(lambda over: _summary(Export(url, wanted.since, over), wanted))

    async def capture(self, source: str, sought: Sought) -> Kept:
        """Write the records of the users of an arm; Unavailable: it cannot be done now."""
        url, place = self._url(source), self._captures
        if not place:
            raise Unavailable("there is no place for captures: config.captures.url is empty")
        return await self._threaded(
            lambda over: capture(Export(url, sought.since, over), place, sought)
        )

    async def recount(self, source: str, followed: Followed, wanted: Recount) -> Recounted:
        """Count users; Unavailable: it cannot be read now."""
        following = self._known(self._url(source), followed)
        return await self._threaded(lambda over: following.count(wanted, over))

    def _known(self, url: str, followed: Followed) -> Following:
        """Return what was read for a ramp; it is forgotten once nobody asks for it."""
        uid = followed.uid
        if idle := self._idle.pop(uid, None):
            idle.cancel()
        known = self._following.get(uid)
        if known is None or (known.url, known.followed) != (url, followed):
            known = self._following[uid] = Following(url, followed)
        loop = asyncio.get_running_loop()
        self._idle[uid] = loop.call_later(IDLE.total_seconds(), self._forget, uid)
        return known

    def _forget(self, uid: str) -> None:
        del self._following[uid], self._idle[uid]

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


def _summary(export: Export, wanted: Wanted) -> Summary:
    tally = Tally(experiment=wanted.experiment, since=wanted.since, until=wanted.until)
    export.feed(tally)
    return summary(tally, Asked(arms=wanted.arms, share=wanted.share), wanted.until)
