"""Writes records one after another, within bounds."""

import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from rampguard.adapters.records.place import ENDING, Place, part_in, stem_in, stem_of
from rampguard.api.members import Member, lines
from rampguard.api.record import Head, Tape, read
from rampguard.core.ask import Ref
from rampguard.core.model import Ended
from rampguard.core.replay import Record

MOST = 500  # records of a member: as much as one wrong byte can cost
OPEN = 64  # ramps whose last record is kept in memory, to write what changed since
PART = timedelta(minutes=5)  # where nothing can be appended: as much as a crash can cost
ABANDONED = timedelta(days=30)  # what nobody wrote to for so long may go, though it has no end


class Full(Exception):
    """There is no more room, and no record that may go."""


class NotWritten(Exception):
    """Records of one ramp are lost; the cause says why."""

    def __init__(self, stem: str, records: int) -> None:
        super().__init__(f"{records} records of {stem} are lost")
        self.stem, self.records = stem, records


@dataclass(slots=True)
class _Reel:
    """The member of one ramp that is under way. unwritten: so many records of it, as bytes."""

    tape: Tape
    member: Member = field(default_factory=Member)
    records: int = 0
    waiting: int = 0
    began: float = field(default_factory=time.monotonic)
    unwritten: bytes = b""

    @property
    def is_due(self) -> bool:
        return time.monotonic() - self.began >= PART.total_seconds()


