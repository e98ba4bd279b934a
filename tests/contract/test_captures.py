"""What ports.Exports promises of captures, of the adapter on real files."""

import gzip
import hashlib
import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from exports import EXPERIMENT, NOON, event, exposure, start, written
from rampguard.adapters.exports import FileExports
from rampguard.ports import Kept, NoExports, Sought, Unavailable

HOUR = timedelta(hours=1)
SOUGHT = Sought(
    name="app_tree-50_uid", experiment=EXPERIMENT, arm="list", since=NOON, until=NOON + HOUR
)
LATE, EARLY = NOON + HOUR, NOON - HOUR / 60
TREATED = [
    exposure("mia", "list"),
    start("mia", "list", at=NOON + HOUR / 2),
    event("page_view", "mia", at=NOON + HOUR / 2),
    exposure("7", "list", source="cookie"),
]
OTHERS = [
    exposure("tom", "tree"),
    start("tom", "tree"),
    exposure("late", "list", at=LATE),
    exposure("early", "list", at=EARLY),
    exposure("elsewhere", "list", name="other"),
    start("mia", "list", at=LATE),
    start("mia", "list", at=EARLY),
]


@pytest.fixture
def export(tmp_path: Path) -> Path:
    path = tmp_path / "events.jsonl"
    path.write_bytes(written(*TREATED, "no record", *OTHERS))
    return path


def refill(export: Path, *lines: object) -> None:
    export.write_bytes(written(*lines))


async def kept(export: Path | str, sought: Sought = SOUGHT) -> Kept:
    folder = Path(export).parent / "captures"
    return await FileExports({"events": str(export)}, str(folder)).capture("events", sought)


def read(told: Kept) -> list[object]:
    raw = Path(told.url.removeprefix("file://")).read_bytes()
    assert hashlib.sha256(raw).hexdigest() == told.sha256
    return [json.loads(line) for line in gzip.decompress(raw).splitlines()]


async def test_what_treated_users_did_in_the_window_is_kept(export: Path) -> None:
    told = await kept(export)
    assert read(told) == TREATED
    assert (told.records, told.users) == (4, 2)
    folder = export.parent / "captures"
    assert sorted(one.name for one in folder.iterdir()) == [
        "app_tree-50_uid.jsonl.gz",
        "app_tree-50_uid.manifest.json",
    ]
    manifest = json.loads((folder / "app_tree-50_uid.manifest.json").read_text())
    assert (manifest["apiVersion"], manifest["kind"]) == ("rampguard.dev/capture/v1", "Capture")
    assert (manifest["records"], manifest["users"], manifest["sha256"]) == (4, 2, told.sha256)
    assert manifest["since"] == "2024-11-24T12:00:00+00:00"


async def test_the_same_export_gives_the_same_file_and_takes_the_place_of_a_broken_one(
    export: Path,
) -> None:
    folder = export.parent / "captures"
    folder.mkdir()
    for name in ("app_tree-50_uid.jsonl.gz", "app_tree-50_uid.jsonl.gz.partial"):
        (folder / name).write_bytes(b"of a process that died")
    first, second = await kept(export), await kept(export)
    assert first == second
    assert read(second) == TREATED


async def test_an_export_that_comes_late_is_waited_for(export: Path) -> None:
    folder = export.parent / "captures"
    sought = replace(SOUGHT, reaches=NOON + HOUR / 2)
    assert (await kept(export, sought)).records == 4
    with pytest.raises(Unavailable, match="the export ends 2024-11-24T12:30:00Z, before the"):
        await kept(export, replace(SOUGHT, reaches=NOON + HOUR / 2 + HOUR / 60))
    refill(export, exposure("early", "list", at=EARLY))
    with pytest.raises(Unavailable, match="the export ends before the ramp, before"):
        await kept(export, sought)
    assert (await kept(export)).records == 0
    assert not [one for one in folder.iterdir() if one.name.endswith(".partial")]


async def test_a_capture_that_fails_leaves_nothing(export: Path, tmp_path: Path) -> None:
    folder = tmp_path / "captures"
    (folder / "app_tree-50_uid.jsonl.gz").mkdir(parents=True)  # cannot be replaced
    (folder / "app_tree-50_uid.jsonl.gz" / "x").touch()
    with pytest.raises(Unavailable):
        await kept(export, replace(SOUGHT, name="no/such/folder"))
    assert not list(folder.glob("*.partial"))


async def test_more_kinds_than_are_told_apart_are_no_capture(export: Path) -> None:
    refill(export, *(exposure(f"u{n}", "list", rollout=str(n)) for n in range(120)))
    with pytest.raises(Unavailable, match="more than 100 kinds"):
        await kept(export)


async def test_a_user_may_be_a_number(export: Path) -> None:
    refill(export, exposure(7, "list"), start(7, "list"), exposure("8", "tree"))
    told = await kept(export)
    assert (told.records, told.users) == (2, 1)


async def test_nobody_treated_is_an_empty_capture(export: Path) -> None:
    refill(export, *OTHERS)
    told = await kept(export, replace(SOUGHT, arm="grid"))
    assert read(told) == []
    assert (told.records, told.users) == (0, 0)


async def test_many_files_plain_and_packed(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(written(*TREATED[:2]))
    (tmp_path / "b.jsonl.gz").write_bytes(gzip.compress(written(*TREATED[2:], *OTHERS)))
    assert (await kept(tmp_path / "*.json*")).records == 4


async def test_crowds_are_told_apart(tmp_path: Path) -> None:
    users = range(3000)
    arms = {n: "list" if n % 3 else "tree" for n in users}
    (tmp_path / "a.jsonl").write_bytes(
        written(*(exposure(f"u{n}", arms[n]) for n in users), *(start(f"u{n}") for n in users))
    )
    told = await kept(tmp_path / "a.jsonl")
    assert (told.records, told.users) == (4000, 2000)


async def test_what_cannot_be_captured_is_unavailable(export: Path, tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="no place for captures"):
        await FileExports({"events": str(export)}).capture("events", SOUGHT)
    with pytest.raises(Unavailable, match="no export has the name 'x'"):
        await FileExports({}, str(tmp_path)).capture("x", SOUGHT)
    with pytest.raises(Unavailable, match="FileNotFoundError"):
        await kept(tmp_path / "gone.jsonl")
    (tmp_path / "file").touch()
    nowhere = FileExports({"events": str(export)}, str(tmp_path / "file" / "folder"))
    with pytest.raises(Unavailable, match="Error"):
        await nowhere.capture("events", SOUGHT)
    with pytest.raises(Unavailable, match="no place"):
        await NoExports().capture("events", SOUGHT)


def test_there_is_a_place_or_not() -> None:
    assert FileExports({}, "/captures").captures
    assert not FileExports({}).captures
    assert not NoExports().captures
