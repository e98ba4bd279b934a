"""What is counted is what grew, whatever processes and scrapes do."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from rampguard.core.ask import Arms, PromQL
from rampguard.core.counting import bases, closed, deltas, folded, windows
from rampguard.core.model import Evidence, Series
from rampguard.core.plan import Family

T0 = datetime(2026, 11, 23, 12, tzinfo=UTC)
STEP, SIZE = timedelta(seconds=30), timedelta(minutes=2)
ARMS = Arms("tree", "list")
FAMILY = Family(PromQL("assignments_total"))
# One process: how much it counts in each step, and the steps before which it restarts at 0.
GROWTH = st.lists(st.integers(0, 1000), min_size=1, max_size=20)
PROCESSES = st.lists(
    st.tuples(st.sampled_from(("tree", "list")), GROWTH, st.sets(st.integers(1, 20))),
    min_size=1,
    max_size=4,
)


def counters(processes: list) -> tuple[tuple[Series, ...], dict[str, float]]:
    """Return the counters of processes, each growing after its restart, and what they counted."""
    series, grown = [], {"tree": 0.0, "list": 0.0}
    for index, (arm, steps, restarts) in enumerate(processes):
        value, points = 1000.0, [(T0, 1000.0)]
        for n, step in enumerate(steps, 1):
            # A restart is seen only where the counter stands lower than before.
            restarted = n in restarts and step < value
            value = step if restarted else value + step
            grown[arm] += step
            points.append((T0 + n * STEP, float(value)))
        series.append(Series({"pod": f"p{index}", "variant": arm}, tuple(points)))
    return tuple(series), grown


def count(series: tuple[Series, ...], evidence: Evidence, until: datetime) -> Evidence:
    """Return evidence after a look: bases up to what is counted, points after it."""
    since = evidence.counted_to
    base = bases(
        Series(one.labels, tuple(p for p in one.points if p[0] <= since)) for one in series
    )
    later = tuple(
        Series(one.labels, tuple(p for p in one.points if since < p[0] <= until)) for one in series
    )
    told = (deltas(later, base, "variant"),)
    return folded(evidence, told, (FAMILY,), ARMS, size=SIZE, until=until)


def total(evidence: Evidence) -> dict[str, float]:
    (bins,) = evidence.counts
    whole = windows(bins)[0]
    return {"tree": whole.control, "list": whole.treatment}


NEW = Evidence(t0=T0, counted_to=T0)
END = T0 + 20 * STEP


@given(PROCESSES)
def test_the_sum_of_deltas_is_the_growth_under_restarts(processes) -> None:
    series, grown = counters(processes)
    assert total(count(series, NEW, END)) == grown


@given(PROCESSES, st.lists(st.integers(1, 19), max_size=6).map(sorted))
def test_nothing_is_counted_twice_or_lost_between_looks(processes, looks) -> None:
    series, grown = counters(processes)
    evidence = NEW
    for n in looks:
        evidence = closed(count(series, evidence, T0 + n * STEP), SIZE)
    assert total(count(series, evidence, END)) == grown


@given(PROCESSES, st.integers(0, 20))
def test_looking_again_gives_the_same(processes, n) -> None:
    series, _ = counters(processes)
    once = count(series, NEW, T0 + n * STEP)
    assert count(series, NEW, T0 + n * STEP) == once
    assert closed(closed(once, SIZE), SIZE) == closed(once, SIZE)


@given(PROCESSES, st.sets(st.integers(1, 19)))
def test_scrapes_that_are_missing_lose_nothing_of_a_counter_that_lives(processes, missing) -> None:
    series, grown = counters([(arm, steps, set()) for arm, steps, _ in processes])
    thinned = tuple(
        Series(
            one.labels,
            tuple(
                point
                for n, point in enumerate(one.points)
                if n not in missing or n == len(one.points) - 1
            ),
        )
        for one in series
    )
    assert total(count(thinned, NEW, END)) == grown


@given(PROCESSES)
def test_points_that_come_twice_count_once(processes) -> None:
    series, grown = counters(processes)
    twice = tuple(Series(s.labels, tuple(p for p in s.points for _ in range(2))) for s in series)
    assert total(count(twice, NEW, END)) == grown


@given(PROCESSES)
def test_no_bin_is_negative_and_windows_only_shrink(processes) -> None:
    (bins,) = count(counters(processes)[0], NEW, END).counts
    assert all(one.control >= 0 and one.treatment >= 0 for one in bins)
    sums = [one.total for one in windows(bins)]
    assert sums == sorted(sums, reverse=True)
