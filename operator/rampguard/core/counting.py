"""Counters of many processes become counts per arm in bins of time.

Raw counters are differenced one by one: a sum over processes falls when one of them restarts.
"""

import math
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from rampguard.core.ask import Arms
from rampguard.core.model import Evidence, Reading, Series
from rampguard.core.plan import Family, Plan

Key = frozenset[tuple[str, str]]
Process = tuple[str, str, str]  # pod, instance and job: what Prometheus calls a target
LONGEST = timedelta(minutes=15)  # of a bin
MOST = 288  # bins of a soak
REPLICA = ("prometheus", "prometheus_replica")  # labels of servers that scrape the same pods


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


def fresh(plan: Plan, step: int, t0: datetime) -> Evidence:
    """Return the evidence of a soak that begins; its grid stays, whatever the plan says later."""
    look, soak = plan.tempo.look, plan.soaks[step]
    return Evidence(t0=t0, counted_to=t0, size=spacing(look, soak), onsets=onsets(look, soak))


def bin_size(plan: Plan, step: int, evidence: Evidence) -> timedelta:
    """Return the length of the bins of a soak."""
    return evidence.size or spacing(plan.tempo.look, plan.soaks[step])


def onsets_of(plan: Plan, step: int, evidence: Evidence) -> int:
    """Return how many onsets a soak is to have."""
    return evidence.onsets or onsets(plan.tempo.look, plan.soaks[step])


def bases(series: Iterable[Series]) -> dict[Key, float]:
    """Return the last value of each counter, before what is to be counted."""
    return {_key(one): one.points[-1][1] for one in series if one.points}


def deltas(
    series: Iterable[Series],
    base: Mapping[Key, float],
    label: str,
    *,
    young: Container[str] = frozenset(),
    pod: str = "pod",
) -> tuple[Delta, ...]:
    """Return by how much each raw counter grew, point by point; of twins from replicas one counts.

    A value below the one before it is a restart: it counts whole. A counter that was not there
    before counts from 0 if its process was, or if its pod is young (all it ever counted belongs
    here) and no other process of that pod was seen earlier: this may be that one, labelled anew.
    Else its first value is only a base. One that is absent for a while keeps its value.
    """
    told: list[Delta] = []
    known = _Known(base, chosen := _one_of_twins(series), pod, young)
    for one in chosen:
        arm, before = one.labels.get(label, ""), known.before(one)
        for at, value in one.points:
            if before is not None:
                told.append(Delta(at, arm, value - before if value >= before else value))
            before = value
    return tuple(told)


class _Known:
    """What was known of counters and of their processes before a range."""

    def __init__(
        self,
        base: Mapping[Key, float],
        series: Iterable[Series],
        pod: str,
        young: Container[str],
    ) -> None:
        self._base, self._pod, self._young = base, pod, young
        self._twins = {_without_replica(key) for key in base}
        self._processes = {self._process(dict(key)) for key in base}
        self._pods = {name for name, *_ in self._processes}
        self._seen: dict[Process, datetime] = {}
        self._first: dict[str, datetime] = {}  # of any process of a pod
        for one in series:
            process, at = self._process(one.labels), one.points[0][0]
            self._seen[process] = min(at, self._seen.get(process, at))
            self._first[process[0]] = min(at, self._first.get(process[0], at))

    def before(self, one: Series) -> float | None:
        """Return the value that a counter's first point grew from; None: nobody knows."""
        key, process = _key(one), self._process(one.labels)
        if key in self._base:
            return self._base[key]
        if _without_replica(key) in self._twins:
            return None  # the other replica's value is none of this one's
        is_child = process in self._processes or one.points[0][0] > self._seen[process]
        return 0.0 if is_child or self._is_young(process) else None

    def _is_young(self, process: Process) -> bool:
        """Say whether all that a process ever counted belongs here."""
        pod = process[0]
        is_first = pod not in self._pods and self._seen[process] == self._first[pod]
        return pod in self._young and is_first

    def _process(self, labels: Mapping[str, str]) -> Process:
        return labels.get(self._pod, ""), labels.get("instance", ""), labels.get("job", "")


def _one_of_twins(series: Iterable[Series]) -> tuple[Series, ...]:
    """Return one series of those that differ in the replica of Prometheus alone: the fullest."""
    best: dict[Key, Series] = {}
    for one in series:
        twin = best.get(_without_replica(_key(one)))
        if one.points and (twin is None or _rank(one) > _rank(twin)):
            best[_without_replica(_key(one))] = one
    return tuple(best.values())


def _rank(one: Series) -> tuple[int, list[tuple[str, str]]]:
    return len(one.points), sorted(one.labels.items())


def _without_replica(key: Key) -> Key:
    return frozenset((name, value) for name, value in key if name not in REPLICA)


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
    # Another lag in the configuration makes other families: what was counted for those is void.
    same = len(evidence.counts) == len(families)
    had = evidence.counts if same else ((),) * len(families)
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
    young: Container[str] = frozenset(),
    pod: str = "pod",
) -> tuple[Reading, ...]:
    """Return what was counted in each step of a range, empty ones too.

    batches[i] holds what came in (start + i * step, start + (i + 1) * step].
    """
    filled = [Reading()] * math.ceil((end - start) / step)
    for one in deltas(series, {}, label, young=young, pod=pod):
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
    return frozenset((k, v) for k, v in series.labels.items() if k != "__name__")


def _whole_looks(span: timedelta, look: timedelta) -> timedelta:
    return math.ceil(span / look) * look
