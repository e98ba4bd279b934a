"""New exposures over time, in a few slices."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import accumulate

from rampguard.core.analytics.tally import FIRST, Cell, Tally

SKEW = timedelta(minutes=5)  # by how much a clock may be ahead
SLICES = 12
MANY = 100  # exposures, of which one at an end may be left out
RARE = 0.001  # of all exposures: so few at an end are no part of the picture
WIDTHS = (
    *(timedelta(minutes=minutes) for minutes in (1, 2, 5, 10, 15, 30, 60, 120, 180, 360, 720)),
    *(timedelta(days=days) for days in (1, 2, 7, 28, 84, 364)),
)


@dataclass(frozen=True, slots=True)
class Slice:
    """New exposures in [start, start + width of the slices), arm by arm."""

    start: datetime
    exposures: tuple[int, ...]


def ahead(tally: Tally, now: datetime) -> int:
    """Return the exposures of a time that is still to come."""
    first = (now + SKEW - FIRST) // tally.width
    return sum(sum(span) for index, span in tally.spans.items() if index > first)


def sliced(
    tally: Tally, cells: Sequence[Cell], arms: Sequence[str]
) -> tuple[timedelta, tuple[Slice, ...]]:
    """Return slices and their width; none where exposures are too far apart."""
    drawn = {one.number: arms.index(one.kind[1]) for one in cells if not one.cookie}
    counts = {
        index: [(arm, span[cell]) for cell, arm in drawn.items() if span[cell]]
        for index, span in sorted(tally.spans.items())
    }
    shown = _common([(index, sum(n for _, n in found)) for index, found in counts.items() if found])
    width = _width(shown, tally.width)
    if width is None:
        return tally.width, ()
    first, last = (index * tally.width // width for index in (shown[0], shown[-1]))
    slices = [[0] * len(arms) for _ in range(last - first + 1)]
    for index in shown:
        for arm, count in counts[index]:
            slices[index * tally.width // width - first][arm] += count
    starts = (FIRST + (first + i) * width for i in range(len(slices)))
    return width, tuple(map(Slice, starts, map(tuple, slices)))


def _common(counts: Sequence[tuple[int, int]]) -> list[int]:
    """Return the spans without the rare ones at both ends: those of clocks that are wrong."""
    total = sum(count for _, count in counts)
    few = max(RARE * total, 1) if total > MANY else 0
    first = _skipped([count for _, count in counts], few)
    last = len(counts) - _skipped([count for _, count in reversed(counts)], few)
    return [index for index, _ in counts[first:last]]


def _skipped(counts: Sequence[int], few: float) -> int:
    return sum(total <= few for total in accumulate(counts))


def _width(shown: Sequence[int], of: timedelta) -> timedelta | None:
    """Return the least width with which the spans, each `of` so long, are few slices."""
    for width in WIDTHS if shown else ():
        if not width % of and shown[-1] * of // width - shown[0] * of // width < SLICES:
            return width
    return None
