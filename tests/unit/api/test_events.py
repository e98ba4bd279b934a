"""Lines of an export: what is counted, and what is refused with which words."""

import gzip
import json
import tracemalloc
from collections.abc import Iterator
from datetime import timedelta

import pytest

from exports import NOON, SECOND, block, event, exposure, start, written
from rampguard.api import events as module
from rampguard.api.blocks import LONGEST, Broken, gunzipped, whole_lines
from rampguard.api.events import feed
from rampguard.core.analytics import Asked, Summary, Tally, summary

LINE = written(exposure())[:-1]
DEEP = b"[" * 100_000


def fed(raw: bytes, size: int = 2**16) -> Tally:
    tally = Tally()
    tally.begin("export.jsonl")
    feed(tally, chunks(raw, size))
    return tally


def chunks(raw: bytes, size: int) -> Iterator[bytes]:
    return (raw[i : i + size] for i in range(0, len(raw), size))


def said(raw: bytes, size: int = 2**16) -> Summary:
    return summary(fed(raw, size), Asked(arms=("tree", "list")), NOON + timedelta(days=1))


def without(key: str) -> dict[str, object]:
    return {name: value for name, value in exposure().items() if name != key}


def of_block(**other: object) -> dict[str, object]:
    return exposure() | {"experiment": block(**other)}


def cut(block_key: str) -> dict[str, object]:
    told = block()
    del told[block_key]
    return exposure() | {"experiment": told}


def twice(key: str) -> bytes:
    """Return a line in which a key stands twice, with the same value."""
    told = exposure()
    inside = key not in told
    one = json.dumps({key: (told["experiment"] if inside else told)[key]})[1:-1].encode()
    plain = json.dumps(told).encode()
    return (
        plain.replace(b'"name":', one + b', "name":') if inside else b"{" + one + b"," + plain[1:]
    )


