"""Counters: what the pods of the targets counted, and when that cannot be known."""

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import pytest

from fakes import FakeClock, FakeCluster, FakeMetrics, FakeTelemetry, Mood
from rampguard.core.ask import Guardrail, GuardrailType, PromQL
from rampguard.core.counting import bin_size, closed, fresh, windows
from rampguard.core.model import Evidence, Reading, Sample, Series, Soaking
from rampguard.core.plan import Plan
from rampguard.engine.counters import (
    Counters,
    NothingSeenError,
    Pods,
    count,
    lately,
)
from rampguard.ports import BadQuery, Refused, Rules, Unavailable, World
from scenes import DAY, HOUR, MINUTE, SECOND, SHARE, T, plan, soaking

COUNTER, STARTS = "assignments_total", "starts_total"
REQUESTS, ERRORS = "requests_total", "errors_total"
READY = frozenset({"api-1-a"})
PODS = Pods(families=frozenset({"api-1", "api-0", "worker-1"}), ready=READY)
ALONE = plan(guardrails=(SHARE,))
DROP = Guardrail(
    name="starts", type=GuardrailType.RELATIVE_DROP, tolerance=10.0, metric=PromQL(STARTS)
)
RATE = Guardrail(
    name="errors",
    type=GuardrailType.ERROR_RATE,
    tolerance=25.0,
    metric=PromQL(ERRORS),
    requests=PromQL(REQUESTS),
)
MANY = plan(guardrails=(SHARE, DROP, RATE))
SELECTOR = 'assignments_total{namespace="app"}'


@dataclass
class LateMetrics(FakeMetrics):
    """Scraped some of its pods a while ago; keeps the ranges that it was asked for."""

    late: dict[str, timedelta] = field(default_factory=dict)
    spans: list[tuple[datetime, datetime, timedelta]] = field(default_factory=list)

    async def instant(self, source: str, query: PromQL, at: datetime) -> tuple[Sample, ...]:
        found = await super().instant(source, query, at)
        if "timestamp(" not in query:
            return found
        return tuple(
            replace(one, value=one.value - self._age(one).total_seconds()) for one in found
        )

    def _age(self, one: Sample) -> timedelta:
        return self.late.get(one.labels.get("pod", ""), timedelta(0))

    async def span(
        self, source: str, query: PromQL, start: datetime, end: datetime, step: timedelta
    ) -> tuple[Series, ...]:
        self.spans.append((start, end, step))
        return await super().span(source, query, start, end, step)


@pytest.fixture
def clock():
    return FakeClock()


@pytest.fixture
def metrics(clock):
    return LateMetrics(clock)


@pytest.fixture
def world(clock, metrics):
    return World(
        cluster=FakeCluster(),
        metrics=metrics,
        clock=clock,
        telemetry=FakeTelemetry(),
        rules=Rules(process="p", tempo=ALONE.tempo),
    )


def serve(metrics: FakeMetrics, pod: str, tree: float = 0.5, both: float = 1.0, **labels: str):
    """Let a pod assign users from now on, so many a second."""
    place = {"namespace": "app", "instance": pod, "pod": pod} | labels
    return [
        metrics.count(COUNTER, rate, variant=arm, **place)
        for arm, rate in (("tree", both * tree), ("list", both * (1 - tree)))
    ]


def counters(
    world: World, pods: Pods = PODS, of: Plan = ALONE, selector: str = COUNTER
) -> Counters:
    return Counters(of, PromQL(selector), world, pods)


async def silence(world: World, at: datetime, pods: Pods = PODS) -> str:
    """Return why assignments cannot be judged, both arms of which are needed; empty: they can."""
    return await counters(world, pods).silence(at, ALONE.ask.arms)


def since(t0: datetime, **facts: object) -> Soaking:
    """Return a soak that begins at an instant."""
    told = Evidence(t0=t0, counted_to=t0)
    return soaking(since=t0, evidence=replace(told, **facts))


async def total(world: World, stage: Soaking, at: datetime, pods: Pods = PODS) -> Reading:
    (bins,) = (await counted(ALONE, stage, at, world, pods)).counts
    return windows(bins)[0]


async def counted(of: Plan, stage: Soaking, at: datetime, world: World, pods: Pods) -> Evidence:
    """Return the evidence up to an instant; every selector gave numbers."""
    found = await count(of, stage, at, world, pods)
    assert found.unheard == {}
    return found.evidence


async def watched(
    of: Plan, stage: Soaking, looks: list[timedelta], world: World, pods: Pods = PODS
) -> Evidence:
    """Return the evidence after looks at instants after T, of which closed bins are remembered."""
    found = stage.evidence
    for after in looks:
        found = await counted(of, stage, T + after, world, pods)
        after_it = closed(found, bin_size(of, stage.step, found))
        if after_it.counted_to > stage.evidence.counted_to:
            stage = replace(stage, evidence=after_it)
    return found


def every(look: timedelta, until: timedelta, since: timedelta = timedelta(0)) -> list[timedelta]:
    return [since + n * look for n in range(1, (until - since) // look + 1)]


def whole(found: Evidence) -> list[Reading]:
    """Return what each family counted in all."""
    return [windows(bins)[0] for bins in found.counts]


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


def serve_all(metrics: FakeMetrics, pod: str) -> None:
    """Let a pod assign, start, answer and fail from now on; what fails has no arm."""
    serve(metrics, pod)
    place = {"namespace": "app", "instance": pod, "pod": pod}
    for arm in ("tree", "list"):
        metrics.count(STARTS, 0.25, variant=arm, **place)
        metrics.count(REQUESTS, 5.0, variant=arm, **place)
    metrics.count(ERRORS, 0.1, **place)


def total_of(evidence: Evidence, name: str, of: Plan = MANY) -> list[Reading]:
    """Return what each family of a counter counted in all, in the order of the plan."""
    told = zip(of.families, evidence.counts, strict=True)
    return [windows(bins)[0] for family, bins in told if family.selector == name]


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


@pytest.mark.parametrize(("silent", "arm"), [("tree", "tree"), ("list", "list")])
async def test_a_silent_arm_is_named_and_is_no_zero(world, clock, metrics, silent, arm):
    serve(metrics, "api-1-a")
    metrics.hidden = lambda labels: labels["variant"] == silent
    clock.advance(MINUTE)
    assert await silence(world, clock.now()) == (
        f'no series with variant="{arm}" of a pod of the targets'
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
