"""Assignments: what the pods of the targets counted, and when that cannot be known."""

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import pytest

from fakes import FakeClock, FakeCluster, FakeMetrics, FakeTelemetry, Mood
from rampguard.core.counting import windows
from rampguard.core.model import Evidence, PromQL, Reading, Sample, Series, Soaking
from rampguard.core.plan import Plan
from rampguard.engine.counters import (
    MOST_POINTS,
    Assignments,
    NothingSeenError,
    Pods,
    to_assignments,
)
from rampguard.ports import BadQuery, Refused, Rules, Unavailable, World
from scenes import HOUR, MINUTE, SECOND, SHARE, T, plan, soaking

COUNTER = "assignments_total"
READY = frozenset({"api-1-a"})
PODS = Pods(families=frozenset({"api-1", "api-0", "worker-1"}), ready=READY)
ALONE = plan(guardrails=(SHARE,))
PER_PROCESS = "sum by (pod, instance, variant) (max without (prometheus, prometheus_replica) ({}))"
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


def assignments(world: World, pods: Pods = PODS, of: Plan = ALONE) -> Assignments:
    return to_assignments(of, world, pods)


def since(t0: datetime, **facts: object) -> Soaking:
    """Return a soak that begins at an instant."""
    told = Evidence(t0=t0, counted_to=t0)
    return soaking(since=t0, evidence=replace(told, **facts))


async def total(world: World, stage: Soaking, at: datetime, pods: Pods = PODS) -> Reading:
    found = await assignments(world, pods).count(stage, at)
    return windows(found.bins)[0]


# --- whom it asks


def test_the_query_is_of_one_process_and_arm_in_our_namespace(world):
    assert assignments(world).query == PER_PROCESS.format(SELECTOR)


def test_the_labels_of_the_operator_shape_the_query(world):
    rules = replace(world.rules, namespace_label="kubernetes_namespace", pod_label="pod_name")
    metrics = replace(ALONE.ask.metrics, arm_label="arm")
    asked = replace(ALONE, ask=replace(ALONE.ask, metrics=metrics))
    assert to_assignments(asked, replace(world, rules=rules), PODS).query == (
        "sum by (pod_name, instance, arm) (max without (prometheus, prometheus_replica)"
        ' (assignments_total{kubernetes_namespace="app"}))'
    )


async def test_the_source_that_the_ramp_names_is_asked(world):
    metrics = replace(ALONE.ask.metrics, source="long-term")
    asked = replace(ALONE, ask=replace(ALONE.ask, metrics=metrics))
    with pytest.raises(Unavailable, match="no Prometheus is named 'long-term'"):
        await to_assignments(asked, world, PODS).check(T)


@pytest.mark.parametrize("missing", ["arms", "metrics"])
def test_a_ramp_that_names_no_arms_or_metrics_has_no_assignments(world, missing):
    with pytest.raises(ValueError, match="the ramp names no arms and no metrics"):
        to_assignments(replace(ALONE, ask=replace(ALONE.ask, **{missing: None})), world, PODS)


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
    assert pods.exporting(["api-1-b"]) == READY
    assert pods.exporting([]) == frozenset()


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
    serve(metrics, "api-1-b")
    clock.advance(5 * MINUTE)
    found = await total(world, since(T), clock.now())
    assert found == Reading(450, 450)


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
    assert (await total(world, since(T), clock.now())).total == 600


async def test_the_evidence_so_far_is_added_to(world, clock, metrics):
    serve(metrics, "api-1-a")
    clock.advance(30 * MINUTE)
    had = (Reading(1, 2),)
    stage = since(T, counted_to=T + 15 * MINUTE, bins=had)
    found = await assignments(world).count(stage, clock.now())
    assert found.bins == (*had, Reading(450, 450))
    assert found.counted_to == clock.now()


# --- outages


async def test_one_look_after_an_outage_counts_what_many_would_have(world, clock, metrics):
    serve(metrics, "api-1-a", tree=0.3)
    serve(metrics, "api-1-b", tree=0.6, both=2.0)
    clock.advance(7 * MINUTE)
    metrics.counters[next(iter(metrics.counters))].knots.append((clock.now(), 0.0, 3.0))
    clock.advance(3 * HOUR)
    at = T + 3 * HOUR
    once = await assignments(world).count(since(T), at)
    stage = since(T)
    for n in range(1, 13):
        evidence = await assignments(world).count(stage, T + n * 15 * MINUTE)
        stage = replace(stage, evidence=evidence)
    assert stage.evidence == once
    assert len(once.bins) == 12


