"""Chunks of a file, plain or gzip -> blocks of whole lines, in bounded memory."""

import zlib
from collections.abc import Iterable, Iterator
from itertools import chain

BOM = b"\xef\xbb\xbf"
GZIP = 31  # wbits: deflate in a gzip member
MAGIC = b"\x1f\x8b"
LONGEST = 2**20  # bytes of a line
PIECE = 2**18  # bytes inflated at once


class Broken(Exception):
    """A gzip file that is damaged or cut off; the message says which."""


def gunzipped(chunks: Iterable[bytes], *, growing: bool = False) -> Iterator[bytes]:
    """Yield chunks as they are, or inflated where they begin as gzip does; Broken if it is cut.

    growing: it is still being written, and its end is where it is cut.
    """
    every = iter(chunks)
    head = b""
    while len(head) < len(MAGIC) and (chunk := next(every, b"")):
        head += chunk
    if not head.startswith(MAGIC):
        return chain((head,) if head else (), every)
    return _inflated(chain((head,), every), growing=growing)


def _inflated(chunks: Iterable[bytes], *, growing: bool) -> Iterator[bytes]:
    inflate = zlib.decompressobj(GZIP)
    for chunk in chunks:
        raw = chunk
        while raw:
            if inflate.eof:
                raw = raw.lstrip(b"\0")  # members may be padded
                inflate = zlib.decompressobj(GZIP) if raw else inflate
                continue
            try:
                text = inflate.decompress(raw, PIECE)
            except zlib.error as error:
                raise Broken(f"the gzip file is damaged: {error}") from error
            if text:
                yield text
            raw = inflate.unused_data if inflate.eof else inflate.unconsumed_tail
    if not inflate.eof and not growing:
        raise Broken("the gzip file is cut off")


def whole_lines(chunks: Iterable[bytes]) -> Iterator[bytes | None]:
    """Yield blocks of whole lines, each with its end; None stands for one line beyond LONGEST.

    Chunks are of at most LONGEST bytes. A byte order mark at the beginning is left out.
    """
    begun: list[bytes] = []  # a line without its end yet
    size = 0
    for chunk in _unmarked(chunks):
        stop = chunk.rfind(b"\n") + 1
        if not stop:
            size += len(chunk)
            if size <= LONGEST:
                begun.append(chunk)
            else:
                begun.clear()
            continue
        start = 0
        if size + chunk.find(b"\n") > LONGEST:
            yield None
            begun, start = [], chunk.find(b"\n") + 1
        block = b"".join((*begun, memoryview(chunk)[start:stop]))
        if block:
            yield block
        begun, size = [chunk[stop:]], len(chunk) - stop
    if size:
        yield b"".join((*begun, b"\n")) if size <= LONGEST else None


def _unmarked(chunks: Iterable[bytes]) -> Iterator[bytes]:
    every = iter(chunks)
    head = b""
    while len(head) < len(BOM) and (chunk := next(every, b"")):
        head += chunk
    yield head.removeprefix(BOM)
    yield from every
