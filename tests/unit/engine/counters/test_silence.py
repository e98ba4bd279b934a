"""Counters: when what was counted cannot be known."""

from dataclasses import replace
from datetime import datetime

import pytest

from counter_scenes import (
    ALONE,
    COUNTER,
    ERRORS,
    MANY,
    PODS,
    REQUESTS,
    STARTS,
    counted,
    counters,
    serve,
    serve_all,
    silence,
    since,
    total,
    total_of,
    whole,
)
from fakes import FakeMetrics, Mood
from rampguard.core.ask import PromQL
from rampguard.core.model import Reading, Sample
from rampguard.engine.counters import (
    NothingSeenError,
    Pods,
    count,
    lately,
)
from rampguard.ports import BadQuery, Refused, Unavailable, World
from scenes import HOUR, MINUTE, SECOND, T

# --- what cannot be known


async def blindness(world: World, at: datetime) -> str:
    """Return why nothing can be counted up to an instant; nothing is."""
    found = await count(ALONE, since(T), at, world, PODS)
    assert whole(found.evidence) == [Reading()]
    ((selector, why),) = found.unheard.items()
    assert selector == COUNTER
    return why


async def blindly(world: World, at: datetime) -> str:
    """Return why what is there cannot be judged."""
    with pytest.raises(NothingSeenError) as blind:
        await silence(world, at)
    return str(blind.value)


@pytest.mark.parametrize(
    ("silent", "arm", "other"), [("tree", "tree", "list"), ("list", "list", "tree")]
)
async def test_a_silent_arm_is_named_and_is_no_zero(world, clock, metrics, *, silent, arm, other):
    serve(metrics, "api-1-a")
    metrics.hidden = lambda labels: labels["variant"] == silent
    clock.advance(MINUTE)
    assert await silence(world, clock.now()) == (
        f'no series with variant="{arm}" of a pod of the targets; there are: {other}'
    )


async def test_an_arm_at_zero_is_no_silence(world, clock, metrics):
    serve(metrics, "api-1-a", tree=1.0)
    clock.advance(10 * MINUTE)
    assert await total(world, since(T), clock.now()) == Reading(600, 0)
    assert await silence(world, clock.now()) == ""


async def test_nothing_at_all_is_silence(world, clock):
    told = "no series of a pod of the targets for assignments_total"
    assert await silence(world, clock.now()) == told
    assert await counters(world).silence(clock.now(), None) == told


async def test_only_strangers_are_told_apart_from_silence(world, clock, metrics):
    serve(metrics, "shop-1-a")
    clock.advance(MINUTE)
    assert await blindly(world, clock.now()) == (
        '2 series of assignments_total, none with the label "pod" of a pod of the targets'
    )
    assert await total(world, since(T), clock.now()) == Reading()


async def test_series_without_the_label_of_the_pod_are_strangers(world, clock, metrics):
    for arm in ("tree", "list"):
        metrics.count(COUNTER, 1.0, variant=arm, namespace="app", instance="10.0.0.1:80")
    clock.advance(MINUTE)
    assert "none with the label" in await blindly(world, clock.now())


async def test_a_counter_that_is_no_number_is_not_judged(world, clock, metrics):
    serve(metrics, "api-1-a")
    clock.advance(MINUTE)
    metrics.mood = Mood.NAN
    told = "a counter of assignments_total is NaN or infinite"
    assert await blindly(world, clock.now()) == await blindness(world, clock.now()) == told


async def test_a_counter_that_is_no_number_silences_nobody_else(world, clock, metrics):
    serve_all(metrics, "api-1-a")
    clock.advance(10 * MINUTE)
    real = metrics.span

    async def span(source, query, *asked):
        found = await real(source, query, *asked)
        if ERRORS not in query:
            return found
        return tuple(replace(s, points=((s.points[0][0], float("nan")),)) for s in found)

    metrics.span = span
    found = await count(MANY, since(T), clock.now(), world, PODS)
    assert found.unheard == {ERRORS: "a counter of errors_total is NaN or infinite"}
    assert total_of(found.evidence, ERRORS) == [Reading()]
    assert total_of(found.evidence, REQUESTS) == [Reading(3000, 3000)]


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
async def test_a_number_that_is_none_in_the_middle_of_a_range_is_not_judged(
    world, clock, metrics, value
):
    serve(metrics, "api-1-a")
    clock.advance(5 * MINUTE)
    real = metrics.span

    async def span(*asked):
        (one, *rest) = await real(*asked)
        points = [(at, value if n == 1 else v) for n, (at, v) in enumerate(one.points)]
        return (replace(one, points=tuple(points)), *rest)

    metrics.span = span
    told = "a counter of assignments_total is NaN or infinite"
    assert await blindness(world, clock.now()) == told


async def test_a_stranger_that_is_no_number_hinders_nobody(world, clock, metrics):
    serve(metrics, "api-1-a")
    serve(metrics, "api-1-b")
    clock.advance(MINUTE)
    real = metrics.instant

    async def instant(source, query, at):
        strange = {"pod": "shop-1-a", "variant": "tree"}
        return (*await real(source, query, at), Sample(strange, float("nan")))

    metrics.instant = instant
    assert (await total(world, since(T), clock.now())).total == 120


