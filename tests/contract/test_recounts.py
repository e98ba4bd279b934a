"""What ports.Exports promises of counts, of the adapter on real files and a real web server."""

import asyncio
import gzip
import http.server
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from exports import EXPERIMENT, NOON, SECOND, event, exposure, start, written
from rampguard.adapters.exports import FileExports, source
from rampguard.adapters.exports.files import ExportFile
from rampguard.core.analytics import Followed
from rampguard.core.export import Bin, Recount, Recounted
from rampguard.ports import NoExports, Unavailable

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
EVENT = "session_started_from_tree"
ORIGIN = NOON - DAY
FOLLOWED = Followed(
    uid="uid",
    experiment=EXPERIMENT,
    arms=("tree", "list"),
    events=(EVENT,),
    soon=2 * MINUTE,
    origin=ORIGIN,
)
WANTED = Recount(number=3, origin=ORIGIN, since=NOON, until=NOON + HOUR, at=NOON + HOUR, size=HOUR)
END = (
    exposure("watcher", "tree", source="cookie", at=NOON + HOUR - SECOND),
    event("clicked", "watcher", at=NOON + HOUR - SECOND),
)


def users(first: int, many: int) -> list[dict[str, Any]]:
    """Return what many users of both arms do, half of whom have the event."""
    told = []
    for n in range(first, first + many):
        arm = ("tree", "list")[n % 2]
        told.append(exposure(f"u{n}", arm, at=NOON + n * SECOND))
        if n % 4 < 2:
            told.append(start(f"u{n}", arm, at=NOON + n * SECOND + 30 * SECOND))
    return told


@contextmanager
def exports(url: str | Path) -> Iterator[FileExports]:
    told = FileExports({"events": str(url)})
    try:
        yield told
    finally:
        told.close()


async def counted(of: FileExports, followed: Followed = FOLLOWED) -> Recounted:
    return await of.recount("events", followed, WANTED)


def whole(told: Recounted) -> Bin:
    ((name, bins),) = told.bins
    assert name == EVENT
    return Bin(*map(sum, zip(*bins, strict=True)))


