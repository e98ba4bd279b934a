"""Counters: the last two minutes, and the day before a ramp in batches."""

from dataclasses import replace
from datetime import timedelta

import pytest

from counter_scenes import (
    COUNTER,
    ERRORS,
    MANY,
    PODS,
    REQUESTS,
    SELECTOR,
    counters,
    serve,
    serve_all,
)
from fakes import Mood
from rampguard.core.ask import PromQL
from rampguard.core.model import Reading
from rampguard.engine.counters import (
    NothingSeenError,
    Pods,
    lately,
)
from rampguard.ports import World
from scenes import DAY, HOUR, MINUTE, SECOND, T

# --- lately: 120 s up to a look, and up to the look before


async def test_lately_is_two_minutes_up_to_a_look_and_up_to_the_one_before(world, clock, metrics):
    serve_all(metrics, "api-1-a")
    clock.advance(5 * MINUTE)
    for one in metrics.counters.values():
        if one.labels["__name__"] == ERRORS:
            one.turn(clock.now(), 2.0)
    clock.advance(30 * SECOND)
    names = [PromQL(ERRORS), PromQL(REQUESTS)]
    found = await lately(MANY, names, clock.now(), world, PODS, began=T)
    assert found == {
        ERRORS: (Reading(other=60 + 9), Reading(other=12)),
        REQUESTS: (Reading(600, 600), Reading(600, 600)),
    }


async def test_lately_asks_each_selector_once_over_two_minutes_and_a_look(world, clock, metrics):
    serve_all(metrics, "api-1-a")
    clock.advance(5 * MINUTE)
    await lately(MANY, [PromQL(ERRORS)], clock.now(), world, PODS, began=T)
    before, at = T + 2 * MINUTE + 30 * SECOND, clock.now()
    assert metrics.spans == [(before + 30 * SECOND, at, 30 * SECOND)]
    assert [asked for query, asked in metrics.asked if "last_over_time" in query] == [before]


async def test_a_pod_that_starts_to_fail_counts_lately_from_zero(world, clock, metrics):
    """A counter of errors begins with the first of them: others were there before it."""
    serve_all(metrics, "api-1-a")
    clock.advance(5 * MINUTE)
    metrics.count(ERRORS, 4.0, namespace="app", instance="api-1-b", pod="api-1-b")
    clock.advance(MINUTE)
    found = await lately(MANY, [PromQL(ERRORS)], clock.now(), world, PODS, began=T)
    assert found[ERRORS] == (Reading(other=12 + 240), Reading(other=12 + 120))


async def test_lately_of_nothing_is_nothing(world, clock, metrics):
    assert await lately(MANY, [], clock.now(), world, PODS, began=T) == {}
    clock.advance(MINUTE)
    assert await lately(MANY, [], clock.now(), world, PODS, began=T) == {}
    assert metrics.asked == []
    found = await lately(MANY, [PromQL(ERRORS)], clock.now(), world, PODS, began=T)
    assert found == {ERRORS: (Reading(), Reading())}


async def test_lately_nothing_counts_from_before_it_began(world, clock, metrics):
    """Errors that ended before the write are not of the write."""
    serve_all(metrics, "api-1-a")
    clock.advance(5 * MINUTE)
    began, names = clock.now(), [PromQL(ERRORS)]
    for looks in (0, 1, 1.9):
        at = began + looks * 30 * SECOND
        clock.advance(max(at - clock.now(), timedelta(0)))
        assert await lately(MANY, names, at, world, PODS, began=began) == {}
    clock.advance(began + MINUTE - clock.now())
    found = await lately(MANY, names, clock.now(), world, PODS, began=began)
    assert found == {ERRORS: (Reading(other=6), Reading(other=3))}


# --- batches: 24 h before the ramp

BATCHES = 288


async def batches(world: World, selector: str = COUNTER, pods: Pods = PODS) -> tuple[Reading, ...]:
    """Return what was counted in each 5 min of the day up to now."""
    asked = counters(world, pods, selector=selector)
    found = await asked.batches(world.clock.now(), 5 * MINUTE)
    assert len(found) == BATCHES
    return found


async def test_a_day_before_is_counted_in_batches_of_five_minutes(world, clock, metrics):
    serve(metrics, "api-1-a", tree=0.4)
    clock.advance(2 * DAY)
    assert await batches(world) == (Reading(120, 180),) * BATCHES
    assert metrics.spans == [(T + DAY, T + 2 * DAY, 5 * MINUTE)]
    assert [query for query, _ in metrics.asked] == [SELECTOR]


