"""Lines of an analytics export -> events: valid ones fast, the others with the reason.

A line goes through a typed decoder first: what that takes is valid. What it does not take, or what
may hold a key twice, is read once more by `exact`, which alone says why a line is none.
"""

import contextlib
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC
from operator import attrgetter

import msgspec

from rampguard.api.blocks import gunzipped, whole_lines
from rampguard.api.decoders import AWARE, HALF, NAIVE, Decoder, Naive, Record, knowing
from rampguard.api.exact import BLOCK_KEYS, KEYS, Refusing, exact
from rampguard.core.analytics import EXPOSURE, Event, Fault, Refusal, Tally

SHAPES = 100  # that are remembered
NAMES = 50  # of one kind that are worth a decoder of their own
LESSONS = 8  # after which no more of them are learned
Decoded = Record | Naive

_INVALID = (msgspec.MsgspecError, ValueError, RecursionError)
_NAME_OF = attrgetter("name")
_KEYS, _BLOCK_KEYS = ([f'"{key}"'.encode() for key in keys] for keys in (KEYS, BLOCK_KEYS))
_SPELLED = re.compile(rb"\\u00[567]")  # a letter of a key may be written so


def feed(tally: Tally, chunks: Iterable[bytes], *, growing: bool = False) -> int:
    """Count a whole source, plain or gzip, as it comes; return its lines. Broken: see blocks."""
    reader, number = _Reader(), 1
    for block in whole_lines(gunzipped(chunks, growing=growing)):
        if block is None:
            tally.refuse(number, Refusal(Fault.TOO_LONG))
            number += 1
            continue
        lines = block.split(b"\n")
        lines.pop()
        events = reader.all_of(block, lines)
        if events is None:
            reader.one_by_one(tally, lines, number)
        else:
            tally.add(events, range(number, number + len(lines)))
        number += len(lines)
    return number - 1


def records(chunks: Iterable[bytes]) -> Iterator[tuple[bytes, Event]]:
    """Yield each valid line of a growing source, without its end, and what it says.

    Broken: see blocks.
    """
    reader = _Reader()
    for block in whole_lines(gunzipped(chunks, growing=True)):
        lines = block.split(b"\n")[:-1] if block else []
        events = reader.all_of(block, lines) if block else ()
        yield from reader.valid(lines) if events is None else zip(lines, events, strict=True)