FAULTS: dict[str, tuple[object, str]] = {
    "cut off": (LINE[:-20], "the line is not JSON, or cut off"),
    "two records": (LINE + LINE, "the line is not JSON, or cut off"),
    "words": ("hello", "the line is not JSON, or cut off"),
    "NaN": (LINE[:-1] + b',"x":NaN}', "the line is not JSON, or cut off"),
    "a mark in the middle": (b"{\xef\xbb\xbf" + LINE[1:], "the line is not JSON, or cut off"),
    "a control character": (LINE.replace(b"u-1", b"u\x01"), "the line is not JSON, or cut off"),
    "half a pair": (LINE.replace(b"u-1", b"\\ud800"), "user_id is not UTF-8"),
    "half a pair as the time": (
        written(exposure(at="\ud800"))[:-1],
        "timestamp is no ISO 8601 time",
    ),
    "no UTF-8": (LINE.replace(b"u-1", b"u\xff"), "the line is not UTF-8"),
    "no UTF-8 beside what is read": (LINE[:-1] + b',"x":"\xff"}', "the line is not UTF-8"),
    "UTF-16": ('{"a": 1}'.encode("utf-16-le"), "the line is not JSON, or cut off"),
    "an array": ([], "the line is not an object"),
    "a number": ("12", "the line is not an object"),
    "nothing": ("null", "the line is not an object"),
    "a nested bomb": (DEEP, "the line is nested too deep"),
    "a nested bomb beside what is read": (
        LINE[:-1] + b',"x":' + DEEP + b"]" * len(DEEP) + b"}",
        "the line is nested too deep",
    ),
    "too long": (b'{"x":"' + b"x" * LONGEST + b'"}', "the line is longer than 1 MiB"),
    "no timestamp": (without("timestamp"), "timestamp is missing"),
    "a timestamp that is null": (exposure() | {"timestamp": None}, "timestamp is missing"),
    "a timestamp of milliseconds": (exposure() | {"timestamp": 1}, "timestamp is of a wrong type"),
    "a timestamp of words": (exposure(at="today"), "timestamp is no ISO 8601 time"),
    "a day that is not": (exposure(at="2024-02-30T12:00:00Z"), "timestamp is no ISO 8601 time"),
    "no event": (without("event_name"), "event_name is missing"),
    "an event that is a number": (exposure() | {"event_name": 7}, "event_name is of a wrong type"),
    "an event without a name": (
        exposure() | {"event_name": ""},
        "event_name is empty, too long or too large",
    ),
    "an event with a long name": (
        event("e" * 201),
        "event_name is empty, too long or too large",
    ),
    "no user": (without("user_id"), "user_id is missing"),
    "a user without a name": (exposure(""), "user_id is empty, too long or too large"),
    "a user that is true": (exposure() | {"user_id": True}, "user_id is of a wrong type"),
    "a user that is a fraction": (exposure() | {"user_id": 1.5}, "user_id is of a wrong type"),
    "a user that is a list": (exposure() | {"user_id": ["a"]}, "user_id is of a wrong type"),
    "a user beyond all numbers": (
        LINE.replace(b'"u-1"', b"9" * 5000),
        "user_id is empty, too long or too large",
    ),
    "a user beyond the numbers that hash": (
        exposure(2**61),
        "user_id is empty, too long or too large",
    ),
    "no block": (without("experiment"), "experiment is missing"),
    "a block that is null": (exposure() | {"experiment": None}, "experiment is missing"),
    "a block that is a name": (exposure() | {"experiment": "x"}, "experiment is of a wrong type"),
    "a bucket that is true": (of_block(bucket=True), "experiment.bucket is of a wrong type"),
    "a rollout that is a list": (of_block(rollout=[50]), "experiment.rollout is of a wrong type"),
    "a rollout beyond all numbers": (
        LINE.replace(b'"rollout":50', b'"rollout":1e999'),
        "experiment.rollout is empty, too long or too large",
    ),
    "an arm that is a number": (
        of_block() | {"experiment": block() | {"variant": 1}},
        "experiment.variant is of a wrong type",
    ),
    "a request that is a number": (
        of_block(request_id=1),
        "experiment.request_id is of a wrong type",
    ),
    "a request without a name": (
        of_block(request_id=""),
        "experiment.request_id is empty, too long or too large",
    ),
    **{f"no {key}": (cut(key), f"experiment.{key} is missing") for key in block()},
    **{f"{key} twice": (twice(key), f"{key} stands there twice") for key in exposure()},
    **{f"{key} twice": (twice(key), f"experiment.{key} stands there twice") for key in block()},
    "a key twice, once spelled otherwise": (
        twice("user_id").replace(b'"user_id"', b'"user\\u005fid"', 1),
        "user_id stands there twice",
    ),
}


@pytest.mark.parametrize("beside", [0, 3, 400], ids=lambda n: f"beside {n}")
@pytest.mark.parametrize(("line", "words"), FAULTS.values(), ids=FAULTS)
def test_a_line_that_is_no_record_is_refused_with_its_number(
    line: object, words: str, beside: int
) -> None:
    good = [exposure(f"u-{n}") for n in range(beside)]
    told = said(written(*good, line, *good))
    (one,) = told.first_refused
    assert (one.refusal.words, one.place.line) == (words, beside + 1)
    assert (told.refused, told.records, told.arms[0].users) == (1, 2 * beside, beside)


