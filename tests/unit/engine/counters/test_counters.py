"""Counters: whom is asked, and what the pods of the targets counted."""

from dataclasses import replace
from datetime import timedelta

import pytest

from counter_scenes import (
    ALONE,
    COUNTER,
    ERRORS,
    MANY,
    PODS,
    RATE,
    READY,
    REQUESTS,
    SELECTOR,
    STARTS,
    counted,
    counters,
    every,
    serve,
    serve_all,
    silence,
    since,
    total,
    total_of,
    watched,
    whole,
)
from rampguard.core.ask import PromQL
from rampguard.core.counting import closed, fresh, windows
from rampguard.core.model import Reading
from rampguard.engine.counters import (
    Pods,
)
from rampguard.ports import Unavailable
from scenes import DAY, HOUR, MINUTE, SECOND, SHARE, T, plan, soaking

# --- whom it asks


def test_the_query_is_of_every_series_in_our_namespace(world):
    assert counters(world).query == SELECTOR


def test_the_labels_of_the_operator_shape_the_query(world):
    rules = replace(world.rules, namespace_label="kubernetes_namespace", pod_label="pod_name")
    metrics = replace(ALONE.ask.metrics, arm_label="arm")
    asked = replace(ALONE, ask=replace(ALONE.ask, metrics=metrics))
    told = counters(replace(world, rules=rules), of=asked).query
    assert told == 'assignments_total{kubernetes_namespace="app"}'


async def test_the_source_that_the_ramp_names_is_asked(world):
    metrics = replace(ALONE.ask.metrics, source="long-term")
    asked = replace(ALONE, ask=replace(ALONE.ask, metrics=metrics))
    with pytest.raises(Unavailable, match="no Prometheus is named 'long-term'"):
        await counters(world, of=asked).silence(T, asked.ask.arms)


async def test_a_ramp_that_names_no_metrics_has_no_assignments(world, clock, metrics):
    bare = plan(guardrails=(SHARE,), metrics=None)
    serve(metrics, "api-1-a")
    clock.advance(MINUTE)
    assert bare.families == ()
    assert (await counted(bare, since(T), clock.now(), world, PODS)).counts == ()
    assert metrics.asked == []


async def test_of_a_ramp_that_names_no_arms_nothing_is_of_an_arm(world, clock, metrics):
    bare = plan(guardrails=(SHARE,), arms=None)
    serve(metrics, "api-1-a")
    clock.advance(MINUTE)
    (bins,) = (await counted(bare, since(T), clock.now(), world, PODS)).counts
    assert windows(bins)[0] == Reading(other=60)


@pytest.mark.parametrize(
    ("pod", "ours"),
    [
        ("api-1-a", True),
        ("api-0-gone", True),
        ("worker-1-x", True),
        ("api-2-a", False),
        ("api-1-extra-a", False),
        ("api-1", False),
        ("api2-1-a", False),
        ("", False),
    ],
)
def test_a_pod_is_ours_by_its_replicaset(pod, ours):
    assert PODS.has(pod) is ours


def test_only_ready_pods_of_a_replicaset_that_exports_are_expected():
    pods = Pods(families=PODS.families, ready=READY | {"worker-1-x"})
    assert pods.expected(PromQL(COUNTER), ["api-1-b"]) == READY
    assert pods.expected(PromQL(COUNTER), []) == frozenset()


@pytest.mark.parametrize(
    ("names", "wanted"),
    [
        ((), set()),
        (("worker",), {"worker-1-x"}),
        (("api", "worker"), {"api-1-a", "worker-1-x"}),
        (("gone",), set()),
    ],
)
def test_who_exported_before_the_ramp_is_expected_whoever_is_scraped_now(names, wanted):
    known = {PromQL(COUNTER): names}
    pods = Pods(families=PODS.families, ready=READY | {"worker-1-x"}, exporters=known)
    for scraped in ([], ["api-1-b"], ["worker-1-x"]):
        assert pods.expected(PromQL(COUNTER), scraped) == wanted
    assert pods.expected(PromQL(STARTS), ["api-1-b"]) == READY


