"""Lines of text that are safe to show: spans with a tone, columns, durations."""

import itertools
import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
STRANGE = "\N{REPLACEMENT CHARACTER}"


class Tone(StrEnum):
    """What a span means; painting chooses the colour."""

    PLAIN = ""
    GOOD = "good"
    BAD = "bad"
    NEEDS = "needs"
    MOVING = "moving"
    QUIET = "quiet"
    STRONG = "strong"


@dataclass(frozen=True, slots=True)
class Span:
    """A piece of a line."""

    text: str
    tone: Tone = Tone.PLAIN


Line = tuple[Span, ...]


def line(*pieces: str | Span) -> Line:
    """Return a line of plain and toned pieces."""
    return tuple(Span(piece) if isinstance(piece, str) else piece for piece in pieces)


def plain(lines: Iterable[Line]) -> str:
    """Return lines without tones, each ended, without blanks at their ends."""
    return "".join(f"{''.join(span.text for span in one).rstrip()}\n" for one in lines)


def safe(value: object) -> str:
    """Return somebody's words without anything that moves a cursor, hides or reorders text."""
    if not isinstance(value, str):
        return ""
    if value.isascii() and value.isprintable():
        return value
    return "".join(_safe(char) for char in value)


def _safe(char: str) -> str:
    if char.isspace():
        return " "
    return char if char.isprintable() else STRANGE


def cells(text: str) -> int:
    """Return how many columns of a terminal a text takes."""
    return len(text) if text.isascii() else sum(map(_cells, text))


def _cells(char: str) -> int:
    if unicodedata.combining(char):
        return 0
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1


def crop(text: str, width: int) -> str:
    """Return a text that takes at most so many columns; three dots tell that some is missing."""
    if cells(text) <= width:
        return text
    kept, taken = [], 0
    for char in text:
        taken += _cells(char)
        if taken > max(0, width - 3):
            break
        kept.append(char)
    return "".join(kept) + "..."[: max(0, width)]


def crop_line(one: Line, width: int) -> Line:
    """Return a line that takes at most so many columns."""
    kept: list[Span] = []
    for span in one:
        left = width - sum(cells(k.text) for k in kept)
        if left <= 0:
            break
        kept.append(Span(crop(span.text, left), span.tone))
    return tuple(kept)


def wrap(one: Line, width: int, indent: int) -> list[Line]:
    """Return a line as lines that take at most so many columns, later ones indented.

    It is broken between words; a word that is longer than a line is broken, too.
    """
    if sum(cells(span.text) for span in one) <= width:
        return [one]
    rows: list[list[Span]] = [[]]
    left, room = width, max(1, width - indent)
    for span in one:
        for word in _words(span.text, room):
            if cells(word.rstrip()) > left:
                rows.append([Span(" " * indent)])
                left = room
            rows[-1].append(Span(word, span.tone))
            left -= cells(word)
    return [_joined(row) for row in rows]


def _words(text: str, room: int) -> Iterator[str]:
    """Yield words with the blanks after them, none longer than the room there is."""
    for word in re.findall(r" *[^ ]* *", text):
        rest = word
        while cells(rest.rstrip()) > room:
            head = _fitting(rest, room)
            yield head
            rest = rest[len(head) :]
        if rest:
            yield rest


def _fitting(text: str, room: int) -> str:
    taken = 0
    for n, char in enumerate(text):
        taken += _cells(char)
        if taken > room and n:
            return text[:n]
    return text


def _joined(row: list[Span]) -> Line:
    """Return a line with neighbours of one tone as one span, without blanks at its end."""
    *row, last = row
    row.append(Span(last.text.rstrip(), last.tone))
    runs = itertools.groupby(row, key=lambda span: span.tone)
    return tuple(Span("".join(span.text for span in run), tone) for tone, run in runs)


def columns(rows: Sequence[Sequence[Span]], *, widest: int = 60, gap: int = 3) -> list[Line]:
    """Return rows as aligned lines; a cell wider than widest is cropped, except the last one's."""
    if not rows:
        return []
    last = len(rows[0]) - 1
    cut = [[_cut(s, widest) if n < last else s for n, s in enumerate(row)] for row in rows]
    widths = [max(cells(row[n].text) for row in cut) for n in range(last + 1)]
    return [
        tuple(_padded(s, widths[n] + gap) if n < last else s for n, s in enumerate(row))
        for row in cut
    ]


def _cut(span: Span, width: int) -> Span:
    return Span(crop(span.text, width), span.tone)


def _padded(span: Span, width: int) -> Span:
    return Span(span.text + " " * (width - cells(span.text)), span.tone)


def age(since: datetime | None, now: datetime) -> str:
    """Return a time passed as kubectl writes ages: 12s, 9m5s, 127m, 6h45m, 2d13h; "" unknown."""
    if since is None:
        return ""
    passed = max(now - since, timedelta(0))
    seconds, minutes = int(passed.total_seconds()), passed // MINUTE
    if seconds < 120:  # noqa: PLR2004 - kubectl's own bounds, here and below
        return f"{seconds}s"
    if minutes < 10:  # noqa: PLR2004 - as above
        return f"{minutes}m{seconds % 60}s" if seconds % 60 else f"{minutes}m"
    if passed < 3 * HOUR:
        return f"{minutes}m"
    if passed < 8 * HOUR:
        return f"{passed // HOUR}h{minutes % 60}m" if minutes % 60 else f"{passed // HOUR}h"
    if passed < 2 * DAY:
        return f"{passed // HOUR}h"
    hours = passed // HOUR % 24
    return f"{passed.days}d{hours}h" if passed < 8 * DAY and hours else f"{passed.days}d"


def lasting(duration: timedelta) -> str:
    """Return a duration to the minute: 17h20m, 40m; to the second below two minutes."""
    seconds = max(0, int(duration.total_seconds()))
    if seconds < 120:  # noqa: PLR2004 - as kubectl does
        return f"{seconds}s"
    hours, minutes = divmod(seconds // 60, 60)
    return "".join((f"{hours}h" if hours else "", f"{minutes}m" if minutes else "")) or "0s"