FINE: dict[str, tuple[object, int]] = {
    "as the example writes it": (exposure(), 1),
    "with blanks": (json.dumps(exposure()), 1),
    "with keys in another order": (dict(reversed(exposure().items())), 1),
    "with CRLF": (LINE + b"\r", 1),
    "with keys of its own": (exposure() | {"name": "x", "props": {"user_id": 1, "variant": 2}}, 1),
    "with a key of its own twice": (LINE[:-1] + b',"x":1,"x":2}', 1),
    "with words that are keys": (exposure() | {"field": "user_id", "of": '"variant"'}, 1),
    "with letters of all kinds": (exposure("зоя") | {"page": "\u00e9\U0001f600"}, 1),
    "with a user who is a number": (exposure(17), 1),
    "with numbers as strings": (of_block(bucket="7", rollout="50"), 1),
    "with numbers as fractions": (of_block(bucket=7.5, rollout=50.0), 1),
    "with a huge bucket": (LINE.replace(b'"bucket":7', b'"bucket":' + b"9" * 30), 1),
    "with a huge number of its own": (LINE[:-1] + b',"x":' + b"9" * 5000 + b',"y":1e999}', 1),
    "an empty line": (b"", 0),
    "a line of blanks": (b"  \t\r", 0),
    "another event without a block": (event("page_seen"), 1),
    "another event with a block of its own": (event("x") | {"experiment": "none"}, 1),
    "another event with a list": (event("x") | {"experiment": [1]}, 1),
    "a session start with half a block": (
        event("session_started_from_tree") | {"experiment": {"name": "l", "variant": "tree"}},
        1,
    ),
}
TIMES = (
    "2024-11-24T12:00:00Z", "2024-11-24T12:00:00.000123Z", "2024-11-24T13:00:00+01:00",
    "2024-11-24T12:00:00", "2024-11-24 12:00:00", "20241124T120000Z", "2024-11-24T12:00Z",
    "2024-11-24t12:00:00z", "2024-11-24T12:00:00.123456789Z", "2024-W47-7T12:00:00Z",
)  # fmt: skip


@pytest.mark.parametrize("beside", [0, 3], ids=lambda n: f"beside {n}")
@pytest.mark.parametrize(("line", "records"), FINE.values(), ids=FINE)
def test_a_line_is_taken(line: object, records: int, beside: int) -> None:
    good = [exposure(f"g-{n}") for n in range(beside)]
    told = said(written(*good, line, *good))
    assert (told.refused, told.first_refused, told.records) == (0, (), records + 2 * beside)


@pytest.mark.parametrize("beside", [0, 3], ids=lambda n: f"beside {n}")
@pytest.mark.parametrize("time", TIMES)
def test_every_form_of_a_time_is_understood(time: str, beside: int) -> None:
    good = [exposure(f"g-{n}") for n in range(beside)]
    told = said(written(*good, exposure(at=time), *good))
    assert told.refused == 0
    assert [at.replace(microsecond=0) for at in (told.since, told.until)] == [NOON, NOON]


def test_times_without_a_zone_are_utc_all_along() -> None:
    lines = [exposure(f"u-{n}", at=f"2024-11-24T12:{n % 60:02}:00") for n in range(600)]
    told = said(written(*lines))
    assert (told.records, told.since) == (600, NOON)


def test_half_a_block_tells_the_arm_of_a_session_start() -> None:
    half = event("session_started_from_tree") | {"experiment": {"name": "l", "variant": "list"}}
    assert said(written(exposure(), exposure("b", "list"), half)).arms[1].session_starts == 1


def test_a_number_and_its_digits_are_two_users() -> None:
    assert said(written(exposure(17), exposure("17"), exposure(17))).arms[0].users == 2


def test_faults_are_told_in_the_order_of_their_lines() -> None:
    bare = event("experiment_exposure")
    told = said(written("x", exposure(), bare, exposure(), b"\xff", bare, "x"))
    assert [one.place.line for one in told.first_refused] == [1, 3, 5, 6, 7]
    assert [one.place.source for one in told.first_refused] == ["export.jsonl"] * 5


def mixed(count: int) -> list[dict[str, object]]:
    """Return events of many shapes and more names than are worth learning."""
    lines: list[dict[str, object]] = []
    for n in range(count):
        seen = exposure(f"u-{n % 50}", "list" if n % 3 else "tree", at=NOON + n * SECOND)
        begun = start(f"u-{n % 50}", "tree", at=NOON + n * SECOND) | {
            "skill": 'the "tree"' * (n % 2)
        }
        other = event(f"seen-{n % 150}", f"u-{n}", "list" if n % 2 else "", at=NOON + n * SECOND)
        lines += [seen, begun, other | ({"page": n} if n % 5 else {})]
    return lines


def test_it_makes_no_difference_by_which_way_a_line_is_read() -> None:
    lines = [written(one) for one in mixed(600)]
    slow = Tally()
    slow.begin("export.jsonl")
    for number, line in enumerate(lines, 1):
        module._Reader().one_by_one(slow, [line[:-1]], number)
    now = NOON + timedelta(days=1)
    told = summary(slow, Asked(), now)
    assert told.records == len(lines)
    for size in (1000, 2**16):
        assert summary(fed(b"".join(lines), size), Asked(), now) == told