def test_a_pod_is_young_that_began_after_an_instant():
    pods = replace(PODS, started={"api-1-a": T, "api-1-b": T + SECOND})
    assert pods.young(T) == {"api-1-b"}
    assert pods.young(T - SECOND) == {"api-1-a", "api-1-b"}


# --- what it counts


async def test_assignments_are_counted_from_t0_on(world, clock, metrics):
    serve(metrics, "api-1-a", tree=0.4, both=1.0)
    clock.advance(HOUR)
    t0 = clock.now()
    clock.advance(10 * MINUTE)
    assert await total(world, since(t0), clock.now()) == Reading(control=240, treatment=360)


async def test_counts_of_all_pods_add(world, clock, metrics):
    for pod in ("api-1-a", "api-1-b", "worker-1-x"):
        serve(metrics, pod)
    clock.advance(10 * MINUTE)
    assert await total(world, since(T), clock.now()) == Reading(900, 900)


async def test_a_restarted_process_is_counted_from_zero(world, clock, metrics):
    """What it counted since the point before is lost, of both arms alike."""
    first = serve(metrics, "api-1-a")
    clock.advance(5 * MINUTE + 10 * SECOND)
    for one in first:
        one.knots.append((clock.now(), 0.0, 0.5))
    clock.advance(5 * MINUTE)
    assert await total(world, since(T), T + 10 * MINUTE) == Reading(295, 295)


async def test_a_pod_that_came_later_is_counted_whole(world, clock, metrics):
    serve(metrics, "api-1-a")
    clock.advance(5 * MINUTE)
    clock.advance(10 * SECOND)
    serve(metrics, "api-1-b")
    clock.advance(5 * MINUTE - 10 * SECOND)
    pods = replace(PODS, started={"api-1-b": T + 5 * MINUTE})
    found = await total(world, since(T), clock.now(), pods)
    assert found == Reading(445, 445)


@pytest.mark.parametrize("started", [{}, {"api-1-b": T}])
async def test_a_pod_that_ran_before_t0_and_was_scraped_after_it_brings_a_base(
    world, clock, metrics, started
):
    """It is two minutes older than T0, and first scraped 20 s after it."""
    serve(metrics, "api-1-a", both=0.0)
    for one in serve(metrics, "api-1-b", both=20.0):
        one.gaps = [(T, T + 2 * MINUTE + 20 * SECOND)]
    clock.advance(12 * MINUTE)
    pods = replace(PODS, started=started)
    found = await total(world, since(T + 2 * MINUTE), clock.now(), pods)
    assert found == Reading(5700, 5700)  # of 6000: up to the first look nobody knows


ANEW = [{"instance": "10.0.0.1:9090"}, {"job": "api-2"}]


@pytest.mark.parametrize("anew", ANEW, ids=str)
async def test_a_target_that_is_labelled_anew_brings_a_base(world, clock, metrics, anew):
    """A pod is renamed after 20 h: its counters did not begin then."""
    old = serve(metrics, "api-1-a", both=20.0)
    clock.advance(20 * HOUR)
    for one in old:
        one.ended = clock.now()
    for one in serve(metrics, "api-1-a", **anew):
        one.knots = [(clock.now(), 720_000.0, 10.0)]
    clock.advance(HOUR)
    pods = replace(PODS, started={"api-1-a": T - SECOND})
    assert await total(world, since(T), clock.now(), pods) == Reading(755_700, 755_700)


@pytest.mark.parametrize("anew", ANEW, ids=str)
async def test_a_young_pod_that_is_labelled_anew_counts_once(world, clock, metrics, anew):
    """It began after T0, so that its first counters count whole; the renamed ones go on."""
    clock.advance(MINUTE)
    old = serve(metrics, "api-1-a")
    clock.advance(20 * MINUTE)
    for one in old:
        one.ended = clock.now()
    for one in serve(metrics, "api-1-a", **anew):
        one.knots = [(clock.now(), 600.0, 0.5)]
    clock.advance(20 * MINUTE)
    pods = replace(PODS, started={"api-1-a": T + MINUTE})
    soak, until = since(T), T + 41 * MINUTE
    lost = 15.0  # up to the first look after the change
    assert await total(world, soak, until, pods) == Reading(1200 - lost, 1200 - lost)
    looks = every(30 * SECOND, 41 * MINUTE)
    assert whole(await watched(ALONE, soak, looks, world, pods)) == [Reading(1185, 1185)]


