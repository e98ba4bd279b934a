"""What ports.Exports promises, of the adapter on real files."""

import gzip
import os
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from exports import EXPERIMENT, NOON, crowd, exposure, written
from rampguard.adapters.exports import FileExports
from rampguard.core.analytics import Summary
from rampguard.ports import NoExports, Unavailable, Wanted

HOUR = timedelta(hours=1)
WANTED = Wanted(
    experiment=EXPERIMENT, arms=("tree", "list"), share=0.5, since=NOON, until=NOON + HOUR
)


async def said(url: str | Path, wanted: Wanted = WANTED) -> Summary:
    return await FileExports({"events": str(url)}).summarize("events", wanted)


async def test_a_file_is_summed_up_for_its_window(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    early = exposure("early", at=NOON - HOUR / 60)
    path.write_bytes(written(early, *crowd(50, 50), exposure("late", at=NOON + HOUR)))
    told = await said(path)
    assert [(one.arm, one.new_users) for one in told.arms] == [("tree", 50), ("list", 50)]
    assert (told.records, told.outside) == (102, 2)


async def test_another_experiment_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    path.write_bytes(written(*crowd(5, 5), exposure("x", "list", name="other")))
    assert (await said(path)).exposures == 10


async def test_files_by_a_pattern_are_read_in_order_plain_or_packed(tmp_path: Path) -> None:
    lines = list(crowd(30, 30))
    (tmp_path / "events-1.jsonl").write_bytes(written(*lines[:20]))
    (tmp_path / "events-2.jsonl.gz").write_bytes(gzip.compress(written(*lines[20:])))
    (tmp_path / "other.jsonl").write_bytes(b"no record\n")
    told = await said(f"file://{tmp_path}/events-*")
    assert (told.exposures, told.refused, told.backwards.count) == (60, 0, 0)


async def test_files_that_were_written_last_before_the_window_are_passed_over(
    tmp_path: Path,
) -> None:
    old, new = tmp_path / "events-1.jsonl", tmp_path / "events-2.jsonl"
    old.write_bytes(b"no record\n")
    new.write_bytes(written(*crowd(5, 5)))
    for path, at in ((old, NOON - HOUR), (new, NOON)):
        os.utime(path, (at.timestamp(), at.timestamp()))
    assert (await said(tmp_path / "events-*")).refused == 0
    earlier = replace(WANTED, since=NOON - HOUR)
    assert (await said(tmp_path / "events-*", earlier)).refused == 1
    assert (await said(old)).refused == 1  # a file that is named is read


async def test_an_export_that_grows_is_read_anew(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    path.write_bytes(written(*crowd(5, 5)))
    exports = FileExports({"events": str(path)})
    assert (await exports.summarize("events", WANTED)).exposures == 10
    with path.open("ab") as file:
        file.write(written(exposure("one more"))[:-20])  # as it is being written
    told = await exports.summarize("events", WANTED)
    assert (told.exposures, told.refused) == (10, 1)


@pytest.mark.parametrize(
    ("content", "words"),
    [(None, "FileNotFoundError"), (b"\x1f\x8b" + b"x" * 100, "the gzip file is damaged")],
)
async def test_what_cannot_be_read_is_unavailable(
    tmp_path: Path, content: bytes | None, words: str
) -> None:
    path = tmp_path / "events.jsonl"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(Unavailable, match=words):
        await said(path)


async def test_a_part_that_is_being_written_counts_as_far_as_it_goes(tmp_path: Path) -> None:
    lines = list(crowd(500, 500))
    (tmp_path / "a.jsonl.gz").write_bytes(gzip.compress(written(*lines[:500])))
    packed = gzip.compress(written(*lines[500:]), compresslevel=0)
    (tmp_path / "b.jsonl.gz").write_bytes(packed[: len(packed) // 2])
    told = await said(tmp_path / "*.gz")
    assert 700 < told.exposures < 800
    assert told.refused <= 1


async def test_a_pattern_knows_no_other_letters_and_no_folders(tmp_path: Path) -> None:
    folder = tmp_path / "app[1]?"
    (folder / "lost+found").mkdir(parents=True)
    (folder / "a.jsonl").write_bytes(written(*crowd(5, 5)))
    assert (await said(folder / "*")).exposures == 10


async def test_an_export_that_hangs_is_given_up_and_others_go_on(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "hangs")
    (tmp_path / "events").write_bytes(written(*crowd(5, 5)))
    urls = {name: str(tmp_path / name) for name in ("hangs", "events")}
    exports = FileExports(urls, patience=timedelta(seconds=0.2))
    try:
        with pytest.raises(Unavailable, match=r"it was not done within 0\.2s"):
            await exports.summarize("hangs", WANTED)
        assert (await exports.summarize("events", WANTED)).exposures == 10
    finally:
        with (tmp_path / "hangs").open("wb"):  # let the thread go
            exports.close()


async def test_a_timeout_of_the_file_system_is_told_as_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def late(*_: object, **__: object) -> None:
        raise TimeoutError("the store did not answer")

    monkeypatch.setattr("rampguard.adapters.exports.files.url_to_fs", late)
    with pytest.raises(Unavailable, match="TimeoutError: the store did not answer"):
        await said(tmp_path / "x")


async def test_a_pattern_without_a_file_is_unavailable(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="there is no file"):
        await said(tmp_path / "events-*.jsonl")


async def test_a_name_that_is_not_configured_names_the_known() -> None:
    exports = FileExports({"events": "/x", "clicks": "/y"})
    with pytest.raises(Unavailable, match="no export has the name 'x'; there are: clicks, events"):
        await exports.summarize("x", WANTED)
    with pytest.raises(Unavailable, match="no export is configured"):
        await NoExports().summarize("x", WANTED)
