"""Counters of many processes become counts per arm in bins of time.

Raw counters are differenced one by one: a sum over processes falls when one of them restarts.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from rampguard.core.model import Arms, Evidence, Reading, Series
from rampguard.core.plan import Family

Key = frozenset[tuple[str, str]]
LONGEST = timedelta(minutes=15)  # of a bin
MOST = 288  # bins of a soak


@dataclass(frozen=True, slots=True)
class Delta:
    """By how much one counter grew up to an instant, since the point before."""

    at: datetime
    arm: str
    grown: float


def spacing(look: timedelta, soak: timedelta) -> timedelta:
    """Return the length of a bin: a whole number of looks, at most 15 min up to a soak of 72 h."""
    at_least = max(look, _whole_looks(soak / 96, look))
    return max(min(LONGEST, at_least), _whole_looks(soak / MOST, look))


def onsets(look: timedelta, soak: timedelta) -> int:
    """Return how many onsets a soak has: its start, and each later bin."""
    return max(1, math.ceil(soak / spacing(look, soak)))


def bases(series: Iterable[Series]) -> dict[Key, float]:
    """Return the last value of each counter, before what is to be counted."""
    return {_key(one): one.points[-1][1] for one in series if one.points}


def deltas(series: Iterable[Series], base: Mapping[Key, float], label: str) -> tuple[Delta, ...]:
    """Return by how much each counter grew, point by point.

    A value below the one before it is a restart: it counts whole. A counter that was not there
    before counts from 0 where others were (a new pod, a new child); where nothing was known at
    all, its first value is only a base. A counter that is absent for a while keeps its value.
    """
    told: list[Delta] = []
    for one in series:
        arm = one.labels.get(label, "")
        before = base.get(_key(one), 0.0 if base else None)
        for at, value in one.points:
            if before is not None:
                told.append(Delta(at, arm, value - before if value >= before else value))
            before = value
    return tuple(told)


def reading(delta: Delta, arms: Arms | None) -> Reading:
    """Return one growth as counts per arm; what names neither arm is of no arm."""
    if arms is not None and delta.arm == arms.control:
        return Reading(control=delta.grown)
    if arms is not None and delta.arm == arms.treatment:
        return Reading(treatment=delta.grown)
    return Reading(other=delta.grown)


def folded(  # noqa: PLR0913 - what was counted, of what, into which bins
    evidence: Evidence,
    told: Sequence[Iterable[Delta]],
    families: Sequence[Family],
    arms: Arms | None,
    *,
    size: timedelta,
    until: datetime,
) -> Evidence:
    """Return evidence with what was counted up to an instant; its last bin may be open.

    told[f]: the growth of the series of families[f].
    """
    length = _bin(evidence, until, size) + 1
    had = evidence.counts or ((),) * len(families)
    counts = tuple(
        _filled(
            evidence,
            bins,
            (d for d in one if d.at > evidence.t0 + of.skip),
            arms,
            size=size,
            until=until,
        )
        for bins, one, of in zip(had, told, families, strict=True)
    )
    padded = tuple((*bins, *(Reading() for _ in range(length - len(bins)))) for bins in counts)
    return replace(evidence, counts=padded, counted_to=until)


def _filled(  # noqa: PLR0913 - as folded, of one family
    evidence: Evidence,
    bins: tuple[Reading, ...],
    told: Iterable[Delta],
    arms: Arms | None,
    *,
    size: timedelta,
    until: datetime,
) -> tuple[Reading, ...]:
    filled = dict(enumerate(bins))
    for one in told:
        if evidence.counted_to < one.at <= until:
            index = _bin(evidence, one.at, size)
            filled[index] = filled.get(index, Reading()).plus(reading(one, arms))
    return tuple(filled.get(i, Reading()) for i in range(max(filled, default=-1) + 1))


def summed(told: Iterable[Delta], arms: Arms | None, after: datetime, until: datetime) -> Reading:
    """Return what was counted in (after, until]."""
    total = Reading()
    for one in told:
        if after < one.at <= until:
            total = total.plus(reading(one, arms))
    return total


def batches(  # noqa: PLR0913 - series, whose they are, and a range
    series: Iterable[Series],
    label: str,
    arms: Arms | None,
    *,
    start: datetime,
    end: datetime,
    step: timedelta,
) -> tuple[Reading, ...]:
    """Return what was counted in each step of a range, empty ones too.

    batches[i] holds what came in (start + i * step, start + (i + 1) * step].
    """
    told = tuple(one for one in series if one.points)
    first = min((one.points[0][0] for one in told), default=end)
    # A series counts from 0 if others were there before it: of the first it is not known.
    base = {_key(one): one.points[0][1] for one in told if one.points[0][0] == first}
    filled = [Reading()] * math.ceil((end - start) / step)
    for one in deltas(told, base, label):
        index = math.ceil((one.at - start) / step) - 1
        if 0 <= index < len(filled):
            filled[index] = filled[index].plus(reading(one, arms))
    return tuple(filled)


def closed(evidence: Evidence, size: timedelta) -> Evidence:
    """Return evidence without its open bin: what is remembered.

    Nothing of it is counted twice: counted_to is where the next look goes on. In a soak that is
    held for very long the last bin stays open, and all of it is remembered: memory is bounded.
    """
    whole = (evidence.counted_to - evidence.t0) // size
    if whole >= MOST:
        return evidence
    counts = tuple(bins[:whole] for bins in evidence.counts)
    return replace(evidence, counts=counts, counted_to=evidence.t0 + whole * size)


def windows(bins: tuple[Reading, ...]) -> tuple[Reading, ...]:
    """Return what was counted from each onset to now."""
    sums: list[Reading] = []
    total = Reading()
    for reading in reversed(bins):
        total = total.plus(reading)
        sums.append(total)
    return tuple(reversed(sums)) or (Reading(),)


def _bin(evidence: Evidence, at: datetime, size: timedelta) -> int:
    """Return the bin of an instant: what was counted up to a boundary lies before it."""
    return min(max(0, math.ceil((at - evidence.t0) / size) - 1), MOST - 1)


def _key(series: Series) -> Key:
    return frozenset(series.labels.items())


def _whole_looks(span: timedelta, look: timedelta) -> timedelta:
    return math.ceil(span / look) * look