async def test_two_processes_of_a_young_pod_that_come_together_count_whole(world, clock, metrics):
    clock.advance(MINUTE + 2 * SECOND)
    for port in (80, 81):
        serve(metrics, "api-1-a", instance=f"10.0.0.1:{port}")
    clock.advance(9 * MINUTE - 2 * SECOND)
    pods = replace(PODS, started={"api-1-a": T + MINUTE})
    assert await total(world, since(T), clock.now(), pods) == Reading(538, 538)


async def test_a_restarted_container_whose_other_children_come_back_later(world, clock, metrics):
    """A sum of children falls when one of them goes: each of them counts by itself."""
    of = plan(guardrails=(RATE,))
    place = {"namespace": "app", "instance": "i", "pod": "api-1-a"}
    requests = metrics.count(REQUESTS, 10.0, **place)
    bad = metrics.count(ERRORS, 1.0, status="502", **place)
    clock.advance(5 * MINUTE)
    bad.ended = clock.now()
    requests.knots.append((clock.now(), 0.0, 10.0))
    metrics.count(ERRORS, 0.1, status="500", **place)
    clock.advance(55 * MINUTE)
    absent = await counted(of, since(T), T + HOUR, world, PODS)
    assert whole(absent) == [Reading(other=600), Reading(other=35_700)]
    assert whole(await watched(of, since(T), every(30 * SECOND, HOUR), world)) == whole(absent)


async def test_a_pod_that_left_keeps_what_it_counted(world, clock, metrics):
    leaving = serve(metrics, "api-0-gone")
    serve(metrics, "api-1-a")
    serve(metrics, "api-1-b")
    clock.advance(5 * MINUTE)
    for one in leaving:
        one.ended = clock.now() + SECOND
    clock.advance(5 * MINUTE)
    assert (await total(world, since(T), clock.now())).control == pytest.approx(750, abs=1)


async def test_a_pod_that_two_servers_scrape_counts_once(world, clock, metrics):
    for server in ("one", "two"):
        serve(metrics, "api-1-a", prometheus_replica=server)
    clock.advance(10 * MINUTE)
    assert await total(world, since(T), clock.now()) == Reading(300, 300)


async def test_a_replica_of_prometheus_that_goes_is_no_restart(world, clock, metrics):
    """Of two, the one that is a scrape ahead is taken away: the other stands lower."""
    ahead = serve(metrics, "api-1-a", both=10.0, prometheus_replica="a")
    for one in serve(metrics, "api-1-a", both=10.0, prometheus_replica="b"):
        one.knots = [(T, -300.0, 5.0)]
    clock.advance(10 * HOUR + 15 * MINUTE)
    for one in ahead:
        one.ended = T + 10 * HOUR + 7 * MINUTE + 15 * SECOND
    soak = since(T + 10 * HOUR)
    assert await total(world, soak, clock.now()) == Reading(4500, 4500)
    looks = every(30 * SECOND, 10 * HOUR + 15 * MINUTE, 10 * HOUR)
    assert whole(await watched(ALONE, soak, looks, world)) == [Reading(4500, 4500)]


async def test_a_replica_that_went_before_t0_is_no_base_of_the_other(world, clock, metrics):
    gone = serve(metrics, "api-1-a", both=10.0, prometheus_replica="a")
    stays = serve(metrics, "api-1-a", both=10.0, prometheus_replica="b")
    clock.advance(10 * HOUR)
    for one in gone:
        one.ended = clock.now()
    clock.advance(5 * MINUTE)
    for one in stays:
        one.knots.append((clock.now(), 0.0, 5.0))
    clock.advance(25 * MINUTE)
    t0 = 10 * HOUR + 10 * MINUTE
    assert await total(world, since(T + t0), clock.now()) == Reading(6000, 6000)
    looks = every(30 * SECOND, t0 + 20 * MINUTE, t0)
    assert whole(await watched(ALONE, since(T + t0), looks, world)) == [Reading(6000, 6000)]


