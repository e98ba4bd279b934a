"""The flight recorder on a real folder, on a file system that cannot append, and on bad ones."""

import gzip
import os
import random
import resource
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from fsspec.implementations.memory import MemoryFileSystem

from rampguard.adapters.records import FlightRecorder, Place
from rampguard.adapters.records import writer as writing
from rampguard.adapters.records.place import named_by, stem_in, stem_of
from rampguard.adapters.records.writer import NotWritten, Writer
from rampguard.api.members import lines
from rampguard.api.record import Gap, Head, read
from rampguard.core.ask import Ref
from rampguard.core.replay import Record
from scenes import DAY, SECOND, over, state
from taped import UID, one, walked

REF = Ref("app", "tree-50")
NAME = f"app_tree-50_{UID}.jsonl.gz"
KEPT = [one(i * SECOND) for i in range(8)]
PLENTY = 10**6


@dataclass
class Told:
    """What a recorder tells while it works."""

    lines: list[tuple[str, str, dict[str, object]]] = field(default_factory=list)
    dropped: int = 0

    def log(self, level: str, message: str, **facts: object) -> None:
        self.lines.append((level, message, facts))

    def drop(self) -> None:
        self.dropped += 1

    @property
    def messages(self) -> list[str]:
        return [message for _, message, _ in self.lines]


def recorder(
    place: Place, told: Told, *, limit: int = PLENTY, waiting: int = 256
) -> FlightRecorder:
    return FlightRecorder(
        place, limit=limit, version="1", log=told.log, on_dropped=told.drop, waiting=waiting
    )


def record(
    place: Place, told: Told, records: list[Record], *, uid: str = UID, limit: int = PLENTY
) -> None:
    """Live as one process that records this and ends."""
    ours = recorder(place, told, limit=limit)
    for each in records:
        ours.append(REF, uid, each)
    ours.close()


def entries(raw: bytes) -> list[Head | Record | Gap]:
    return list(read(lines([raw])))


def records_in(raw: bytes) -> list[Record]:
    return [entry for entry in entries(raw) if isinstance(entry, Record)]


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "not" / "there" / "yet"


@pytest.fixture
def bucket() -> Iterator[Place]:
    MemoryFileSystem.store.clear()
    yield Place("memory://bucket/records")
    MemoryFileSystem.store.clear()


def test_what_is_recorded_is_read(folder, told):
    record(Place(str(folder)), told, KEPT)
    assert records_in((folder / NAME).read_bytes()) == KEPT
    assert (told.dropped, told.lines) == (0, [])


async def test_a_whole_ramp_is_one_file_that_gzip_reads(folder, told):
    kept = await walked("breach")
    record(Place(str(folder)), told, kept)
    assert [path.name for path in folder.iterdir()] == [NAME]
    assert records_in((folder / NAME).read_bytes()) == kept
    assert gzip.decompress((folder / NAME).read_bytes()).count(b"\n") == len(kept) + 1


def test_an_operator_that_is_followed_before_it_ends_spoils_nothing(folder, told):
    first, second = recorder(Place(str(folder)), told), recorder(Place(str(folder)), told)
    for writer, some in (
        (first, KEPT[:3]),
        (second, KEPT[3:5]),
        (first, KEPT[5:6]),
        (second, KEPT[6:]),
    ):
        for each in some:
            writer.append(REF, UID, each)
        wait(writer)
    first.close()
    second.close()
    assert records_in((folder / NAME).read_bytes()) == KEPT
    assert gzip.decompress((folder / NAME).read_bytes())
    assert (told.dropped, told.lines) == (0, [])


def test_another_process_opens_a_member_of_its_own(folder, told):
    for part in (KEPT[:3], KEPT[3:]):
        record(Place(str(folder)), told, part)
    raw = (folder / NAME).read_bytes()
    assert records_in(raw) == KEPT
    assert [type(entry) for entry in entries(raw)].count(Head) == 2


@pytest.mark.parametrize("torn", [0, 1, 5, 12])
def test_a_process_that_died_while_it_wrote_costs_no_more_than_it_wrote(folder, told, torn):
    writer = Writer(Place(str(folder)), limit=PLENTY, version="1", on_removed=print)
    for each in KEPT[:3]:
        writer.write(REF, UID, each, lost=0)
    path = folder / NAME
    raw = path.read_bytes()
    path.write_bytes(raw[: len(raw) - torn])
    record(Place(str(folder)), told, KEPT[3:])
    found = entries(path.read_bytes())
    kept = [entry for entry in found if isinstance(entry, Record)]
    assert kept == [*KEPT[: len(kept) - 5], *KEPT[3:]]
    assert len(kept) - 5 == 3 - (torn > 0)
    gzip.decompress(path.read_bytes())


