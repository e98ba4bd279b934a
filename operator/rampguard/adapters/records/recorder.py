"""The flight recorder: a queue, a thread that writes, and what people may read of it."""

import contextlib
import queue
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from rampguard.adapters.records.place import ENDING, Place, named_by, stem_in, stem_of
from rampguard.adapters.records.writer import NotWritten, Writer
from rampguard.api.members import lines
from rampguard.api.record import Head, read
from rampguard.core.ask import Ref
from rampguard.core.replay import Record
from rampguard.ports import Held

WAITING = 256  # records in memory that are not written yet
TICK = 5.0  # seconds between two looks at parts that wait
CLOSING = timedelta(seconds=5)
Log = Callable[..., None]  # level, message, facts


@dataclass(frozen=True, slots=True)
class _Taken:
    """One record on its way."""

    ref: Ref
    uid: str
    record: Record


class FlightRecorder:
    """Implements ports.Recorder and ports.Records; what goes wrong is told and costs records only.

    on_dropped: is called for each record that is lost.
    """

    def __init__(  # noqa: PLR0913 - where to, how much of it, and the two whom it tells
        self,
        place: Place,
        *,
        limit: int,
        version: str,
        log: Log,
        on_dropped: Callable[[], None],
        waiting: int = WAITING,
    ) -> None:
        self._place, self._log, self._on_dropped = place, log, on_dropped
        self._writer = Writer(place, limit=limit, version=version, on_removed=self._removed)
        self._queue: queue.Queue[_Taken | None] = queue.Queue(waiting)
        self._lost: Counter[str] = Counter()  # by stem, since its last record
        self._lock = threading.Lock()  # of the counter
        self._trouble = ""  # as it was told last
        self._now: datetime | None = None  # of the last record
        self._began: dict[str, datetime | None] = {}  # by stem
        self._thread = threading.Thread(target=self._work, name="records", daemon=True)
        self._thread.start()

    def append(self, ref: Ref, uid: str, record: Record) -> None:
        """Take the next record of a ramp; one too many at once is dropped and counted."""
        try:
            self._queue.put_nowait(_Taken(ref, uid, record))
        except queue.Full:
            why = "records come faster than they can be written"
            self._drop(stem_of(ref, uid), 1, "Full", why)

    def close(self, patience: timedelta = CLOSING) -> None:
        """Write what waits, for so long at most."""
        with contextlib.suppress(queue.Full):
            self._queue.put(None, timeout=patience.total_seconds())
        self._thread.join(timeout=patience.total_seconds())

    def held(self) -> tuple[Held, ...]:
        """Return every record that is kept, by name; raises what its place raises."""
        sizes = self._place.sizes()
        stems = sorted({stem for stem in map(stem_in, sizes) if stem})
        return tuple(self._held(stem, sizes) for stem in stems)

    def blocks(self, name: str) -> Iterator[bytes] | None:
        """Return what a record of `held` holds by now; None: there is none of that name."""
        files = [one for one in self._place.sizes() if _shown(one) == name]
        if not files:
            return None
        return (block for one in files for block in self._place.blocks(one))

    def _held(self, stem: str, sizes: dict[str, int]) -> Held:
        files = [name for name in sizes if stem_in(name) == stem]
        ref, uid = named_by(stem)
        if stem not in self._began:
            self._began[stem] = self._beginning(files[0])
        return Held(
            name=stem + ENDING,
            ramp=ref,
            uid=uid,
            size=sum(sizes[name] for name in files),
            since=self._began[stem],
            until=self._place.modified(files[-1]),
        )

    def _beginning(self, name: str) -> datetime | None:
        first = next(read(lines(self._place.blocks(name))), None)
        return first.at if isinstance(first, Head) else None

    def _work(self) -> None:
        while True:
            try:
                taken = self._queue.get(timeout=TICK)
            except queue.Empty:
                self._end_due()
                continue
            if taken is None:
                self._end_due(every=True)
                return
            self._take(taken)
            self._queue.task_done()

    def _take(self, taken: _Taken) -> None:
        stem = stem_of(taken.ref, taken.uid)
        self._now = taken.record.seen.now
        with self._lock:
            lost = self._lost.pop(stem, 0)
        try:
            self._writer.write(taken.ref, taken.uid, taken.record, lost=lost)
        except NotWritten as failed:
            self._missed(failed, lost if failed.stem == stem else 0)
        else:
            if self._trouble and self._queue.empty():
                self._trouble = ""
                self._log("info", "records are written again")

    def _end_due(self, *, every: bool = False) -> None:
        if self._now is None:
            return
        try:
            self._writer.end_due(self._now, every=every)
        except NotWritten as failed:
            self._missed(failed, 0)

    def _missed(self, failed: NotWritten, before: int) -> None:
        cause = failed.__cause__
        with self._lock:
            self._lost[failed.stem] += before
        self._drop(failed.stem, failed.records, type(cause).__name__, str(cause))

    def _drop(self, stem: str, records: int, kind: str, why: str) -> None:
        """Count records that are lost; it is told when the kind of trouble changes."""
        with self._lock:
            self._lost[stem] += records
        for _ in range(records):
            self._on_dropped()
        if kind != self._trouble:
            self._trouble = kind
            self._log("warning", "records are dropped", why=why, kind=kind)

    def _removed(self, name: str) -> None:
        self._log("info", "record removed to make room", record=name)


def _shown(name: str) -> str:
    """Return the name under which a file is shown: parts are one record."""
    stem = stem_in(name)
    return stem + ENDING if stem else ""