async def test_batches_may_be_finer(world, clock, metrics):
    serve(metrics, "api-1-a")
    clock.advance(2 * DAY)
    found = await counters(world).batches(clock.now(), 30 * SECOND)
    assert found == (Reading(15, 15),) * 2880


async def test_what_was_counted_before_the_day_is_only_a_base(world, clock, metrics):
    serve(metrics, "api-1-a", both=100.0)
    clock.advance(DAY)
    for one in metrics.counters.values():
        one.turn(clock.now(), 0.5)
    clock.advance(DAY)
    assert sum(one.total for one in await batches(world)) == DAY.total_seconds()


async def test_the_first_value_of_a_counter_that_is_younger_is_only_a_base(world, clock, metrics):
    """Nobody knows how old it was when it was first seen."""
    clock.advance(DAY)
    serve(metrics, "api-1-a")
    clock.advance(HOUR)
    found = await batches(world)
    assert found[:276] == (Reading(),) * 276
    assert found[276:] == (Reading(150, 150),) * 12


async def test_a_pod_that_starts_in_the_middle_of_the_day_counts_from_zero(world, clock, metrics):
    serve(metrics, "api-1-a")
    clock.advance(DAY + 12 * HOUR + 100 * SECOND)
    serve(metrics, "api-1-b")
    clock.advance(12 * HOUR - 100 * SECOND)
    pods = replace(PODS, started={"api-1-b": T + DAY + 12 * HOUR + 90 * SECOND})
    found = await batches(world, pods=pods)
    assert found[:144] == (Reading(150, 150),) * 144
    assert found[144] == Reading(150 + 100, 150 + 100)
    assert found[145:] == (Reading(300, 300),) * 143
    assert (await batches(world))[144] == Reading(150, 150)  # nobody knows when it began


@pytest.mark.parametrize("age", [timedelta(0), 5 * MINUTE + 46 * SECOND, 3 * HOUR, 30 * DAY])
async def test_pods_that_prometheus_found_late_bring_no_old_counts(world, clock, metrics, age):
    """Both have run for days at five times the errors; Prometheus knows them for three hours."""
    clock.advance(DAY)
    first = clock.now() + 21 * HOUR + 5 * MINUTE
    for n, pod in enumerate(("api-0-a", "api-0-b")):
        place = {"namespace": "app", "instance": pod, "pod": pod}
        one = metrics.count(ERRORS, 0.01, **place)
        one.knots = [(first - n * 5 * MINUTE, 129_600.0, 0.01)]
    clock.advance(DAY)
    ran = {f"api-0-{n}": first - 5 * MINUTE - age for n in "ab"} if age else {}
    found = sum(one.all for one in await batches(world, ERRORS, replace(PODS, started=ran)))
    assert found == pytest.approx(0.01 * (6 * HOUR - 5 * MINUTE).total_seconds(), abs=6)


async def test_a_restart_within_the_day_counts_whole(world, clock, metrics):
    """What was counted between the last point and the restart is lost, and nothing else."""
    first = serve(metrics, "api-1-a")
    clock.advance(DAY + 12 * HOUR + 100 * SECOND)
    for one in first:
        one.knots.append((clock.now(), 0.0, 0.5))
    clock.advance(12 * HOUR - 100 * SECOND)
    found = await batches(world)
    assert found[144] == Reading(100, 100)
    assert {*found[:144], *found[145:]} == {Reading(150, 150)}


async def test_batches_are_of_our_pods_and_of_all_arms(world, clock, metrics):
    serve_all(metrics, "api-1-a")
    serve_all(metrics, "shop-1-a")
    clock.advance(2 * DAY)
    assert await batches(world, ERRORS) == (Reading(other=30),) * BATCHES


async def test_a_day_that_nobody_counted_is_empty(world, clock):
    clock.advance(2 * DAY)
    assert await batches(world) == (Reading(),) * BATCHES


async def test_a_day_with_a_number_that_is_none_is_not_judged(world, clock, metrics):
    serve(metrics, "api-1-a")
    clock.advance(DAY)
    metrics.mood = Mood.NAN
    with pytest.raises(NothingSeenError, match="a counter of assignments_total is NaN or infinite"):
        await batches(world)
