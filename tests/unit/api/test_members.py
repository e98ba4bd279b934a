"""Lines survive whatever happens to the end, and to the middle, of their file."""

import gzip
import random
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rampguard.api.members import LAST, Damage, Member, lines, mended

DRAW = random.Random(4)  # noqa: S311 - noise
ROWS = [b'{"n":%d,"noise":"%016x"}' % (i, DRAW.getrandbits(64)) for i in range(200)]


def member(rows: list[bytes], *, ended: bool = True) -> bytes:
    one = Member()
    return b"".join(map(one.add, rows)) + (one.end() if ended else b"")


def read(raw: bytes, size: int = 1000) -> tuple[list[bytes], list[str]]:
    """Return the lines, and why some are missing."""
    found = list(lines(raw[i : i + size] for i in range(0, len(raw), size)))
    return [one for one in found if isinstance(one, bytes)], [
        one.why for one in found if isinstance(one, Damage)
    ]


def test_lines_of_all_members_come_back() -> None:
    raw = member(ROWS[:5]) + member(ROWS[5:])
    assert read(raw) == (ROWS, [])
    assert gzip.decompress(raw).splitlines() == ROWS


@given(st.integers(1, 3000))
def test_the_size_of_the_pieces_does_not_matter(size: int) -> None:
    assert read(member(ROWS[:5]) + member(ROWS[5:]), size) == (ROWS, [])


def test_a_line_can_be_read_as_soon_as_it_is_written() -> None:
    one = Member()
    raw = b""
    for i, row in enumerate(ROWS[:10]):
        raw += one.add(row)
        assert read(raw) == (ROWS[: i + 1], [])


WHOLE = member(ROWS, ended=False)


@given(st.integers(0, len(WHOLE)))
def test_a_tail_that_is_cut_off_costs_what_it_cuts_and_no_more(at: int) -> None:
    found, why = read(WHOLE[:at])
    assert found == ROWS[: len(found)]
    more, _ = read(WHOLE[: at + 120])
    assert len(more) - len(found) <= 5
    assert len(why) <= 1


@given(st.integers(0, len(WHOLE)))
def test_a_mended_file_is_gzip_and_goes_on(at: int) -> None:
    stands, end = mended(WHOLE[:at])
    raw = WHOLE[:stands] + end
    before, _ = read(WHOLE[:at])
    kept = gzip.decompress(raw).splitlines()
    assert kept in (before, before[:-1])  # the bytes after a line may be cut off, too
    assert read(raw + member([b"{}"])) == ([*kept, b"{}"], [])
    assert mended(raw) == (len(raw), b"")


def test_what_is_whole_is_not_mended() -> None:
    raw = member(ROWS[:5]) + member(ROWS[5:])
    assert mended(raw) == (len(raw), b"")
    assert mended(b"") == (0, b"")


def test_a_second_member_that_is_cut_off_is_mended_and_the_first_stays() -> None:
    first, second = member(ROWS[:5]), member(ROWS[5:9], ended=False)
    stands, end = mended(first + second)
    assert (stands, end[: len(LAST)]) == (len(first + second), LAST)
    assert read((first + second)[:stands] + end) == (ROWS[:9], [])


@given(st.integers(0, 400), st.integers(1, 255), st.integers(100, 5000))
def test_a_wrong_byte_costs_its_member_at_most(place: int, other: int, size: int) -> None:
    parts = [member(ROWS[i : i + 50]) for i in range(0, 200, 50)]
    at = len(parts[0]) + place % len(parts[1])
    raw = bytearray(b"".join(parts))
    raw[at] ^= other
    found, why = read(bytes(raw), size)
    assert len(why) <= 2
    assert found[:50] == ROWS[:50]
    assert found[-100:] == ROWS[-100:]


def test_a_member_without_an_end_hides_none_that_follows() -> None:
    raw = member(ROWS[:5], ended=False) + member(ROWS[5:])
    found, why = read(raw)
    assert (found, len(why)) == (ROWS, 1)


@pytest.mark.parametrize("raw", [b"nothing of ours", b"\x1f\x8b\x08", b"\x1f\x8b", bytes(3000)])
def test_what_is_no_gzip_has_no_lines(raw: bytes) -> None:
    found, why = read(raw)
    assert found == []
    assert len(why) <= 1


def test_lines_that_were_inflated_before_are_read_as_they_are() -> None:
    raw = b"".join(row + b"\n" for row in ROWS)
    assert read(raw) == (ROWS, [])
    assert read(raw[:-3]) == (ROWS[:-1], ["it is cut off in the middle of a record"])


def test_a_line_without_end_is_not_kept_in_memory() -> None:
    deflate = zlib.compressobj(wbits=31)
    raw = deflate.compress(bytes(2**25 + 2**24)) + deflate.flush()
    assert read(raw)[1][0] == "a line has no end"