@pytest.mark.parametrize(
    ("jobs", "why"),
    [
        (
            ("api", "api-headless"),
            "api-1-a is scraped twice, as jobs api and api-headless: name one",
        ),
        (("api", "api"), ""),
    ],
)
async def test_a_process_that_two_jobs_scrape_is_not_judged(world, clock, metrics, jobs, why):
    for server, job in zip("ab", jobs, strict=True):
        serve(metrics, "api-1-a", job=job, prometheus_replica=server)
    clock.advance(MINUTE)
    assert await silence(world, clock.now()) == why


async def test_two_containers_of_a_pod_are_two_processes(world, clock, metrics):
    for port, job in (("80", "api"), ("81", "sidecar")):
        serve(metrics, "api-1-a", job=job, instance=f"10.0.0.1:{port}")
    clock.advance(10 * MINUTE)
    assert await silence(world, clock.now()) == ""
    assert await total(world, since(T), clock.now()) == Reading(600, 600)


async def test_another_copy_of_the_app_in_the_same_prometheus_does_not_count(world, clock, metrics):
    serve(metrics, "api-1-a")
    serve(metrics, "shop-1-a", tree=0.9, both=50.0)
    serve(metrics, "api-1-b", tree=0.9, both=50.0, namespace="staging")
    clock.advance(10 * MINUTE)
    assert await total(world, since(T), clock.now()) == Reading(300, 300)


async def test_an_arm_that_nobody_named_does_not_count(world, clock, metrics):
    serve(metrics, "api-1-a")
    metrics.count(COUNTER, 9.0, variant="grid", namespace="app", instance="x", pod="api-1-a")
    clock.advance(10 * MINUTE)
    found = await total(world, since(T), clock.now())
    assert (found.total, found.other) == (600, 5400)


async def test_the_evidence_so_far_is_added_to(world, clock, metrics):
    serve(metrics, "api-1-a")
    clock.advance(30 * MINUTE)
    had = (Reading(1, 2),)
    stage = since(T, counted_to=T + 15 * MINUTE, counts=(had,))
    found = await counted(ALONE, stage, clock.now(), world, PODS)
    assert found.counts == ((*had, Reading(450, 450)),)
    assert found.counted_to == clock.now()


# --- outages


async def test_one_look_after_an_outage_counts_what_many_would_have(world, clock, metrics):
    serve(metrics, "api-1-a", tree=0.3)
    serve(metrics, "api-1-b", tree=0.6, both=2.0)
    clock.advance(7 * MINUTE)
    metrics.counters[next(iter(metrics.counters))].knots.append((clock.now(), 0.0, 3.0))
    clock.advance(3 * HOUR)
    at = T + 3 * HOUR
    once = await counted(ALONE, since(T), at, world, PODS)
    stage = since(T)
    for n in range(1, 13):
        evidence = await counted(ALONE, stage, T + n * 15 * MINUTE, world, PODS)
        stage = replace(stage, evidence=evidence)
    assert stage.evidence == once
    assert [len(bins) for bins in once.counts] == [12]