@pytest.mark.parametrize(
    ("mood", "error"),
    [(Mood.DOWN, Unavailable), (Mood.PARTIAL, Unavailable), (Mood.BAD_QUERY, BadQuery)],
)
async def test_what_prometheus_does_not_answer_is_passed_on(world, clock, metrics, mood, error):
    metrics.mood = mood
    with pytest.raises(error):
        await counted(ALONE, since(T - MINUTE), clock.now(), world, PODS)
    with pytest.raises(error):
        await silence(world, clock.now())
    with pytest.raises(error):
        await lately(ALONE, [PromQL(COUNTER)], clock.now(), world, PODS, began=T - HOUR)
    with pytest.raises(error):
        await counters(world).batches(clock.now(), 5 * MINUTE)
    assert issubclass(BadQuery, Refused)


# --- freshness: 3 scrapes of 15 s, of 80 % of the ready pods


def fleet(metrics: FakeMetrics, size: int = 10) -> Pods:
    """Let so many pods serve, all of them Ready."""
    names = [f"api-1-{n}" for n in range(size)]
    for name in names:
        serve(metrics, name)
    return Pods(families=frozenset({"api-1"}), ready=frozenset(names))


@pytest.mark.parametrize(
    ("stale", "age", "seen"),
    [
        (0, 0, True),
        (2, 46, True),
        (3, 46, False),
        (3, 45, True),
        (10, 45, True),
        (10, 46, False),
    ],
)
async def test_four_of_five_ready_pods_must_be_scraped_lately(world, metrics, stale, age, seen):
    pods, clock = fleet(metrics), metrics.clock
    clock.advance(MINUTE)
    metrics.late = {f"api-1-{n}": age * SECOND for n in range(stale)}
    assert await silence(world, clock.now(), pods) == (
        "" if seen else f"{10 - stale} of 10 pods were scraped within 45s"
    )


@pytest.mark.parametrize(("hidden", "seen"), [(2, True), (3, False)])
async def test_a_ready_pod_that_is_not_scraped_at_all_is_missing(
    world, clock, metrics, hidden, seen
):
    pods = fleet(metrics)
    clock.advance(MINUTE)
    gone = {f"api-1-{n}" for n in range(hidden)}
    metrics.hidden = lambda labels: labels["pod"] in gone
    assert await silence(world, clock.now(), pods) == (
        "" if seen else "7 of 10 pods were scraped within 45s"
    )


async def test_a_tier_that_exports_nothing_is_not_waited_for(world, clock, metrics):
    pods = fleet(metrics)
    quiet = frozenset(f"worker-1-{n}" for n in range(20))
    both = Pods(families=pods.families | {"worker-1"}, ready=pods.ready | quiet)
    clock.advance(MINUTE)
    assert await silence(world, clock.now(), both) == ""


async def test_a_tier_that_exported_and_falls_silent_is_missed(world, clock, metrics):
    """Nine of ten exporting pods went from Prometheus an hour ago: the tenth is not all."""
    serve(metrics, "worker-1-x")
    old = serve(metrics, "api-1-a")
    ready = frozenset({"worker-1-x", *(f"api-1-{n}" for n in "abcdefghi")})
    known = {PromQL(COUNTER): ("api", "worker")}
    pods = Pods(frozenset({"api-1", "worker-1"}), ready, exporters=known)
    clock.advance(HOUR)
    for one in old:
        one.ended = clock.now()
    clock.advance(HOUR)
    told = "1 of 10 pods were scraped within 45s"
    assert await silence(world, clock.now(), pods) == told
    assert await silence(world, clock.now(), replace(pods, exporters={})) == ""


async def test_exporters_are_the_deployments_of_which_some_pod_exports(world, clock, metrics):
    serve(metrics, "worker-1-x")
    for pod in ("api-1-a", "api-0-b", "shop-1-a"):
        serve(metrics, pod)
    clock.advance(MINUTE)
    assert await counters(world).exporters(clock.now()) == ("api", "worker")
    assert await counters(world, selector=STARTS).exporters(clock.now()) == ()


async def test_pods_that_left_are_not_waited_for(world, clock, metrics):
    pods = fleet(metrics)
    clock.advance(MINUTE)
    metrics.late = {f"api-1-{n}": HOUR for n in range(5, 10)}
    left = replace(pods, ready=frozenset(f"api-1-{n}" for n in range(5)))
    assert await silence(world, clock.now(), left) == ""


async def test_of_the_past_it_is_not_known_who_was_ready(world, clock, metrics):
    pods = fleet(metrics, size=1)
    clock.advance(HOUR)
    many = replace(pods, ready=pods.ready | {f"api-1-{n}" for n in range(1, 9)})
    assert await silence(world, clock.now() - MINUTE - SECOND, many) == ""
    assert "1 of 9 pods" in await silence(world, clock.now() - MINUTE, many)


async def test_of_the_past_somebody_at_least_was_scraped(world, clock, metrics):
    pods = fleet(metrics)
    clock.advance(HOUR)
    metrics.late = {f"api-1-{n}": MINUTE for n in range(10)}
    told = "0 of the pods were scraped within 45s"
    assert await silence(world, clock.now() - 30 * MINUTE, pods) == told


async def test_of_arms_only_plain_names_are_told(world, clock, metrics):
    """They are shown where people click on what they see."""
    place = {"namespace": "app", "instance": "api-1-a", "pod": "api-1-a"}
    for arm in ("tree", "Blue_2", "[free](http://evil.example)", "a" * 33):
        metrics.count(COUNTER, 1.0, variant=arm, **place)
    clock.advance(MINUTE)
    assert await silence(world, clock.now()) == (
        'no series with variant="list" of a pod of the targets; there are: Blue_2, tree'
    )
