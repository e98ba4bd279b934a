"""How fast `kubectl ramp analyze` counts an export, and what memory it takes.

    .venv/bin/python benchmarks/bench_analyze.py [--gigabytes 2] [--keep FILE]

The export is as the example application writes it under its own traffic; --new-users 1 --sessions
0.45 makes 5 million users of 2 GB. Each way of reading it is a process of its own.
"""

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from operator import attrgetter
from pathlib import Path
from typing import Any

import msgspec
import orjson
from figures import heading, table

GIB = 2**30
CROWD = 5000  # users who may come again
NOON = datetime(2024, 11, 24, 12, tzinfo=UTC)
EXPECTED = ("--expected-variant", "tree", "--expected-variant", "list")
BLOCK = ("name", "variant", "source", "bucket", "rollout", "request_id")


def main() -> None:
    """Print how long each way takes, and its memory."""
    options = argparse.ArgumentParser()
    options.add_argument("--gigabytes", type=float, default=0.05)
    options.add_argument("--new-users", type=float, default=0.6, help="share of the visits")
    options.add_argument("--sessions", type=float, default=0.8, help="mean of a visit")
    options.add_argument("--keep", type=Path, help="where the export stays; one there is used")
    options.add_argument("--only", choices=WAYS, help="time one way alone")
    options.add_argument("--rounds", type=int, default=3, help="of which the quickest counts")
    options.add_argument("--way", choices=WAYS, help=argparse.SUPPRESS)
    told = options.parse_args()
    if told.way:
        nothing("")  # every way imports the same
        WAYS[told.way](str(told.keep))
        return
    heading(
        "make bench, or .venv/bin/python benchmarks/bench_analyze.py --gigabytes 2",
        "4 times the standard library, 60 % of orjson, 200 MB with 5 million users",
    )
    with tempfile.TemporaryDirectory() as folder:
        path = told.keep or Path(folder) / "export.jsonl"
        if not path.exists():
            generate(path, int(told.gigabytes * GIB), told.new_users, told.sessions)
        measure(path, [told.only] if told.only else list(WAYS)[1:], told.rounds)


@dataclass(frozen=True, slots=True)
class Run:
    """What a process took: CPU seconds, and its largest RSS in bytes."""

    seconds: float
    memory: int


def measure(path: Path, ways: list[str], rounds: int) -> None:
    """Print a row for each way, all beside `analyze`."""
    size = path.stat().st_size / 1e6
    lines, runs = count(path), quickest(path, ["nothing", *ways], rounds)
    start = runs.pop("nothing").seconds
    ours = runs.get("analyze")
    rows = []
    for way, run in runs.items():
        took = run.seconds - start
        beside = f"{took / (ours.seconds - start):.2f}" if ours else "-"
        rate = f"{size / took:.0f}"
        rows.append((way, f"{took:.2f}", rate, f"{took / lines * 1e6:.2f}", beside,
                     f"{run.memory / 1e6:.0f}"))  # fmt: skip
    print(f"{size:.0f} MB, {lines:,} lines; without {start:.2f} s to start\n")
    table(("way", "CPU s", "MB/s", "us a line", "of analyze", "RSS MB"), rows)


def quickest(path: Path, ways: list[str], rounds: int) -> dict[str, Run]:
    """Run all ways by turns, and return the quickest run of each: others disturb, none helps."""
    runs = [{way: run_of(way, path) for way in ways} for _ in range(rounds)]
    return {way: min((one[way] for one in runs), key=attrgetter("seconds")) for way in ways}


def count(path: Path) -> int:
    with path.open("rb", buffering=0) as file:
        return sum(block.count(b"\n") for block in iter(lambda: file.read(2**16), b""))


