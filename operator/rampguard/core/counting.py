"""Counters of many processes become counts per arm in bins of time.

Raw counters are differenced one by one: a sum over processes falls when one of them restarts.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from rampguard.core.model import Arms, Evidence, Reading, Series

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


def folded(
    evidence: Evidence, told: Iterable[Delta], arms: Arms, size: timedelta, until: datetime
) -> Evidence:
    """Return evidence with what was counted up to an instant; its last bin may be open."""
    last = _bin(evidence, until, size)
    bins = [*evidence.bins, *(Reading() for _ in range(last + 1 - len(evidence.bins)))]
    for one in told:
        reading = {
            arms.control: Reading(control=one.grown),
            arms.treatment: Reading(treatment=one.grown),
        }.get(one.arm)
        if reading is not None and evidence.counted_to < one.at <= until:
            index = _bin(evidence, one.at, size)
            bins[index] += reading
    return _with(evidence, tuple(bins), until)


def closed(evidence: Evidence, size: timedelta) -> Evidence:
    """Return evidence without its open bin: what is remembered.

    Nothing of it is counted twice: counted_to is where the next look goes on. In a soak that is
    held for very long the last bin stays open, and all of it is remembered: memory is bounded.
    """
    whole = (evidence.counted_to - evidence.t0) // size
    if whole >= MOST:
        return evidence
    return _with(evidence, evidence.bins[:whole], evidence.t0 + whole * size)


def windows(bins: tuple[Reading, ...]) -> tuple[Reading, ...]:
    """Return what was counted from each onset to now."""
    sums: list[Reading] = []
    total = Reading()
    for reading in reversed(bins):
        total += reading
        sums.append(total)
    return tuple(reversed(sums)) or (Reading(),)


def _with(evidence: Evidence, bins: tuple[Reading, ...], to: datetime) -> Evidence:
    return Evidence(
        t0=evidence.t0,
        counted_to=to,
        bins=bins,
        breached=evidence.breached,
        blind_since=evidence.blind_since,
        blind_total=evidence.blind_total,
        unproven_since=evidence.unproven_since,
    )


def _bin(evidence: Evidence, at: datetime, size: timedelta) -> int:
    """Return the bin of an instant: what was counted up to a boundary lies before it."""
    return min(max(0, math.ceil((at - evidence.t0) / size) - 1), MOST - 1)


def _key(series: Series) -> Key:
    return frozenset(series.labels.items())


def _whole_looks(span: timedelta, look: timedelta) -> timedelta:
    return math.ceil(span / look) * look
