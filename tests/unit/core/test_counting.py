"""Counting: raw counters of many processes become counts per arm, in bins of time."""

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from rampguard.core.ask import Arms, PromQL
from rampguard.core.counting import (
    Delta,
    bases,
    bin_size,
    closed,
    deltas,
    folded,
    fresh,
    onsets,
    onsets_of,
    spacing,
    windows,
)
from rampguard.core.model import Evidence, Reading, Series
from rampguard.core.plan import Family
from scenes import DAY, HOUR, MINUTE, T, plan

VECTORS = json.loads((Path(__file__).parents[2] / "vectors/guardrails.json").read_text())
ARMS = Arms("tree", "list")
LOOK, BIN = timedelta(seconds=30), timedelta(minutes=2)
FRESH = Evidence(t0=T, counted_to=T)
NEW, LATE = Family(PromQL("assignments_total")), Family(PromQL("starts_total"), 2 * MINUTE)


def series(*values: float, pod: str = "a", arm: str = "list", first: int = 1) -> Series:
    """Return a counter with a point at each look from the n-th after T on."""
    points = tuple((T + (first + i) * LOOK, value) for i, value in enumerate(values))
    return Series({"pod": pod, "variant": arm}, points)


def holed(*points: tuple[int, float]) -> Series:
    """Return a counter with points at the looks told, and none between."""
    return Series({"pod": "a", "variant": "list"}, tuple((T + n * LOOK, v) for n, v in points))


def grown(
    now: tuple[Series, ...],
    before: tuple[Series, ...] = (),
    young: frozenset[str] = frozenset({"young"}),
) -> list[float]:
    return [one.grown for one in deltas(now, bases(before), "variant", young=young)]


def labelled(one: Series, **labels: str) -> Series:
    return replace(one, labels=dict(one.labels) | labels)


OLD = (series(100.0, first=0),)


# fmt: off
ROWS: dict[str, tuple[tuple[Series, ...], tuple[Series, ...], list[float]]] = {
    "a counter that grows": (OLD, (series(130, 131),), [30, 1]),
    "a counter that rests": (OLD, (series(100, 100),), [0, 0]),
    "a restart counts whole": (OLD, (series(7),), [7]),
    "a restart in the middle": (OLD, (series(110, 3, 5),), [10, 3, 2]),
    "a restart at zero loses nothing": (OLD, (series(0, 4),), [0, 4]),
    "a new pod counts from zero": (OLD, (series(110), series(12, pod="young")), [10, 12]),
    "a pod of unknown age brings a base": (
        OLD, (series(110, 111), series(12, 15, pod="b")), [10, 1, 3]),
    "a child of another status that goes takes nothing along": (
        (labelled(OLD[0], status="502"), labelled(OLD[0], status="500")),
        (labelled(series(103), status="500"),), [3]),
    "a process that came in the range: its later child counts from zero": (
        (), (series(900, 910), series(5, arm="tree", first=2)), [10, 5]),
    "another instance of a known pod brings a base": (
        OLD, (labelled(series(900, 910), instance="i"),), [10]),
    "of twins the fullest counts": (
        tuple(labelled(OLD[0], prometheus_replica=r) for r in "ab"),
        (labelled(series(110, 120), prometheus_replica="a"),
         labelled(series(107), prometheus_replica="b")), [10, 10]),
    "of twins the fullest counts, whichever is told first": (
        tuple(labelled(OLD[0], prometheus_replica=r) for r in "ab"),
        (labelled(series(107), prometheus_replica="b"),
         labelled(series(110, 120), prometheus_replica="a")), [10, 10]),
    "of twins as full one counts": (
        tuple(labelled(OLD[0], prometheus=r) for r in "ab"),
        (labelled(series(107), prometheus="b"), labelled(series(110), prometheus="a")), [7]),
    "a twin goes on from its own value, not from that of the other": (
        (labelled(OLD[0], prometheus="a"),),
        (labelled(series(40, 45), prometheus="b"),), [5]),
    "a twin that nobody knew in a young pod": (
        (labelled(series(9, pod="young", first=0), prometheus="a"),),
        (labelled(series(40, 45, pod="young"), prometheus="b"),), [5]),
    "a metric is told by its labels alone": (
        (labelled(OLD[0], __name__="a_total"),), (series(130),), [30]),
    "a late child counts from zero": (OLD, (series(110), series(12, arm="tree")), [10, 12]),
    "a pod that vanished adds nothing": (
        (*OLD, series(50, pod="b", first=0)), (series(110),), [10]),
    "a pod that came back goes on": (
        (*OLD, series(50, pod="b", first=0)), (series(100), series(55, pod="b", first=3)), [0, 5]),
    "a hole is bridged": (OLD, (holed((1, 110), (9, 150)),), [10, 40]),
    "of what nothing is known the first value is a base": ((), (series(900, 910),), [10]),
    "of two that come at once both first values are bases": (
        (), (series(900, 910), series(50, 51, arm="tree")), [10, 1]),
    "another instance of a young pod that comes later brings a base": (
        (), (series(5, pod="young"),
             labelled(series(900, 910, pod="young", first=2), instance="i")), [5, 10]),
    "another instance of a young pod that was known brings a base": (
        (series(5, pod="young", first=0),),
        (labelled(series(900, 910, pod="young"), instance="i"),), [10]),
    "a counter is told apart by any label": (
        tuple(labelled(series(v, first=0), Zone=z) for v, z in ((100, "x"), (7, "y"))),
        tuple(labelled(series(v), Zone=z) for v, z in ((101, "x"), (8, "y"))), [1, 1]),
    "nothing was asked": ((), (), []),
    "a series without a point": (OLD, (Series({"pod": "b"}, ()),), []),
}
# fmt: on