class Writer:
    """Appends records to what stands in a place; every method may raise NotWritten.

    limit: bytes of all records together. on_removed: is told the name of a record that had to go.
    What a failed call began is forgotten: the next record opens a member anew.
    """

    def __init__(
        self, place: Place, *, limit: int, version: str, on_removed: Callable[[str], None]
    ) -> None:
        self._place, self._limit = place, limit
        self._version, self._on_removed = version, on_removed
        self._sizes: dict[str, int] | None = None  # None: not listed yet
        self._reels: OrderedDict[str, _Reel] = OrderedDict()  # the latest last
        self._ended: dict[str, bool] = {}  # by stem, as far as it is known
        self._whole: set[str] = set()  # files that end with a whole member

    def write(self, ref: Ref, uid: str, record: Record, *, lost: int) -> None:
        """Write one record; lost: so many before it are missing."""
        stem = stem_of(ref, uid)
        try:
            reel, raw = self._threaded(stem, ref, uid, record)
            if lost:
                raw += reel.member.add(reel.tape.gap(lost))
            raw += reel.member.add(reel.tape.line(record))
        except Exception as error:
            raise self._forgotten(stem, 1) from error
        reel.records += 1
        reel.waiting += 1
        over = isinstance(record.decision.state.stage, Ended)
        self._ended[stem] = over
        self._put(stem, reel, raw, record.seen.now, last=over or reel.records >= MOST)
        while len(self._reels) > OPEN:
            self._end(next(iter(self._reels)), record.seen.now)

    def end_due(self, now: datetime, *, every: bool = False) -> None:
        """Write the parts that have waited for long enough; every: end all members."""
        for stem in [s for s, r in self._reels.items() if every or (r.unwritten and r.is_due)]:
            self._end(stem, now)

    def _threaded(self, stem: str, ref: Ref, uid: str, record: Record) -> tuple[_Reel, bytes]:
        """Return the reel of a ramp, and what opens its member."""
        if (reel := self._reels.pop(stem, None)) and self._is_as_we_left_it(stem):
            return reel, b""
        name, sizes = stem + ENDING, self._listed()
        if self._place.appends and name in sizes and name not in self._whole:
            sizes[name] = self._place.mend(name)
            self._whole.add(name)
        head = Head(operator=self._version, ramp=ref, uid=uid, at=record.seen.now)
        reel = _Reel(Tape(head))
        return reel, reel.member.add(reel.tape.head)

    def _end(self, stem: str, now: datetime) -> None:
        reel = self._reels.pop(stem)
        try:
            ours = self._is_as_we_left_it(stem)
        except Exception as error:
            raise self._forgotten(stem, reel.waiting) from error
        if ours:
            self._put(stem, reel, b"", now, last=True)

    def _is_as_we_left_it(self, stem: str) -> bool:
        """Say whether a member can go on: an operator that came to follow us may have ended it."""
        name = stem + ENDING
        if not self._place.appends or self._place.size(name) == self._listed().get(name):
            return True
        self._sizes = None
        self._whole.discard(name)
        return False

    def _put(self, stem: str, reel: _Reel, raw: bytes, now: datetime, *, last: bool) -> None:
        """Write, or let wait; the reel goes back only once that is done."""
        last = last or (not self._place.appends and reel.is_due)
        reel.unwritten += raw + (reel.member.end() if last else b"")
        if last or self._place.appends:
            try:
                self._flush(stem, reel, now, last=last)
            except Exception as error:
                raise self._forgotten(stem, reel.waiting) from error
            reel.waiting = 0
        if not last:
            self._reels[stem] = reel

    def _forgotten(self, stem: str, records: int) -> NotWritten:
        """Trust nothing that was known of the place: somebody may have emptied it."""
        self._sizes = None
        self._whole.clear()
        return NotWritten(stem, records)

    def _flush(self, stem: str, reel: _Reel, now: datetime, *, last: bool) -> None:
        raw, reel.unwritten = reel.unwritten, b""
        if not self._place.appends:
            self._sizes = None  # whoever follows us may have written the next part already
        self._make_room(len(raw), stem, now)
        sizes = self._listed()
        name = self._file(stem)
        self._whole.discard(name)
        self._place.write(name, raw)
        sizes[name] = sizes.get(name, 0) + len(raw)
        if last:
            self._whole.add(name)

    def _listed(self) -> dict[str, int]:
        if self._sizes is None:
            self._sizes = self._place.sizes()
        return self._sizes

    def _file(self, stem: str) -> str:
        """Return the file to write to: the ramp's own, or its next part."""
        if self._place.appends:
            return stem + ENDING
        taken = (part_in(name) for name in self._listed() if stem_in(name) == stem)
        return f"{stem}.{max(taken, default=0) + 1:06}{ENDING}"

    def _make_room(self, wanted: int, stem: str, now: datetime) -> None:
        """Remove records until there is room; Full if none may go."""
        sizes = self._listed()
        while sum(sizes.values()) + wanted > self._limit:
            oldest = next(self._may_go(stem, now), None)
            if oldest is None:
                megabytes = self._limit // 10**6
                raise Full(f"records of running ramps alone have reached {megabytes} MB")
            for name in self._files(oldest):
                self._place.remove(name)
                del sizes[name]
                self._whole.discard(name)
            self._on_removed(oldest + ENDING)

    def _may_go(self, stem: str, now: datetime) -> Iterator[str]:
        """Yield the records of ramps that have ended, those first that were written to first."""
        stems = {one for one in map(stem_in, self._listed()) if one and one != stem}
        written = {one: self._place.modified(self._files(one)[-1]) for one in stems}
        for one in sorted(written, key=written.__getitem__):
            if one in self._reels:
                continue
            if now - written[one] > ABANDONED or self._has_ended(one):
                yield one

    def _files(self, stem: str) -> list[str]:
        return [name for name in self._listed() if stem_in(name) == stem]

    def _has_ended(self, stem: str) -> bool:
        if stem not in self._ended:
            self._ended[stem] = self._tells_an_end(self._files(stem)[-1])
        return self._ended[stem]

    def _tells_an_end(self, name: str) -> bool:
        """Read a file to its end: its last record says whether the ramp ran on."""
        last: Record | None = None
        for one in read(lines(self._place.blocks(name))):
            last = one if isinstance(one, Record) else last
        return last is not None and isinstance(last.decision.state.stage, Ended)
