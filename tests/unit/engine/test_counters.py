"""Counters: what the pods of the targets counted, and when that cannot be known."""

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import pytest

from fakes import FakeClock, FakeCluster, FakeMetrics, FakeTelemetry, Mood
from rampguard.core.counting import windows
from rampguard.core.model import (
    Evidence,
    Guardrail,
    GuardrailType,
    PromQL,
    Reading,
    Sample,
    Series,
    Soaking,
)
from rampguard.core.plan import Plan
from rampguard.engine.counters import (
    MOST_POINTS,
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
    (bins,) = (await count(ALONE, stage, at, world, pods)).counts
    return windows(bins)[0]


# --- whom it asks


def test_the_query_is_of_one_process_and_arm_in_our_namespace(world):
    assert counters(world).query == PER_PROCESS.format(SELECTOR)


def test_the_labels_of_the_operator_shape_the_query(world):
    rules = replace(world.rules, namespace_label="kubernetes_namespace", pod_label="pod_name")
    metrics = replace(ALONE.ask.metrics, arm_label="arm")
    asked = replace(ALONE, ask=replace(ALONE.ask, metrics=metrics))
    assert counters(replace(world, rules=rules), of=asked).query == (
        "sum by (pod_name, instance, arm) (max without (prometheus, prometheus_replica)"
        ' (assignments_total{kubernetes_namespace="app"}))'
    )


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
    assert (await count(bare, since(T), clock.now(), world, PODS)).counts == ()
    assert metrics.asked == []


async def test_of_a_ramp_that_names_no_arms_nothing_is_of_an_arm(world, clock, metrics):
    bare = plan(guardrails=(SHARE,), arms=None)
    serve(metrics, "api-1-a")
    clock.advance(MINUTE)
    (bins,) = (await count(bare, since(T), clock.now(), world, PODS)).counts
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
    found = await total(world, since(T), clock.now())
    assert (found.total, found.other) == (600, 5400)


async def test_the_evidence_so_far_is_added_to(world, clock, metrics):
    serve(metrics, "api-1-a")
    clock.advance(30 * MINUTE)
    had = (Reading(1, 2),)
    stage = since(T, counted_to=T + 15 * MINUTE, counts=(had,))
    found = await count(ALONE, stage, clock.now(), world, PODS)
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
    once = await count(ALONE, since(T), at, world, PODS)
    stage = since(T)
    for n in range(1, 13):
        evidence = await count(ALONE, stage, T + n * 15 * MINUTE, world, PODS)
        stage = replace(stage, evidence=evidence)
    assert stage.evidence == once
    assert [len(bins) for bins in once.counts] == [12]


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
    await count(ALONE, since(T), T + away, world, PODS)
    ((start, end, found),) = metrics.spans
    assert end == T + away
    assert T < start <= end
    assert start - T <= found
    if away < 720 * HOUR:
        assert (found, (end - start) // found + 1) == (step, points)
    assert (end - start) // found < 11_000


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
    found = await count(MANY, since(T), clock.now(), world, PODS)
    assert total_of(found, REQUESTS) == [Reading(6000, 6000)]
    assert total_of(found, ERRORS) == [Reading(other=120)]
    assert {len(bins) for bins in found.counts} == {len(found.counts[0])}


async def test_a_family_that_skips_a_lag_counts_nothing_before_it(world, clock, metrics):
    """Starts, and the assignments that they belong to, from 2 min after T0 on."""
    serve_all(metrics, "api-1-a")
    clock.advance(10 * MINUTE)
    found = await count(MANY, since(T), clock.now(), world, PODS)
    assert [family.skip for family in MANY.families if family.selector == COUNTER] == [
        timedelta(0),
        2 * MINUTE,
    ]
    assert total_of(found, COUNTER) == [Reading(300, 300), Reading(240, 240)]
    assert total_of(found, STARTS) == [Reading(120, 120)]
    early = await count(MANY, since(T), T + 2 * MINUTE, world, PODS)
    assert total_of(early, COUNTER) == [Reading(60, 60), Reading()]
    assert total_of(early, STARTS) == [Reading()]


async def test_each_selector_is_asked_for_once_however_many_count_it(world, clock, metrics):
    serve_all(metrics, "api-1-a")
    clock.advance(10 * MINUTE)
    await count(MANY, since(T), clock.now(), world, PODS)
    asked = [query for query, _ in metrics.asked]
    assert len(asked) == len(set(asked)) == 2 * len({f.selector for f in MANY.families}) == 8


async def test_families_go_on_from_where_they_were_counted_to(world, clock, metrics):
    serve_all(metrics, "api-1-a")
    clock.advance(HOUR)
    once = await count(MANY, since(T), T + HOUR, world, PODS)
    stage = since(T)
    for n in range(1, 5):
        found = await count(MANY, stage, T + n * 15 * MINUTE, world, PODS)
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
        await count(MANY, since(T), clock.now(), world, PODS)


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
    found = await lately(MANY, names, clock.now(), world, PODS)
    assert found == {
        ERRORS: (Reading(other=60 + 9), Reading(other=12)),
        REQUESTS: (Reading(600, 600), Reading(600, 600)),
    }


async def test_lately_asks_each_selector_once_over_two_minutes_and_a_look(world, clock, metrics):
    serve_all(metrics, "api-1-a")
    clock.advance(5 * MINUTE)
    await lately(MANY, [PromQL(ERRORS)], clock.now(), world, PODS)
    before, at = T + 2 * MINUTE + 30 * SECOND, clock.now()
    assert metrics.spans == [(before + 30 * SECOND, at, 30 * SECOND)]
    assert [asked for query, asked in metrics.asked if "last_over_time" in query] == [before]


async def test_a_pod_that_starts_to_fail_counts_lately_from_zero(world, clock, metrics):
    """A counter of errors begins with the first of them: others were there before it."""
    serve_all(metrics, "api-1-a")
    clock.advance(5 * MINUTE)
    metrics.count(ERRORS, 4.0, namespace="app", instance="api-1-b", pod="api-1-b")
    clock.advance(MINUTE)
    found = await lately(MANY, [PromQL(ERRORS)], clock.now(), world, PODS)
    assert found[ERRORS] == (Reading(other=12 + 240), Reading(other=12 + 120))


async def test_lately_of_nothing_is_nothing(world, clock, metrics):
    assert await lately(MANY, [], clock.now(), world, PODS) == {}
    assert metrics.asked == []
    found = await lately(MANY, [PromQL(ERRORS)], clock.now(), world, PODS)
    assert found == {ERRORS: (Reading(), Reading())}


# --- batches: 24 h before the ramp

BATCHES = 288


async def batches(world: World, selector: str = COUNTER) -> tuple[Reading, ...]:
    """Return what was counted in each 5 min of the day up to now."""
    found = await counters(world, selector=selector).batches(world.clock.now(), 5 * MINUTE)
    assert len(found) == BATCHES
    return found


async def test_a_day_before_is_counted_in_batches_of_five_minutes(world, clock, metrics):
    serve(metrics, "api-1-a", tree=0.4)
    clock.advance(2 * DAY)
    assert await batches(world) == (Reading(120, 180),) * BATCHES
    assert metrics.spans == [(T + DAY, T + 2 * DAY, 5 * MINUTE)]
    assert [query for query, _ in metrics.asked] == [PER_PROCESS.format(SELECTOR)]


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
    found = await batches(world)
    assert found[:144] == (Reading(150, 150),) * 144
    assert found[144] == Reading(150 + 100, 150 + 100)
    assert found[145:] == (Reading(300, 300),) * 143


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
    with pytest.raises(NothingSeenError, match="a counter is NaN or infinite"):
        await batches(world)


# --- what cannot be known


async def blindness(world: World, at: datetime) -> str:
    """Return why nothing can be counted up to an instant."""
    with pytest.raises(NothingSeenError) as blind:
        await count(ALONE, since(T), at, world, PODS)
    return str(blind.value)


async def blindly(world: World, at: datetime) -> str:
    """Return why nothing can be counted, nor judged, for the same reason."""
    why = await blindness(world, at)
    with pytest.raises(NothingSeenError) as blind:
        await silence(world, at)
    assert str(blind.value) == why
    return why


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
        '2 series, none with the label "pod" of a pod of the targets'
    )


async def test_series_without_the_label_of_the_pod_are_strangers(world, clock, metrics):
    for arm in ("tree", "list"):
        metrics.count(COUNTER, 1.0, variant=arm, namespace="app", instance="10.0.0.1:80")
    clock.advance(MINUTE)
    assert "none with the label" in await blindly(world, clock.now())


async def test_a_counter_that_is_no_number_is_not_judged(world, clock, metrics):
    serve(metrics, "api-1-a")
    clock.advance(MINUTE)
    metrics.mood = Mood.NAN
    assert await blindly(world, clock.now()) == "a counter is NaN or infinite"


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
        await count(ALONE, since(T - MINUTE), clock.now(), world, PODS)
    with pytest.raises(error):
        await silence(world, clock.now())
    with pytest.raises(error):
        await lately(ALONE, [PromQL(COUNTER)], clock.now(), world, PODS)
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
    told = "0 of all pods were scraped within 45s"
    assert await silence(world, clock.now() - 30 * MINUTE, pods) == told