@pytest.mark.parametrize(("before", "now", "told"), ROWS.values(), ids=ROWS)
def test_each_history_of_a_counter_grows_as_it_should(before, now, told) -> None:
    assert grown(now, before) == told


@pytest.mark.parametrize("row", VECTORS["counters"], ids=lambda row: row["id"])
def test_counters_grow_as_in_the_vectors(row: dict) -> None:
    known: Mapping[str, float] = row["prev"]
    before = tuple(series(value, pod=pod, first=0) for pod, value in known.items())
    # Of C3 the pod began after T0; of C4 the process was there, its child was not.
    young = frozenset({"b"} if row["id"] == "C3" else ())
    if row["id"] == "C4":
        before = (*before, series(1, pod="b", arm="tree", first=0))
    now = tuple(series(value, pod=pod) for pod, value in row["now"].items())
    assert sum(grown(now, before, young)) == row["delta"]


def test_the_base_of_a_counter_is_its_last_value() -> None:
    (known,) = bases((series(3, 4, 5),)).values()
    assert known == 5


def test_a_counter_is_known_by_all_its_labels() -> None:
    before = (series(100, pod="a", first=0), series(7, pod="b", first=0))
    assert grown((series(8, pod="b"), series(101, pod="a")), before) == [1, 1]


def test_a_growth_bears_its_instant_and_its_arm() -> None:
    told = deltas((series(5, arm="tree"),), bases(OLD), "variant")
    assert told == (Delta(T + LOOK, "tree", 5),)


def test_a_series_without_the_arm_label_belongs_to_no_arm() -> None:
    bare = Series({"pod": "a"}, ((T + LOOK, 5.0),))
    assert [one.arm for one in deltas((bare,), bases(OLD), "variant")] == [""]


# --- bins


def fold(*told: tuple[float, str, float], since: Evidence = FRESH, until: float = 10) -> Evidence:
    """Fold growth at minutes after T."""
    growth = [Delta(T + m * MINUTE, arm, n) for m, arm, n in told]
    return folded(since, (growth,), (NEW,), ARMS, size=BIN, until=T + until * MINUTE)


def only(found: Evidence) -> tuple[Reading, ...]:
    """Return the bins of the one family that was counted."""
    (bins,) = found.counts
    return bins


def test_growth_falls_into_the_bin_of_its_instant_and_its_arm() -> None:
    found = fold((1, "list", 3), (1.5, "tree", 4), (9, "list", 5))
    assert only(found) == (
        Reading(control=4, treatment=3),
        Reading(),
        Reading(),
        Reading(),
        Reading(treatment=5),
    )
    assert found.counted_to == T + 10 * MINUTE