# --- blocks --------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [1, 2, 7, 64, 2**16])
def test_lines_are_whole_however_they_are_cut(size: int) -> None:
    raw = b"\xef\xbb\xbfone\ntwo\r\n\nlast"
    blocks = list(whole_lines(chunks(raw, size)))
    assert b"".join(block or b"" for block in blocks) == b"one\ntwo\r\n\nlast\n"
    assert all(block and block.endswith(b"\n") for block in blocks)


LONG = {
    "at the beginning": b"%s\nb\n",
    "in the middle": b"a\n%s\nb\n",
    "at the end": b"a\nb\n%s\n",
    "without an end": b"a\nb\n%s",
}


@pytest.mark.parametrize("size", [2**16, 2**20 - 1])
@pytest.mark.parametrize("form", LONG.values(), ids=LONG)
def test_a_line_without_end_is_passed_over(form: bytes, size: int) -> None:
    raw = form % (b"x" * (3 * LONGEST))
    blocks = list(whole_lines(chunks(raw, size)))
    kept = b"".join(block for block in blocks if block)
    assert (blocks.count(None), kept) == (1, form.replace(b"%s\n", b"").replace(b"%s", b""))


@pytest.mark.parametrize(("length", "kept"), [(LONGEST, True), (LONGEST + 1, False)])
@pytest.mark.parametrize("end", [b"\n", b""], ids=["with an end", "without"])
def test_a_line_may_be_as_long_as_it_is_said(length: int, kept: bool, end: bytes) -> None:  # noqa: FBT001 - a fact
    blocks = list(whole_lines(chunks(b"x" * length + end, 2**16)))
    assert (blocks == [b"x" * length + b"\n"]) is kept
    assert (blocks == [None]) is not kept


def test_a_long_line_is_not_kept_in_memory() -> None:
    tracemalloc.start()
    try:
        assert list(whole_lines(b"x" * 2**16 for _ in range(1600))) == [None]
        assert tracemalloc.get_traced_memory()[1] < 2 * LONGEST
    finally:
        tracemalloc.stop()


PACKED = {
    "one member": gzip.compress,
    "two members": lambda raw: gzip.compress(raw[:50]) + gzip.compress(raw[50:]),
    "padded": lambda raw: gzip.compress(raw) + b"\0" * 700,
}


@pytest.mark.parametrize("size", [1, 100, 2**16])
@pytest.mark.parametrize("pack", PACKED.values(), ids=PACKED)
def test_gzip_is_seen_by_its_first_bytes(pack, size: int) -> None:
    raw = written(*(exposure(f"u-{n}") for n in range(100)))
    assert b"".join(gunzipped(chunks(pack(raw), size))) == raw


def test_a_bomb_is_inflated_piece_by_piece() -> None:
    packed = gzip.compress(b"x" * 2**24)
    assert max(map(len, gunzipped(chunks(packed, 2**16)))) <= 2**18
    assert said(packed).reasons[0][0].words == "the line is longer than 1 MiB"


BROKEN = {
    "cut off": gzip.compress(LINE * 50)[:-20],
    "cut off in its head": gzip.compress(LINE)[:6],
    "damaged": gzip.compress(LINE * 50)[:60] + b"\xff" * 40,
    "followed by something else": gzip.compress(LINE) + b"not gzip",
}


@pytest.mark.parametrize("raw", BROKEN.values(), ids=BROKEN)
def test_a_broken_gzip_file_is_told(raw: bytes) -> None:
    with pytest.raises(Broken, match="the gzip file is"):
        said(raw)


@pytest.mark.parametrize("raw", [b"", b"\n", b"\xef\xbb\xbf", gzip.compress(b"", mtime=0)])
def test_nothing_is_no_record_and_no_fault(raw: bytes) -> None:
    told = said(raw)
    assert (told.records, told.refused, told.valid) == (0, 0, False)