class _Reader:
    """Decodes lines; remembers whether times name their zone, and the shapes that lines have."""

    def __init__(self) -> None:
        self._decoders: list[Decoder] = [AWARE, NAIVE]
        self._names = _Names()
        self._quotes: dict[str, int] = {}  # name of an event -> quotes of a line without repetition

    def all_of(self, block: bytes, lines: Sequence[bytes]) -> Sequence[Event] | None:
        """Return the events of a block, None if not every line is beyond doubt."""
        for decoder in self._decoders:
            try:
                events: list[Decoded] = list(map(decoder.decode, lines))
            except _INVALID:
                continue
            self._prefer(decoder, events)
            if not _is_utf8(block) or self._may_repeat(block, lines, events):
                return None
            return _in_utc(events) if decoder is NAIVE else events
        return None

    def one_by_one(self, tally: Tally, lines: Sequence[bytes], first: int) -> None:
        """Count the valid lines, refuse the others, in their order; empty ones are neither."""
        events: list[Event] = []
        numbers: list[int] = []
        for number, line in enumerate(lines, first):
            if not line.strip():
                continue
            try:
                event = self._one(line)
            except Refusing as refusing:
                tally.add(events, numbers)
                events, numbers = [], []
                tally.refuse(number, refusing.refusal)
                continue
            events.append(event)
            numbers.append(number)
        tally.add(events, numbers)

    def valid(self, lines: Sequence[bytes]) -> Iterator[tuple[bytes, Event]]:
        """Yield the valid ones of some lines."""
        for line in lines:
            if line.strip():
                with contextlib.suppress(Refusing):
                    yield line, self._one(line)

    def _one(self, line: bytes) -> Event:
        for decoder in (self._decoders[0], HALF):
            try:
                event: Event = decoder.decode(line)
            except _INVALID:
                continue
            if decoder is HALF and event.name == EXPOSURE:
                break
            if not _is_utf8(line) or self._line_may_repeat(line, event.name):
                break
            return _in_utc([event])[0] if isinstance(event, Naive) else event
        return exact(line)

    def _line_may_repeat(self, line: bytes, name: str) -> bool:
        """Say whether a key may stand twice in a line; remember the shape of the first without."""
        quotes = _quotes(line)
        if self._quotes.get(name) == quotes:
            return False
        if _SPELLED.search(line) or any(line.count(key) > 1 for key in (*_KEYS, *_BLOCK_KEYS)):
            return True
        if len(self._quotes) < SHAPES:
            self._quotes.setdefault(name, quotes)
        return False

    def _prefer(self, decoder: Decoder, events: Sequence[Decoded]) -> None:
        """Try the decoder first that took a block, and one that knows the names in there."""
        if decoder is self._decoders[0] and decoder is not AWARE:
            return
        best = self._names.learned(events) if decoder is AWARE else None
        self._decoders = [one for one in (best, decoder) if one]
        self._decoders += [one for one in (AWARE, NAIVE) if one is not decoder]

    def _may_repeat(self, block: bytes, lines: Sequence[bytes], events: Sequence[Decoded]) -> bool:
        """Say whether a key may stand twice in a line.

        Decoders do not tell. Lines of one event mostly have one shape: then a key too many shows in
        the number of quotes, unless another line lacks as many. Else our keys are counted.
        """
        return not self._of_known_shape(block, lines, events) and _counts_too_many(block, events)

    def _of_known_shape(
        self, block: bytes, lines: Sequence[bytes], events: Sequence[Decoded]
    ) -> bool:
        names = Counter(map(_NAME_OF, events))
        for name in names.keys() - self._quotes.keys():
            line = next(one for one, event in zip(lines, events, strict=True) if event.name == name)
            if self._line_may_repeat(line, name) or name not in self._quotes:
                return False
        return _quotes(block) == sum(self._quotes[name] * count for name, count in names.items())


class _Names:
    """The names that events of a source have, as long as they are few."""

    def __init__(self) -> None:
        self._events: set[str] = set()
        self._experiments: set[str] = set()
        self._arms: set[str] = set()
        self._sources: set[str] = set()
        self._lessons = 0

    def learned(self, events: Sequence[Decoded]) -> Decoder | None:
        """Return a decoder that knows the names of events as well; None: it would be of no use."""
        if self._lessons == LESSONS:
            return None
        self._lessons += 1
        blocks = [event.experiment for event in events if event.experiment]
        self._events.update(event.name for event in events)
        self._experiments.update(block.name for block in blocks)
        self._arms.update(block.arm for block in blocks)
        self._sources.update(block.source for block in blocks)
        every = (self._events, self._experiments, self._arms, self._sources)
        fits = all(0 < len(names) <= NAMES for names in every)
        return knowing(*map(sorted, every)) if fits else None


def _quotes(text: bytes) -> int:
    escaped = text.count(b'\\"') if b"\\" in text else 0
    return text.count(b'"') - escaped


def _counts_too_many(block: bytes, events: Sequence[Decoded]) -> bool:
    every = len(events)
    blocks = every - [event.experiment for event in events].count(None)
    return (
        any(block.count(key) > every for key in _KEYS)
        or any(block.count(key) > blocks for key in _BLOCK_KEYS)
        or _SPELLED.search(block) is not None
    )


def _is_utf8(text: bytes) -> bool:
    """Say so; a decoder does not look at what it passes over."""
    if text.isascii():
        return True
    try:
        text.decode()
    except UnicodeDecodeError:
        return False
    return True


def _in_utc(events: Sequence[Decoded]) -> Sequence[Decoded]:
    for event in events:
        event.at = event.at.replace(tzinfo=UTC)
    return events