def test_what_is_counted_at_a_boundary_belongs_to_the_bin_that_ends_there() -> None:
    found = fold((2, "list", 1), (2.5, "list", 10), until=4)
    assert only(found) == (Reading(treatment=1), Reading(treatment=10))


def test_growth_up_to_what_was_counted_is_not_counted_again() -> None:
    since = replace(FRESH, counted_to=T + 2 * MINUTE, counts=((Reading(treatment=7),),))
    found = fold((1, "list", 100), (2, "list", 100), (3, "list", 1), since=since, until=4)
    assert only(found) == (Reading(treatment=7), Reading(treatment=1))


def test_growth_after_the_instant_asked_for_is_not_counted() -> None:
    found = fold((4, "list", 1), (4.5, "list", 100), until=4)
    assert windows(only(found))[0] == Reading(treatment=1)


def test_growth_before_t0_is_mixed_exposure_and_left_out() -> None:
    assert windows(only(fold((-1, "list", 100), (0, "list", 100), until=4)))[0] == Reading()


def test_an_arm_that_nobody_named_is_no_arm() -> None:
    whole = windows(only(fold((1, "grid", 5), (1, "", 5), (1, "zoo", 5))))[0]
    assert whole == Reading(other=15)
    assert (whole.total, whole.all) == (0, 15)


def test_growth_of_several_processes_in_one_bin_adds() -> None:
    found = fold((1, "list", 3), (1, "list", 4), (2, "tree", 1), until=2)
    assert only(found) == (Reading(1, 7),)


def test_later_bins_are_there_after_those_that_were() -> None:
    since = replace(FRESH, counted_to=T + 4 * MINUTE, counts=((Reading(1, 1), Reading(2, 2)),))
    assert only(fold((9, "list", 5), since=since, until=10)) == (
        *only(since),
        Reading(),
        Reading(),
        Reading(treatment=5),
    )


def test_bins_without_growth_are_there_all_the_same() -> None:
    assert only(fold(until=10)) == (Reading(),) * 5
    assert only(fold(until=9)) == (Reading(),) * 5
    assert only(fold(until=4)) == (Reading(),) * 2
    assert only(fold(until=0)) == (Reading(),)
    assert only(fold((3, "list", 1))) == (Reading(), Reading(treatment=1), *(Reading(),) * 3)


def test_what_a_lag_leaves_out_is_not_counted() -> None:
    growth = tuple(Delta(T + m * MINUTE, "list", 10**m) for m in (1, 2, 3))
    found = folded(FRESH, (growth,), (LATE,), ARMS, size=BIN, until=T + 4 * MINUTE)
    assert windows(only(found))[0] == Reading(treatment=1000)


def test_each_family_is_counted_or_none_is() -> None:
    with pytest.raises(ValueError, match="shorter"):
        folded(FRESH, (), (NEW,), ARMS, size=BIN, until=T + 4 * MINUTE)


def test_counting_keeps_all_else_that_the_evidence_says() -> None:
    told = replace(
        FRESH,
        breached=("share",),
        blind_since=T + MINUTE,
        blind_total=HOUR,
        unproven_since=T + 2 * MINUTE,
    )
    found = fold((1, "list", 3), since=told, until=4)
    for after in (found, closed(found, BIN)):
        assert replace(after, counts=(), counted_to=T) == told


def test_an_open_bin_is_not_remembered() -> None:
    found = closed(fold((1, "list", 3), (3, "list", 4), until=3), BIN)
    assert only(found) == (Reading(treatment=3),)
    assert found.counted_to == T + 2 * MINUTE


def test_a_bin_closes_at_its_end() -> None:
    assert closed(fold((1, "list", 3), until=2), BIN).counted_to == T + 2 * MINUTE
    assert closed(fold((1, "list", 3), until=1.9), BIN) == replace(FRESH, counts=((),))


def test_an_onset_sums_all_bins_from_it_to_now() -> None:
    bins = (Reading(1, 10), Reading(2, 20), Reading(3, 30))
    assert windows(bins) == (Reading(6, 60), Reading(5, 50), Reading(3, 30))
    assert windows(()) == (Reading(),)


