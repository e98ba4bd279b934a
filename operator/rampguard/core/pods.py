"""Who runs which value: the pods of one Deployment become its coverage."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import assert_never

from rampguard.core.ask import EnvValue
from rampguard.core.durations import show_duration
from rampguard.core.model import Coverage, Entry, EntryKind, Lag
from rampguard.core.targets import carries, show

SECOND = timedelta(seconds=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pod:
    """One pod of a Deployment that may serve: neither Succeeded nor Failed."""

    name: str
    current: bool  # its ReplicaSet is the one that the Deployment wants now
    runs: Entry  # the variable in its container; of several entries the last, which counts
    ready: bool
    since: datetime | None = None  # when ready last changed; None: unknown
    deleting: bool = False
    trouble: str = ""  # what is said to keep it from being ready; empty: nothing is said


@dataclass(frozen=True, slots=True, kw_only=True)
class Fleet:
    """The pods of a Deployment, and what it wants of them."""

    desired: int
    pods: tuple[Pod, ...] = ()
    settled: bool = True  # the Deployment controller has seen the current template
    min_ready: timedelta = timedelta(0)
    not_created: str = ""  # why pods cannot be created; empty: nothing is said


def coverage(
    fleet: Fleet,
    wanted: EnvValue | None,
    *,
    now: datetime,
    ours: Collection[EnvValue] = (),
    min_pods: int = 1,
) -> Coverage:
    """Say which pods are proven on the wanted value, and which stand in the way and why.

    wanted None: the variable must be absent. ours: every value of the ramp; a pod that still runs
    one of them, other than the wanted one, is left over. A pod of the current ReplicaSet that
    leaves with the right value, as when the fleet shrinks, neither proves nor hinders.
    """
    right = [p for p in fleet.pods if p.current and carries(p.runs, wanted)]
    wrong = [p for p in fleet.pods if not (p.current and carries(p.runs, wanted))]
    staying = [p for p in right if not p.deleting]
    late = {p.name: why for p in staying if (why := _unready(p, fleet.min_ready, now))}
    return Coverage(
        desired=fleet.desired,
        proven=len(staying) - len(late),
        others=len(wrong),
        lagging=(
            *(Lag(name, why) for name, why in sorted(late.items())),
            *_missing(fleet, len(staying)),
            *(Lag(p.name, _in_the_way(p, wanted)) for p in _by_name(wrong)),
        ),
        off_value_ready=tuple(
            p.name for p in _by_name(wrong) if p.ready and not carries(p.runs, wanted)
        ),
        settled=fleet.settled,
        leftovers=tuple(
            Lag(p.name, _in_the_way(p, wanted)) for p in _by_name(wrong) if _left(p, wanted, ours)
        ),
        min_pods=min_pods,
    )


def _unready(pod: Pod, min_ready: timedelta, now: datetime) -> str:
    """Say why a pod on the right value is not proven; empty: it is."""
    waited = None if pod.since is None else max(now - pod.since, timedelta(0)) // SECOND * SECOND
    if pod.ready:
        if not min_ready or (waited is not None and waited >= min_ready):
            return ""
        known = "an unknown time" if waited is None else show_duration(waited)
        return f"Ready for {known} of {show_duration(min_ready)}"
    if pod.trouble:
        return pod.trouble
    return "NotReady" if waited is None else f"NotReady {show_duration(waited)}"


def _in_the_way(pod: Pod, wanted: EnvValue | None) -> str:
    """Say what a pod off the value, or of another ReplicaSet, runs and does."""
    runs = _runs(pod.runs) + ("" if pod.current else ", old ReplicaSet")
    if carries(pod.runs, wanted):
        runs = "not of the current ReplicaSet"
    doing = "terminating" if pod.deleting else "" if pod.ready else "not Ready"
    return ", ".join(part for part in (doing, pod.trouble, runs) if part)


def _runs(entry: Entry) -> str:
    match entry.kind:
        case EntryKind.LITERAL:
            return f"runs {show(entry.value)}"
        case EntryKind.ABSENT:
            return "runs without the variable"
        case EntryKind.VALUE_FROM:
            return "runs a valueFrom"
        case EntryKind.DUPLICATE:
            return "has several entries"
        case other:
            assert_never(other)


def _missing(fleet: Fleet, there: int) -> tuple[Lag, ...]:
    """Name the pods that cannot even be created."""
    missing = fleet.desired - there
    if missing <= 0 or not fleet.not_created:
        return ()
    return (Lag(f"{missing} more", f"not created: {fleet.not_created}"),)


def _left(pod: Pod, wanted: EnvValue | None, ours: Collection[EnvValue]) -> bool:
    """Say whether a pod runs a value of the ramp that should be gone."""
    value = pod.runs.value if pod.runs.kind is EntryKind.LITERAL else None
    return value is not None and value in ours and value != wanted


def _by_name(pods: Collection[Pod]) -> list[Pod]:
    return sorted(pods, key=lambda pod: pod.name)