def test_what_is_written_can_be_read_while_the_ramp_runs(folder, told):
    writer = Writer(Place(str(folder)), limit=PLENTY, version="1", on_removed=print)
    for n, each in enumerate(KEPT, 1):
        writer.write(REF, UID, each, lost=0)
        assert records_in((folder / NAME).read_bytes()) == KEPT[:n]


def test_a_member_is_ended_before_one_wrong_byte_costs_too_much(folder):
    writer = Writer(Place(str(folder)), limit=PLENTY, version="1", on_removed=print)
    for i in range(writing.MOST + 2):
        writer.write(REF, UID, one(i * SECOND), lost=0)
    found = entries((folder / NAME).read_bytes())
    heads = [i for i, entry in enumerate(found) if isinstance(entry, Head)]
    assert heads == [0, writing.MOST + 1]


def test_many_ramps_at_once_do_not_fill_the_memory(folder):
    writer = Writer(Place(str(folder)), limit=10**8, version="1", on_removed=print)
    for turn in range(2):
        for n in range(writing.OPEN + 5):
            writer.write(REF, f"uid-{n}", KEPT[turn], lost=0)
    assert len(writer._reels) == writing.OPEN
    assert {len(records_in(path.read_bytes())) for path in folder.iterdir()} == {2}


HOSTILE = [
    (Ref("..", ".."), ".."),
    (Ref("/etc", "passwd"), "x/../../y"),
    (Ref("a_b", "c"), "d"),
    (Ref("a", "b_c"), "d"),
    (Ref("a", "b"), "c.000001"),
    (Ref("a", "b"), "c"),
    (Ref("a\n", "b\0"), "%2e"),
]


@pytest.mark.parametrize(("ref", "uid"), HOSTILE)
def test_a_file_is_named_by_its_ramp_whatever_its_name(ref, uid, folder, told):
    stem = stem_of(ref, uid)
    assert "/" not in stem
    assert named_by(stem) == (ref, uid)
    assert stem_in(f"{stem}.jsonl.gz") == stem
    ours = recorder(Place(str(folder)), told)
    ours.append(ref, uid, KEPT[0])
    ours.close()
    (held,) = ours.held()
    assert (held.ramp, held.uid) == (ref, uid)


def test_no_two_ramps_share_a_file():
    assert len({stem_of(ref, uid) for ref, uid in HOSTILE}) == len(HOSTILE)


def ended(after: timedelta = timedelta(0)) -> Record:
    told = one(after)
    done = state(over())
    return replace(told, before=done, decision=replace(told.decision, state=done))


def size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.iterdir())


def uids(folder: Path) -> list[str]:
    return sorted(named_by(stem_in(path.name) or "")[1] for path in folder.iterdir())


def aged(folder: Path, uid: str, age: int) -> None:
    """Let a file be so many seconds older."""
    path = folder / f"{stem_of(REF, uid)}.jsonl.gz"
    at = path.stat().st_mtime - age
    os.utime(path, (at, at))


def test_the_oldest_that_has_ended_goes_first_and_it_is_told(folder, told):
    place = Place(str(folder))
    for n, uid in enumerate(("new", "old", "older")):
        record(place, told, [ended()], uid=uid)
        aged(folder, uid, n * 100)
    apart = folder.parent / "apart"
    record(Place(str(apart)), told, KEPT[:1], uid="running")
    limit = size(folder) + size(apart) - 10
    record(place, told, KEPT[:1], uid="running", limit=limit)
    assert uids(folder) == ["new", "old", "running"]
    assert size(folder) <= limit
    removed = [f["record"] for _, m, f in told.lines if m == "record removed to make room"]
    assert removed[0] == f"{stem_of(REF, 'older')}.jsonl.gz"
    assert told.dropped == 0


def test_the_record_of_a_running_ramp_never_goes(folder, told):
    place = Place(str(folder))
    record(place, told, KEPT[:2], uid="running")
    aged(folder, "running", 3600)
    before = (folder / f"{stem_of(REF, 'running')}.jsonl.gz").read_bytes()
    record(place, told, KEPT, uid="other", limit=len(before) + 100)
    assert uids(folder) == ["running"]
    assert (folder / f"{stem_of(REF, 'running')}.jsonl.gz").read_bytes() == before
    assert told.dropped == len(KEPT)
    assert told.messages == ["records are dropped"]
    assert "records of running ramps alone" in str(told.lines[0][2]["why"])


