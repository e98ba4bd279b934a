"""Lines in gzip members: written whole line by whole line, read as far as they are whole.

A process that dies leaves its member without an end. `mended` ends it, so that another can follow
and every gzip program reads the file.
"""

import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

GZIP = 31  # wbits: deflate in a gzip member
MAGIC = b"\x1f\x8b\x08"
FLUSHED = b"\x00\x00\xff\xff"  # the end of what Z_SYNC_FLUSH wrote
LAST = b"\x01\x00\x00\xff\xff"  # an empty last block
PIECE = 2**14  # bytes inflated at once
LONGEST = 2**25  # bytes of a line


class Member:
    """One gzip member under way; every line can be read as soon as it is written."""

    def __init__(self) -> None:
        self._deflate = zlib.compressobj(wbits=GZIP)

    def add(self, line: bytes) -> bytes:
        """Return what a line adds to the file."""
        return self._deflate.compress(line + b"\n") + self._deflate.flush(zlib.Z_SYNC_FLUSH)

    def end(self) -> bytes:
        """Return what ends the member."""
        return self._deflate.flush()


@dataclass(frozen=True, slots=True)
class Damage:
    """A place where bytes are missing or wrong; reading goes on at the next member."""

    why: str


def lines(chunks: Iterable[bytes]) -> Iterator[bytes | Damage]:
    """Yield the lines of all members; each place that cannot be read is one Damage.

    A last member without its end is none: it is being written. Bytes that were inflated before are
    read as they are.
    """
    reader = _Reader()
    for chunk in chunks:
        for at in range(0, len(chunk), PIECE):
            yield from reader.feed(chunk[at : at + PIECE])
    yield from reader.end()


def mended(written: bytes) -> tuple[int, bytes]:
    """Return how many bytes of a file stand, and what has to follow them before a new member."""
    at = 0
    while at < len(written):
        inflate = zlib.decompressobj(GZIP)
        try:
            inflate.decompress(written[at:])
        except zlib.error:
            return len(written), b""  # the damage is in the middle: reading finds what follows it
        if not inflate.eof:
            return _ended(written, at)
        at = len(written) - len(inflate.unused_data)
    return at, b""


def _ended(written: bytes, at: int) -> tuple[int, bytes]:
    """Cut a member without an end after its last whole line, and end it."""
    stop = written.rfind(FLUSHED, at)
    while stop > at:
        stands = stop + len(FLUSHED)
        text = zlib.decompressobj(GZIP).decompress(written[at:stands])
        end = LAST + zlib.crc32(text).to_bytes(4, "little") + _length(text)
        if text.endswith(b"\n") and _is_whole(written[at:stands] + end):
            return stands, end
        stop = written.rfind(FLUSHED, at, stop)
    return at, b""


def _length(text: bytes) -> bytes:
    return (len(text) % 2**32).to_bytes(4, "little")


def _is_whole(member: bytes) -> bool:
    inflate = zlib.decompressobj(GZIP)
    try:
        inflate.decompress(member)
    except zlib.error:
        return False
    return inflate.eof


class _Reader:
    """Inflates member after member; after damage it looks for the next one."""

    def __init__(self) -> None:
        self._inflate = zlib.decompressobj(GZIP)
        self._line = bytearray()
        self._fresh = True  # nothing of this member was inflated yet
        self._first = True  # nothing was read at all
        self._plain = False
        self._lost = False  # between a damage and the next member
        self._tail = b""  # may be the beginning of MAGIC

    def feed(self, raw: bytes) -> Iterator[bytes | Damage]:
        if self._first:
            self._first, self._plain = False, raw.startswith(b"{")
        if self._plain:
            yield from self._split(raw)
            return
        while raw:
            if self._lost:
                raw = self._found(raw)
                continue
            before, fresh = self._inflate.copy(), self._fresh
            self._fresh = False
            try:
                text = self._inflate.decompress(raw)
            except zlib.error as error:
                yield from self._split(_as_far(before, raw))
                yield from self._damaged(str(error))
                raw = raw[1:] if fresh else raw
                continue
            yield from self._split(text)
            raw = self._inflate.unused_data
            if self._inflate.eof:
                yield from self._next()

    def end(self) -> Iterator[Damage]:
        if self._line:
            yield from self._damaged("it is cut off in the middle of a record")

    def _next(self) -> Iterator[Damage]:
        if self._line:
            yield from self._damaged("a member ends in the middle of a record")
        self._begin()

    def _begin(self) -> None:
        self._inflate, self._fresh, self._lost = zlib.decompressobj(GZIP), True, False

    def _damaged(self, why: str) -> Iterator[Damage]:
        self._line.clear()
        self._lost, self._tail = True, b""
        yield Damage(why)

    def _found(self, raw: bytes) -> bytes:
        """Return the bytes from the next member on; nothing where there is none yet."""
        raw = self._tail + raw
        at = raw.find(MAGIC)
        if at < 0:
            self._tail = raw[-len(MAGIC) + 1 :]
            return b""
        self._tail = b""
        self._begin()
        return raw[at:]

    def _split(self, text: bytes) -> Iterator[bytes | Damage]:
        *whole, rest = text.split(b"\n")
        for one in whole:
            yield bytes(self._line) + one
            self._line.clear()
        self._line += rest
        if len(self._line) > LONGEST:
            yield from self._damaged("a line has no end")


def _as_far(inflate: "zlib._Decompress", raw: bytes) -> bytes:
    """Inflate up to the byte that is wrong."""
    text = bytearray()
    for at in range(len(raw)):
        try:
            text += inflate.decompress(raw[at : at + 1])
        except zlib.error:
            break
    return bytes(text)