# --- the length of a bin


@pytest.mark.parametrize(
    ("soak", "look", "size", "count"),
    [
        (MINUTE, LOOK, LOOK, 2),
        (10 * MINUTE, LOOK, LOOK, 20),
        (HOUR, LOOK, MINUTE, 60),
        (6 * HOUR, LOOK, 4 * MINUTE, 90),
        (8 * HOUR, LOOK, 5 * MINUTE, 96),
        (8 * HOUR + MINUTE, LOOK, timedelta(minutes=5, seconds=30), 88),
        (DAY, LOOK, 15 * MINUTE, 96),
        (72 * HOUR, LOOK, 15 * MINUTE, 288),
        (73 * HOUR, LOOK, timedelta(minutes=15, seconds=30), 283),
        (144 * HOUR, LOOK, 30 * MINUTE, 288),
        (720 * HOUR, LOOK, 150 * MINUTE, 288),
        (DAY, MINUTE, 15 * MINUTE, 96),
        (10 * MINUTE, MINUTE, MINUTE, 10),
        (timedelta(seconds=20), LOOK, LOOK, 1),
        (timedelta(0), LOOK, LOOK, 1),
    ],
)
def test_a_soak_has_bins_of_whole_looks(
    soak: timedelta, look: timedelta, size: timedelta, count: int
) -> None:
    assert spacing(look, soak) == size
    assert onsets(look, soak) == count
    assert size % look == timedelta(0)


@pytest.mark.parametrize("hours", [1, 5, 24, 71, 72, 73, 100, 500, 720])
def test_no_soak_has_more_bins_than_status_can_hold(hours: int) -> None:
    assert onsets(LOOK, hours * HOUR) <= 288


def test_bins_stay_as_long_as_they_were_at_t0() -> None:
    """A soak that is longer from now on, or looked at less often, keeps its grid."""
    short, long = plan(soak=HOUR), plan(soak=DAY)
    since = fresh(short, 0, T)
    assert since == Evidence(t0=T, counted_to=T, size=MINUTE, onsets=60)
    rarely = replace(long, tempo=replace(long.tempo, look=10 * MINUTE))
    for later in (short, long, rarely):
        assert (bin_size(later, 0, since), onsets_of(later, 0, since)) == (MINUTE, 60)


def test_evidence_that_names_no_grid_has_that_of_the_plan() -> None:
    long = plan(soak=DAY)
    assert (bin_size(long, 0, FRESH), onsets_of(long, 0, FRESH)) == (15 * MINUTE, 96)


def test_bins_of_a_soak_begin_at_its_t0() -> None:
    later: datetime = T + timedelta(seconds=17)
    since = Evidence(t0=later, counted_to=later)
    told = [Delta(later + BIN, "list", 1)]
    found = folded(since, (told,), (NEW,), ARMS, size=BIN, until=later + BIN)
    assert only(found) == (Reading(treatment=1),)


def test_a_soak_that_is_held_for_a_week_keeps_its_memory_bounded() -> None:
    held = FRESH
    for day in range(1, 8):
        until = T + day * DAY
        told = (Delta(until - MINUTE, "tree", 2.0), Delta(until, "list", 1.0))
        held = closed(folded(held, (told,), (NEW,), ARMS, size=MINUTE, until=until), MINUTE)
    assert len(only(held)) == 288
    assert windows(only(held))[0] == Reading(control=14.0, treatment=7.0)
    assert held.counted_to == T + 7 * DAY


@pytest.mark.parametrize("minutes", [288.5, 300.5])
def test_the_last_bin_of_a_soak_that_is_held_is_remembered_while_it_is_open(minutes) -> None:
    until = T + minutes * MINUTE
    told = (Delta(until, "list", 3.0),)
    held = folded(FRESH, (told,), (NEW,), ARMS, size=MINUTE, until=until)
    assert closed(held, MINUTE) == held


def test_other_families_than_were_counted_begin_at_nothing() -> None:
    """The operator came back with another lag: what was counted fits no family any more."""
    had = replace(FRESH, counts=((Reading(1, 1),),) * 3)
    assert fold((1, "list", 5), since=had).counts[0][0] == Reading(treatment=5)