def run_of(way: str, path: Path) -> Run:
    """Run one way in a process of its own."""
    command = [sys.executable, __file__, "--way", way, "--keep", str(path)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{way} ended with {process.returncode}")
    return Run(used.ru_utime + used.ru_stime, used.ru_maxrss * 1024)


# --- the export ----------------------------------------------------------------------------------


def generate(path: Path, size: int, new_users: float, sessions: float) -> None:
    """Write an export of about a size; the rest as the knobs of the example's traffic."""
    draw, at, left = random.Random(7), NOON, size
    crowd: list[tuple[int, int]] = []
    with path.open("wb") as file:
        while left > 0:
            at += timedelta(milliseconds=25)
            left -= file.write("".join(_visit(draw, at, crowd, new_users, sessions)).encode())


def _visit(
    draw: random.Random,
    at: datetime,
    crowd: list[tuple[int, int]],
    new_users: float,
    sessions: float,
) -> Iterator[str]:
    new = not crowd or draw.random() < new_users
    who = (draw.getrandbits(64), draw.randrange(100)) if new else draw.choice(crowd)
    if new and len(crowd) < CROWD:
        crowd.append(who)
    elif new:
        crowd[draw.randrange(CROWD)] = who
    source = "assignment" if new else "cookie"
    yield _line(draw, at, "experiment_exposure", who, source)
    while draw.random() < sessions / (1 + sessions):
        yield _line(draw, at, "session_started_from_tree", who, source)


def _line(draw: random.Random, at: datetime, name: str, who: tuple[int, int], source: str) -> str:
    user, bucket = who
    arm = "list" if bucket < 50 else "tree"
    skill = '"skill":"ratios",' if name == "session_started_from_tree" else ""
    return (
        f'{{"timestamp":"{at.isoformat(timespec="milliseconds")[:23]}Z","event_name":"{name}",'
        f'"user_id":"u-{user:016x}",{skill}"experiment":{{"name":"skill_tree_layout",'
        f'"variant":"{arm}","source":"{source}","bucket":{bucket},"rollout":50,'
        f'"request_id":"{draw.getrandbits(128):032x}"}}}}\n'
    )


# --- ways to read it -----------------------------------------------------------------------------


def nothing(_: str) -> None:
    """Start, and import what the others do."""
    from rampguard.cli import analyze, main  # noqa: F401, PLC0415 - as analyze does


def analyzed(path: str) -> None:
    from rampguard.cli.main import run  # noqa: PLC0415 - as the command does

    sys.exit(run(["analyze", path, *EXPECTED, "-o", "json"]))


def parsed_by_orjson(path: str) -> None:
    loads = orjson.loads
    with open(path, "rb") as file:  # noqa: PTH123 - as anybody would
        for line in file:
            loads(line)


def parsed_by_msgspec(path: str) -> None:
    decode = msgspec.json.Decoder().decode
    with open(path, "rb") as file:  # noqa: PTH123 - as anybody would
        for line in file:
            decode(line)


def by_the_standard_library(path: str) -> None:
    _plainly(path, json.loads)


def by_the_standard_library_once(path: str) -> None:
    """As above, and see whether a key stands twice."""
    decode = json.JSONDecoder(object_pairs_hook=_once).decode
    _plainly(path, decode)


def _plainly(path: str, decode: Callable[[str], Any]) -> None:
    """Do what `analyze` does, as a script would: names of users in sets, one line at a time."""
    counts: Counter[tuple[str, str]] = Counter()
    over_time: Counter[tuple[datetime, str, str]] = Counter()
    users: dict[tuple[str, bool], set[str]] = {}
    wrong: list[tuple[int, str]] = []
    before, back = NOON, 0
    with open(path, encoding="utf-8") as file:  # noqa: PTH123 - as anybody would
        for number, line in enumerate(file, 1):
            try:
                told = decode(line)
                at, name, user, block = _checked(told)
            except (ValueError, RecursionError) as error:
                wrong.append((number, str(error)))
                continue
            back += at < before
            before = at
            if block:
                counts[name, block["variant"]] += 1
            if name == "experiment_exposure":
                cookie = block["source"] == "cookie"
                users.setdefault((block["variant"], cookie), set()).add(user)
                minute = at.replace(second=0, microsecond=0)
                over_time[minute, block["variant"], block["source"]] += 1
    print(counts, back, wrong[:20], {key: len(found) for key, found in users.items()})


def _checked(told: Any) -> tuple[datetime, str, str, Any]:
    if not isinstance(told, dict):
        raise ValueError("not an object")  # noqa: TRY004 - one way out
    for key in ("timestamp", "event_name", "user_id"):
        if not isinstance(told.get(key), str):
            raise ValueError(f"{key} is missing")  # noqa: TRY004 - as above
    at = datetime.fromisoformat(told["timestamp"])
    block = told.get("experiment")
    if told["event_name"] == "experiment_exposure":
        if not isinstance(block, dict):
            raise ValueError("experiment is missing")
        for key in BLOCK:
            if not isinstance(block.get(key), str | int | float):
                raise ValueError(f"{key} is missing")  # noqa: TRY004 - as above
    return at, told["event_name"], told["user_id"], block


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    told = dict(pairs)
    if len(told) < len(pairs):
        raise ValueError("a key stands twice")
    return told


WAYS: dict[str, Callable[[str], None]] = {
    "nothing": nothing,
    "analyze": analyzed,
    "orjson, parsing alone": parsed_by_orjson,
    "msgspec untyped, parsing alone": parsed_by_msgspec,
    "standard library": by_the_standard_library,
    "standard library, keys once": by_the_standard_library_once,
}

if __name__ == "__main__":
    main()
