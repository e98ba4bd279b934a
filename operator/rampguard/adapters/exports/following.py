"""Follows the users of an export: what was read once is read again only if it changed."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from threading import Event, Lock

from rampguard.adapters.exports.files import Export, ExportFile
from rampguard.api.blocks import MAGIC
from rampguard.api.events import records
from rampguard.core.analytics import Cohorts, Followed
from rampguard.core.export import Recount, Recounted
from rampguard.ports import Unavailable

AT_ONCE = 2**14  # events
TAIL = 256  # bytes by which a file is known again


@dataclass(frozen=True, slots=True)
class _Read:
    """How far a file was read: its size then, the end of its last whole line, and what is before.

    packed: it is gzip, and read whole or not at all.
    """

    size: int
    end: int
    tail: bytes
    packed: bool


class Following:
    """The users of one ramp, and how far each file was read for them.

    It is of no harm if something is read twice: a thread that nobody waits for may do so.
    """

    def __init__(self, url: str, followed: Followed) -> None:
        self.url = url
        self.followed = followed
        self._cohorts = Cohorts(followed)
        self._read: dict[str, _Read] = {}
        self._lock = Lock()

    def count(self, wanted: Recount, over: Event) -> Recounted:
        """Read what is new, and count."""
        if not self._lock.acquire(blocking=False):  # its file system hangs: no thread waits for it
            raise Unavailable("the reading before is not over yet")
        try:
            for file in Export(self.url, self.followed.origin, over).files():
                self._take_in(file, wanted)
            settled, bins = self._cohorts.count(wanted)
            return Recounted(
                number=wanted.number,
                origin=wanted.origin,
                since=wanted.since,
                at=wanted.until,
                reach=self._cohorts.reach,
                settled=settled,
                bins=tuple(bins.items()),
                known=self._cohorts.known,
                one_in=self._cohorts.one_in,
            )
        finally:
            self._lock.release()

    def _take_in(self, file: ExportFile, wanted: Recount) -> None:
        before = self._read.get(file.path)
        size = file.size()
        if before and not file.holds(before.tail, before.end):
            before = None
        if before and before.size == size:
            return
        if before and before.packed:
            before = None
        reading = _Reading(before)
        events = (event for _, event in records(reading.through(file.blocks(reading.at))))
        while some := list(islice(events, AT_ONCE)):
            self._cohorts.add(some, wanted.until)
        self._read[file.path] = reading.read(size)


class _Reading:
    """Looks at the bytes that pass: where the last whole line ends."""

    def __init__(self, before: _Read | None) -> None:
        self.at = self._end = before.end if before else 0
        self._last = self._tail = before.tail if before else b""  # bytes before both
        self._packed = False

    def through(self, blocks: Iterator[bytes]) -> Iterator[bytes]:
        for block in blocks:
            if self.at == 0:
                self._packed = block.startswith(MAGIC)
            if stop := block.rfind(b"\n") + 1:
                self._end = self.at + stop
                self._tail = (self._last + block[:stop])[-TAIL:]
            self.at += len(block)
            self._last = (self._last + block)[-TAIL:]
            yield block

    def read(self, size: int | None) -> _Read:
        return _Read(self.at if size is None else size, self._end, self._tail, self._packed)