def of(many: int) -> Bin:
    """Return the count of so many users, a multiple of 4."""
    return Bin(many // 2, many // 2, many // 4, many // 4)


async def test_users_are_counted_by_what_a_file_holds(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    path.write_bytes(written(*users(0, 100), b"no record", *END))
    with exports(path) as ours:
        told = await counted(ours)
    reach = NOON + HOUR - SECOND
    assert whole(told) == of(100)
    assert (told.number, told.origin, told.since, told.at) == (3, ORIGIN, NOON, NOON + HOUR)
    assert (told.reach, told.settled) == (reach, reach - 2 * MINUTE)
    assert (told.one_in, told.unread) == (1, "")


async def test_of_a_file_that_grows_only_what_is_new_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "events.jsonl"
    path.write_bytes(written(*users(0, 100), *END))
    with exports(path) as ours, reads(monkeypatch) as starts:
        await counted(ours)
        with path.open("ab") as file:
            file.write(written(*users(100, 100)))
        assert whole(await counted(ours)) == of(200)
        assert whole(await counted(ours)) == of(200)
        assert starts == [0, len(written(*users(0, 100), *END))]


@contextmanager
def reads(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """Yield from which offsets files are read."""
    told: list[int] = []
    blocks = ExportFile.blocks

    def noting(self: ExportFile, start: int = 0) -> Iterator[bytes]:
        told.append(start)
        return blocks(self, start)

    monkeypatch.setattr(ExportFile, "blocks", noting)
    yield told


async def test_a_line_that_was_half_written_counts_once_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    lines = written(*END, *users(0, 100))
    for cut in (len(lines) - 30, len(lines) - 1, len(lines) // 2):
        path.write_bytes(lines[:cut])
        with exports(path) as ours:
            await counted(ours)
            path.write_bytes(lines)
            assert whole(await counted(ours)) == of(100)


async def test_a_line_longer_than_a_block_is_found_again(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    long = event("clicked", "u", at=NOON) | {"page": "x" * 200_000}
    lines = written(*END, *users(0, 96), long, *users(96, 4))
    path.write_bytes(lines[: lines.index(b"xxx") + 100_000])
    with exports(path) as ours:
        assert whole(await counted(ours)) == of(96)
        path.write_bytes(lines)
        assert whole(await counted(ours)) == of(100)


@pytest.mark.parametrize("longer", [True, False])
async def test_a_file_that_was_replaced_is_read_whole(tmp_path: Path, *, longer: bool) -> None:
    """What was counted before stays counted: users do not vanish with a file."""
    path = tmp_path / "events.jsonl"
    path.write_bytes(written(*END, *users(0, 40)))
    with exports(path) as ours:
        assert whole(await counted(ours)) == of(40)
        path.write_bytes(written(*users(40, 60 if longer else 8)))
        assert whole(await counted(ours)) == of(100 if longer else 48)


async def test_a_file_that_was_replaced_by_one_of_its_length_is_read(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    path.write_bytes(written(*END, *users(0, 40)))
    with exports(path) as ours:
        assert whole(await counted(ours)) == of(40)
        size = path.stat().st_size
        path.write_bytes(written(*END, *users(40, 40)).ljust(size)[:size])
        assert path.stat().st_size == size
        assert whole(await counted(ours)).control > 20


async def test_files_by_links_are_files(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "links").mkdir()
    (tmp_path / "real" / "events.jsonl").write_bytes(written(*users(0, 40), *END))
    (tmp_path / "links" / "a.jsonl").symlink_to(tmp_path / "real" / "events.jsonl")
    (tmp_path / "links" / "b").symlink_to(tmp_path / "real")
    with exports(tmp_path / "links" / "*") as ours:
        assert whole(await counted(ours)) == of(40)


async def test_a_reading_that_hangs_takes_one_thread_however_often_it_is_tried(
    tmp_path: Path,
) -> None:
    os.mkfifo(tmp_path / "hangs")
    (tmp_path / "events").write_bytes(written(*users(0, 40), *END))
    urls = {name: str(tmp_path / name) for name in ("hangs", "events")}
    ours = FileExports(urls, patience=timedelta(seconds=0.2))
    try:
        with pytest.raises(Unavailable, match="it was not done within"):
            await ours.recount("hangs", FOLLOWED, WANTED)
        for _ in range(2 * source.THREADS):
            with pytest.raises(Unavailable, match="the reading before is not over yet"):
                await ours.recount("hangs", FOLLOWED, WANTED)
        assert whole(await ours.recount("events", replace(FOLLOWED, uid="b"), WANTED)) == of(40)
    finally:
        with (tmp_path / "hangs").open("wb"):  # let the thread go
            ours.close()


async def test_files_that_come_later_are_read_and_packed_ones_whole(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(written(*users(0, 40), *END))
    with exports(tmp_path / "*") as ours:
        assert whole(await counted(ours)) == of(40)
        packed = tmp_path / "b.jsonl.gz"
        packed.write_bytes(gzip.compress(written(*users(40, 40))))
        assert whole(await counted(ours)) == of(80)
        with packed.open("ab") as file:
            file.write(gzip.compress(written(*users(80, 20))))
        assert whole(await counted(ours)) == of(100)


async def test_files_of_before_the_origin_are_passed_over(tmp_path: Path) -> None:
    old, new = tmp_path / "a.jsonl", tmp_path / "b.jsonl"
    old.write_bytes(written(*users(0, 40)))
    new.write_bytes(written(*users(40, 40), *END))
    os.utime(old, ((ORIGIN - HOUR).timestamp(),) * 2)
    with exports(tmp_path / "*") as ours:
        assert whole(await counted(ours)) == of(40)


async def test_each_ramp_has_users_of_its_own(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    path.write_bytes(written(*users(0, 40), *END))
    with exports(path) as ours:
        assert whole(await counted(ours)) == of(40)
        other = replace(FOLLOWED, uid="other", experiment="another")
        assert whole(await counted(ours, other)) == Bin()
        assert whole(await counted(ours)) == of(40)


async def test_another_origin_or_event_counts_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "events.jsonl"
    path.write_bytes(written(*users(0, 40), *END))
    with exports(path) as ours, reads(monkeypatch) as starts:
        for followed in (FOLLOWED, replace(FOLLOWED, origin=ORIGIN - HOUR)):
            assert whole(await counted(ours, followed)) == of(40)
        assert starts == [0, 0]


async def test_what_nobody_asks_for_is_forgotten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(source, "IDLE", timedelta(seconds=0.05))
    path = tmp_path / "events.jsonl"
    path.write_bytes(written(*users(0, 40), *END))
    with exports(path) as ours, reads(monkeypatch) as starts:
        await counted(ours)
        await asyncio.sleep(0.2)
        assert whole(await counted(ours)) == of(40)
        assert starts == [0, 0]


async def test_what_failed_is_tried_from_where_it_was_whole(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    path.write_bytes(written(*users(0, 40), *END))
    with exports(path) as ours:
        await counted(ours)
        path.rename(tmp_path / "away")
        with pytest.raises(Unavailable, match="FileNotFoundError"):
            await counted(ours)
        (tmp_path / "away").rename(path)
        assert whole(await counted(ours)) == of(40)


async def test_an_unknown_export_is_unavailable() -> None:
    with pytest.raises(Unavailable, match="no export has the name 'events'; there are: none"):
        await FileExports({}).recount("events", FOLLOWED, WANTED)
    with pytest.raises(Unavailable, match="no export is configured"):
        await NoExports().recount("events", FOLLOWED, WANTED)


class _Web(http.server.SimpleHTTPRequestHandler):
    """Serves a folder, as a server that knows no ranges; notes what it is asked for."""

    asked: list[str | None]

    def do_GET(self) -> None:
        self.asked.append(self.headers.get("Range"))
        super().do_GET()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def web(tmp_path: Path) -> Iterator[str]:
    _Web.asked = []
    server = http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), lambda *a: _Web(*a, directory=str(tmp_path))
    )
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


async def test_a_web_server_without_ranges_is_read_whole(web: str, tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    path.write_bytes(written(*users(0, 40), *END))
    with exports(f"{web}/events.jsonl") as ours:
        assert whole(await counted(ours)) == of(40)
        with path.open("ab") as file:
            file.write(written(*users(40, 60)))
        assert whole(await counted(ours)) == of(100)
    assert _Web.asked