@pytest.mark.parametrize(
    ("away", "points", "off_grid"),
    [
        (20 * SECOND, 0, True),
        (30 * SECOND, 1, False),
        (45 * SECOND, 1, True),
        (HOUR, 120, False),
        (12 * HOUR + SECOND, 1440, True),
    ],
)
async def test_the_grid_of_a_range_begins_where_the_last_count_ended(
    world, metrics, away, points, off_grid
):
    """So the end of each bin lies on it; an instant off the grid is asked by itself."""
    serve(metrics, "api-1-a")
    metrics.clock.advance(away)
    assert await total(world, since(T), T + away) == Reading(*[away.total_seconds() // 2] * 2)
    step = 30 * SECOND
    assert metrics.spans == ([(T + step, T + points * step, step)] if points else [])
    alone = [at for query, at in metrics.asked if query == SELECTOR and at == T + away]
    assert len(alone) == off_grid + (points == 1 and not off_grid)


@pytest.mark.parametrize("soak", [HOUR, DAY])
async def test_a_t0_off_the_grid_of_looks_counts_alike_absent_and_not(world, clock, metrics, soak):
    of, t0 = plan(guardrails=(SHARE,), soak=soak), T + 7 * SECOND
    serve(metrics, "api-1-a", both=20.0)
    clock.advance(HOUR)
    stage = since(t0)
    absent = await counted(of, stage, T + HOUR, world, PODS)
    assert whole(absent) == [Reading(35_930, 35_930)]
    assert await watched(of, stage, every(30 * SECOND, HOUR), world) == absent


async def test_a_soak_that_is_longer_from_now_on_keeps_what_it_counted(world, clock, metrics):
    """From an hour to a day at half an hour: the bins stay, and nothing counts twice."""
    hour, day = (plan(guardrails=(SHARE,), soak=soak) for soak in (HOUR, DAY))
    serve(metrics, "api-1-a", both=20.0)
    clock.advance(45 * MINUTE)
    stage = soaking(evidence=fresh(hour, 0, T))
    half = closed(await watched(hour, stage, every(30 * SECOND, 30 * MINUTE), world), MINUTE)
    later = every(30 * SECOND, 45 * MINUTE, 30 * MINUTE)
    found = await watched(day, soaking(evidence=half), later, world)
    assert whole(found) == [Reading(27_000, 27_000)]
    assert found.counts[0] == (Reading(600, 600),) * 45


# --- several families


async def test_every_family_is_counted_and_what_has_no_arm_is_of_no_arm(world, clock, metrics):
    serve_all(metrics, "api-1-a")
    serve_all(metrics, "api-1-b")
    clock.advance(10 * MINUTE)
    found = await counted(MANY, since(T), clock.now(), world, PODS)
    assert total_of(found, REQUESTS) == [Reading(6000, 6000)]
    assert total_of(found, ERRORS) == [Reading(other=120)]
    assert {len(bins) for bins in found.counts} == {len(found.counts[0])}


async def test_a_family_that_skips_a_lag_counts_nothing_before_it(world, clock, metrics):
    """Starts, and the assignments that they belong to, from 2 min after T0 on."""
    serve_all(metrics, "api-1-a")
    clock.advance(10 * MINUTE)
    found = await counted(MANY, since(T), clock.now(), world, PODS)
    assert [family.skip for family in MANY.families if family.selector == COUNTER] == [
        timedelta(0),
        2 * MINUTE,
    ]
    assert total_of(found, COUNTER) == [Reading(300, 300), Reading(240, 240)]
    assert total_of(found, STARTS) == [Reading(120, 120)]
    early = await counted(MANY, since(T), T + 2 * MINUTE, world, PODS)
    assert total_of(early, COUNTER) == [Reading(60, 60), Reading()]
    assert total_of(early, STARTS) == [Reading()]


async def test_each_selector_is_asked_for_once_however_many_count_it(world, clock, metrics):
    serve_all(metrics, "api-1-a")
    clock.advance(10 * MINUTE)
    await counted(MANY, since(T), clock.now(), world, PODS)
    asked = [query for query, _ in metrics.asked]
    assert len(asked) == len(set(asked)) == 2 * len({f.selector for f in MANY.families}) == 8


async def test_families_go_on_from_where_they_were_counted_to(world, clock, metrics):
    serve_all(metrics, "api-1-a")
    clock.advance(HOUR)
    once = await counted(MANY, since(T), T + HOUR, world, PODS)
    stage = since(T)
    for n in range(1, 5):
        found = await counted(MANY, stage, T + n * 15 * MINUTE, world, PODS)
        stage = replace(stage, evidence=found)
    assert stage.evidence == once


async def test_one_counter_that_cannot_be_read_leaves_the_soak_as_it_was(world, clock, metrics):
    serve_all(metrics, "api-1-a")
    clock.advance(MINUTE)
    real = metrics.span

    async def span(source, query, *asked):
        if ERRORS in query:
            raise Unavailable("prometheus does not answer")
        return await real(source, query, *asked)

    metrics.span = span
    with pytest.raises(Unavailable):
        await counted(MANY, since(T), clock.now(), world, PODS)


async def test_a_counter_that_nobody_labels_by_arm_needs_no_arm(world, clock, metrics):
    serve_all(metrics, "api-1-a")
    clock.advance(MINUTE)
    errors = counters(world, of=MANY, selector=ERRORS)
    assert await errors.silence(clock.now(), None) == ""
    told = 'no series with variant="tree" of a pod of the targets'
    assert await errors.silence(clock.now(), MANY.ask.arms) == told