@pytest.mark.parametrize(
    ("away", "step", "points"),
    [
        (30 * SECOND, 30 * SECOND, 1),
        (45 * SECOND, 30 * SECOND, 2),
        (MOST_POINTS * 30 * SECOND, 30 * SECOND, MOST_POINTS),
        (MOST_POINTS * 30 * SECOND + SECOND, MINUTE, MOST_POINTS // 2 + 1),
        (720 * HOUR, 300 * SECOND - MINUTE, 10_800),
    ],
)
async def test_a_range_never_has_more_points_than_prometheus_gives(
    world, metrics, away, step, points
):
    """The grid ends at the instant asked for, and begins after what is counted."""
    serve(metrics, "api-1-a", both=0.0)
    metrics.clock.advance(away)
    await assignments(world).count(since(T), T + away)
    ((start, end, found),) = metrics.spans
    assert end == T + away
    assert T < start <= end
    assert start - T <= found
    if away < 720 * HOUR:
        assert (found, (end - start) // found + 1) == (step, points)
    assert (end - start) // found < 11_000


# --- what cannot be known


async def blindness(world: World, at: datetime, pods: Pods = PODS) -> str:
    with pytest.raises(NothingSeenError) as blind:
        await assignments(world, pods).count(since(T - MINUTE), at)
    return str(blind.value)


@pytest.mark.parametrize(("silent", "arm"), [("tree", "tree"), ("list", "list")])
async def test_a_silent_arm_is_named_and_is_no_zero(world, clock, metrics, silent, arm):
    serve(metrics, "api-1-a")
    metrics.hidden = lambda labels: labels["variant"] == silent
    clock.advance(MINUTE)
    assert await blindness(world, clock.now()) == (
        f'no series with variant="{arm}" of a pod of the targets'
    )


async def test_an_arm_at_zero_is_no_silence(world, clock, metrics):
    serve(metrics, "api-1-a", tree=1.0)
    clock.advance(10 * MINUTE)
    assert await total(world, since(T), clock.now()) == Reading(600, 0)


async def test_nothing_at_all_is_silence(world, clock):
    assert await blindness(world, clock.now()) == (
        'no series with variant="tree" of a pod of the targets'
    )


async def test_only_strangers_are_told_apart_from_silence(world, clock, metrics):
    serve(metrics, "shop-1-a")
    assert await blindness(world, clock.now()) == (
        '2 series, none with the label "pod" of a pod of the targets'
    )


async def test_series_without_the_label_of_the_pod_are_strangers(world, clock, metrics):
    for arm in ("tree", "list"):
        metrics.count(COUNTER, 1.0, variant=arm, namespace="app", instance="10.0.0.1:80")
    assert "none with the label" in await blindness(world, clock.now())


async def test_a_counter_that_is_no_number_is_not_judged(world, clock, metrics):
    serve(metrics, "api-1-a")
    clock.advance(MINUTE)
    metrics.mood = Mood.NAN
    assert await blindness(world, clock.now()) == "a counter is NaN or infinite"


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
    assert await blindness(world, clock.now()) == "a counter is NaN or infinite"


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
        await assignments(world).count(since(T - MINUTE), clock.now())
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
    if seen:
        await assignments(world, pods).check(clock.now())
        return
    assert await blindness(world, clock.now(), pods) == (
        f"{10 - stale} of 10 pods were scraped within 45s"
    )


@pytest.mark.parametrize(("hidden", "seen"), [(2, True), (3, False)])
async def test_a_ready_pod_that_is_not_scraped_at_all_is_missing(
    world, clock, metrics, hidden, seen
):
    pods = fleet(metrics)
    clock.advance(MINUTE)
    gone = {f"api-1-{n}" for n in range(hidden)}
    metrics.hidden = lambda labels: labels["pod"] in gone
    if seen:
        await assignments(world, pods).check(clock.now())
        return
    assert await blindness(world, clock.now(), pods) == "7 of 10 pods were scraped within 45s"


async def test_a_tier_that_exports_nothing_is_not_waited_for(world, clock, metrics):
    pods = fleet(metrics)
    quiet = frozenset(f"worker-1-{n}" for n in range(20))
    both = Pods(families=pods.families | {"worker-1"}, ready=pods.ready | quiet)
    clock.advance(MINUTE)
    await assignments(world, both).check(clock.now())


async def test_pods_that_left_are_not_waited_for(world, clock, metrics):
    pods = fleet(metrics)
    clock.advance(MINUTE)
    metrics.late = {f"api-1-{n}": HOUR for n in range(5, 10)}
    left = replace(pods, ready=frozenset(f"api-1-{n}" for n in range(5)))
    await assignments(world, left).check(clock.now())


async def test_of_the_past_it_is_not_known_who_was_ready(world, clock, metrics):
    pods = fleet(metrics, size=1)
    clock.advance(HOUR)
    many = replace(pods, ready=pods.ready | {f"api-1-{n}" for n in range(1, 9)})
    await assignments(world, many).check(clock.now() - MINUTE - SECOND)
    with pytest.raises(NothingSeenError, match="1 of 9 pods"):
        await assignments(world, many).check(clock.now() - MINUTE)


async def test_of_the_past_somebody_at_least_was_scraped(world, clock, metrics):
    pods = fleet(metrics)
    clock.advance(HOUR)
    metrics.late = {f"api-1-{n}": MINUTE for n in range(10)}
    with pytest.raises(NothingSeenError, match="0 of all pods were scraped within 45s"):
        await assignments(world, pods).check(clock.now() - 30 * MINUTE)