def test_what_nobody_wrote_to_for_a_month_may_go_though_it_has_no_end(folder, told):
    place = Place(str(folder))
    record(place, told, KEPT[:2], uid="forgotten")
    late = [replace(r, seen=replace(r.seen, now=r.seen.now + 3650 * DAY)) for r in KEPT[:1]]
    record(place, told, late, uid="other", limit=size(folder) + 100)
    assert uids(folder) == ["other"]


def test_a_gap_is_told_once_there_is_room_again(folder, told):
    place = Place(str(folder))
    record(place, told, [ended()], uid="ended")
    writer = Writer(place, limit=size(folder), version="1", on_removed=print)
    with pytest.raises(NotWritten) as failed:
        writer.write(REF, UID, replace(KEPT[0], seen=big()), lost=0)
    assert failed.value.records == 1
    writer = Writer(place, limit=PLENTY, version="1", on_removed=print)
    writer.write(REF, UID, KEPT[1], lost=failed.value.records)
    _, gap, found = entries((folder / NAME).read_bytes())
    assert (gap.records, found) == (1, KEPT[1])


def big() -> Any:
    noise = random.Random(5).randbytes(20_000).hex()  # noqa: S311 - noise
    return replace(KEPT[0].seen, unreadable=noise)


class Slow(Place):
    """A folder whose disk stands still until it is let go."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.go, self.stuck = threading.Event(), threading.Event()

    def write(self, name: str, raw: bytes) -> None:
        self.stuck.set()
        assert self.go.wait(20)
        super().write(name, raw)


def test_a_disk_that_hangs_delays_nobody_and_costs_what_does_not_fit(folder, told):
    place = Slow(str(folder))
    ours = recorder(place, told, waiting=2)
    ours.append(REF, UID, KEPT[0])
    assert place.stuck.wait(20)
    for each in KEPT[1:6]:
        ours.append(REF, UID, each)  # two wait, three are one too many
    assert told.dropped == 3
    place.go.set()
    wait(ours)
    ours.close(timedelta(seconds=20))
    found = entries((folder / NAME).read_bytes())
    assert [e for e in found if isinstance(e, Record)] == KEPT[:3]
    assert told.messages == ["records are dropped", "records are written again"]
    record(Place(str(folder)), told, KEPT[6:])


def test_a_gap_of_an_overflow_stands_before_the_next_record(folder, told):
    place = Slow(str(folder))
    ours = recorder(place, told, waiting=1)
    ours.append(REF, UID, KEPT[0])
    assert place.stuck.wait(20)
    for each in KEPT[1:4]:
        ours.append(REF, UID, each)
    place.go.set()
    wait(ours)
    ours.append(REF, UID, KEPT[4])
    ours.close(timedelta(seconds=20))
    found = entries((folder / NAME).read_bytes())
    assert sum(e.records for e in found if isinstance(e, Gap)) == told.dropped == 2


class Failing(Place):
    """A folder on a disk that is full for a while."""

    broken = False

    def write(self, name: str, raw: bytes) -> None:
        if self.broken:
            raise OSError(28, "No space left on device")
        super().write(name, raw)


def test_a_disk_that_fails_is_told_once_when_it_begins_and_once_when_it_ends(folder, told):
    place = Failing(str(folder))
    ours = recorder(place, told)

    def go(records: list[Record], *, broken: bool) -> None:
        wait(ours)
        place.broken = broken
        for each in records:
            ours.append(REF, UID, each)
        wait(ours)

    go(KEPT[:2], broken=False)
    go(KEPT[2:5], broken=True)
    go(KEPT[5:], broken=False)
    ours.close()
    assert told.messages == ["records are dropped", "records are written again"]
    assert told.dropped == 3
    found = entries((folder / NAME).read_bytes())
    assert [e for e in found if isinstance(e, Record)] == [*KEPT[:2], *KEPT[5:]]
    assert [e.records for e in found if isinstance(e, Gap)] == [3]


def test_what_does_not_fit_on_the_disk_is_not_written_in_part(folder):
    place = Place(str(folder))
    place.sizes()
    place.write(NAME, b"x" * 100)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (150, hard))
    try:
        with pytest.raises(OSError, match="took 50 bytes of 60"):
            place.write(NAME, b"y" * 60)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert (folder / NAME).read_bytes() == b"x" * 100


def wait(ours: FlightRecorder) -> None:
    """Wait until nothing waits and nothing is being written."""
    ours._queue.join()


def test_a_folder_that_somebody_empties_is_made_again(folder, told):
    writer = Writer(Place(str(folder)), limit=PLENTY, version="1", on_removed=print)
    writer.write(REF, UID, KEPT[0], lost=0)
    (folder / NAME).unlink()
    folder.rmdir()
    for each in KEPT[1:3]:
        writer.write(REF, UID, each, lost=0)
    assert records_in((folder / NAME).read_bytes()) == KEPT[1:3]


def test_a_record_that_cannot_be_written_costs_itself(folder, told):
    bad = replace(KEPT[1], seen=replace(KEPT[1].seen, unreadable="\ud800"))
    record(Place(str(folder)), told, [KEPT[0], bad, KEPT[2]])
    found = entries((folder / NAME).read_bytes())
    assert [type(e) for e in found] == [Head, Record, Head, Gap, Record]
    assert told.dropped == 1


def test_elsewhere_parts_are_written(bucket, told):
    record(bucket, told, KEPT[:4])
    record(bucket, told, KEPT[4:])
    stem = NAME.removesuffix(".jsonl.gz")
    assert [*bucket.sizes()] == [f"{stem}.000001.jsonl.gz", f"{stem}.000002.jsonl.gz"]
    ours = recorder(bucket, told)
    (held,) = ours.held()
    assert (held.name, held.size) == (NAME, sum(bucket.sizes().values()))
    raw = b"".join(ours.blocks(NAME) or ())
    assert records_in(raw) == KEPT
    ours.close()


def test_two_operators_write_no_part_over_another(bucket, told):
    first, second = recorder(bucket, told), recorder(bucket, told)
    for writer, some in ((first, KEPT[:2]), (second, KEPT[2:4])):
        for each in some:
            writer.append(REF, UID, each)
    first.close()
    second.close()
    stored = [raw for name in bucket.sizes() for raw in bucket.blocks(name)]
    assert records_in(b"".join(stored)) == KEPT[:4]


def test_a_part_is_written_at_the_end_of_a_ramp_and_when_it_is_old_enough(bucket):
    writer = Writer(bucket, limit=PLENTY, version="1", on_removed=print)
    writer.write(REF, UID, KEPT[0], lost=0)
    assert bucket.sizes() == {}
    (reel,) = writer._reels.values()
    writer.end_due(KEPT[0].seen.now)
    assert bucket.sizes() == {}
    reel.began -= writing.PART.total_seconds()
    writer.end_due(KEPT[0].seen.now)
    assert len(bucket.sizes()) == 1
    writer.write(REF, UID, ended(), lost=0)
    assert len(bucket.sizes()) == 2


def test_a_part_that_cannot_be_written_counts_all_its_records(bucket, monkeypatch):
    writer = Writer(bucket, limit=PLENTY, version="1", on_removed=print)
    for each in KEPT[:3]:
        writer.write(REF, UID, each, lost=0)
    writer._limit = 0
    with pytest.raises(NotWritten) as failed:
        writer.end_due(KEPT[2].seen.now, every=True)
    assert failed.value.records == 3


def test_people_see_what_is_kept(folder, told):
    ours = recorder(Place(str(folder)), told)
    assert ours.held() == ()
    for each in KEPT:
        ours.append(REF, UID, each)
    wait(ours)
    (held,) = ours.held()
    assert (held.name, held.ramp, held.uid, held.since) == (NAME, REF, UID, KEPT[0].seen.now)
    assert held.size == (folder / NAME).stat().st_size
    assert records_in(b"".join(ours.blocks(NAME) or ())) == KEPT
    ours.close()


def test_nothing_but_records_is_shown(folder, told):
    folder.mkdir(parents=True)
    (folder / "secret.txt").write_text("x")
    (folder / "a_b_c.jsonl.gz").mkdir()
    (folder.parent / NAME).write_bytes(b"x")
    ours = recorder(Place(str(folder)), told)
    names: list[str] = ["secret.txt", "../" + NAME, "..", "", "a_b_c.jsonl.gz", f"./{NAME}"]
    assert ours.held() == ()
    assert [ours.blocks(name) for name in names] == [None] * len(names)
    ours.close()


def test_a_file_that_cannot_be_read_is_shown_without_its_beginning(folder, told):
    folder.mkdir(parents=True)
    (folder / NAME).write_bytes(b"nothing of ours")
    ours = recorder(Place(str(folder)), told)
    (held,) = ours.held()
    assert (held.size, held.since) == (15, None)
    ours.append(REF, UID, KEPT[0])
    ours.close()
    assert records_in((folder / NAME).read_bytes()) == KEPT[:1]
