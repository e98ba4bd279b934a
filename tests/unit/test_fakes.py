"""What crash tests rely on in the fakes, beyond what the contract tests show."""

import asyncio
import math
import random
from datetime import timedelta

import pytest

from fakes import ENV, FakeCluster, FakeMetrics, Killed, Mood, Traffic, deployment, ramp
from rampguard.api.apply import apply_body
from rampguard.api.selector import label_selector
from rampguard.api.workload import to_pods, to_workload
from rampguard.core.ask import EnvName, EnvValue, PromQL, Ref, Target
from rampguard.core.model import Coverage
from rampguard.core.pods import coverage
from rampguard.ports import BadQuery, Conflict, NotFound, Resource, TimedOut, Unavailable

API = Ref("app", "api")
RAMP = Ref("app", "skill-tree-layout-50")
SHARE = EnvName(ENV)
SECOND = timedelta(seconds=1)
D = Resource.DEPLOYMENTS


@pytest.fixture
def cluster():
    made = FakeCluster(copies=True)
    made.put(D, deployment(replicas=4))
    made.rollouts.settle()
    return made


async def seen(cluster: FakeCluster, value: str | None, *ours: str) -> Coverage:
    found = await cluster.get(D, API)
    selector = label_selector(found)
    sets = await cluster.list(Resource.REPLICASETS, "app", selector=selector)
    pods = await cluster.list(Resource.PODS, "app", selector=selector)
    fleet = to_pods(found, sets, pods, "api", SHARE)
    wanted = None if value is None else EnvValue(value)
    return coverage(fleet, wanted, now=cluster.clock.now(), ours=tuple(map(EnvValue, ours)))


async def write(cluster: FakeCluster, value: str | None) -> None:
    found = await cluster.get(D, API)
    wanted = None if value is None else EnvValue(value)
    await cluster.apply(API, apply_body(found, "api", SHARE, wanted, "a test"))


# --- pods ----------------------------------------------------------------------------------------


async def test_a_settled_deployment_is_proven_and_steady(cluster):
    assert (await seen(cluster, "10")).is_proven
    workload = to_workload(await cluster.get(D, API), Target("api"), SHARE)
    assert (workload.rolling_out, workload.revision, workload.desired) == (False, "1", 4)


async def test_a_rollout_goes_pod_by_pod_and_ends_proven(cluster):
    await write(cluster, "50")
    mixed = 0
    for _ in range(60):
        cluster.clock.advance(SECOND)
        pods = await seen(cluster, "50")
        mixed += 0 < pods.proven < 4
        if pods.is_proven:
            break
    assert mixed > 1
    assert pods.is_proven
    assert (await seen(cluster, "10", "50")).leftovers


async def test_the_old_replicaset_is_used_again(cluster):
    await write(cluster, "50")
    cluster.rollouts.settle()
    await write(cluster, "10")
    cluster.rollouts.settle()
    assert (await seen(cluster, "10", "50")).is_proven
    assert len(cluster.all(Resource.REPLICASETS)) == 2
    assert to_workload(await cluster.get(D, API), Target("api"), SHARE).revision == "3"


@pytest.mark.parametrize(
    ("trouble", "why"),
    [
        ({"crashing": {(ENV, "50")}}, "CrashLoopBackOff"),
        ({"unschedulable": True}, "Pending: Unschedulable: 0/1 nodes"),
        ({"no_image": True}, "ImagePullBackOff"),
        ({"start": timedelta(hours=1)}, "ContainerCreating"),
    ],
    ids=["crash", "unschedulable", "image", "slow"],
)
async def test_a_rollout_in_trouble_stays_where_it_is(cluster, trouble, why):
    for key, value in trouble.items():
        setattr(cluster.of("api"), key, value)
    await write(cluster, "50")
    cluster.clock.advance(60 * SECOND)
    pods = await seen(cluster, "50")
    assert not pods.is_proven
    assert why in {lag.why for lag in pods.lagging}
    assert len(pods.off_value_ready) == 3  # one may be missing, three of four serve on


async def test_a_paused_deployment_and_a_sleeping_controller_do_not_settle(cluster):
    cluster.patch(D, API, {"spec": {"paused": True}})
    await write(cluster, "50")
    cluster.clock.advance(60 * SECOND)
    assert not (await seen(cluster, "50")).settled
    cluster.patch(D, API, {"spec": {"paused": None}})
    cluster.rollouts.settle()
    assert (await seen(cluster, "50")).is_proven
    cluster.of("api").asleep = True
    await write(cluster, "10")
    cluster.clock.advance(60 * SECOND)
    assert not (await seen(cluster, "10")).settled


async def test_a_recreated_fleet_is_gone_before_it_comes_back(cluster):
    cluster.patch(D, API, {"spec": {"strategy": {"type": "Recreate"}}})
    await write(cluster, "50")
    proven = []
    for _ in range(20):
        cluster.clock.advance(SECOND)
        pods = await seen(cluster, "50")
        assert not (pods.proven and pods.others)
        proven.append(pods.proven)
    assert 0 in proven
    assert pods.is_proven


async def test_a_fleet_is_scaled_to_none_and_back(cluster):
    cluster.scale(API, 0)
    cluster.rollouts.settle()
    pods = await seen(cluster, "10")
    assert (pods.desired, pods.proven, pods.is_proven) == (0, 0, False)
    cluster.scale(API, 6)
    cluster.rollouts.settle()
    assert (await seen(cluster, "10")).proven == 6


async def test_a_lost_node_takes_its_pods_from_the_proof(cluster):
    (pod, *_) = cluster.all(Resource.PODS)
    cluster.of("api").lost.add(pod["metadata"]["name"])
    cluster.clock.advance(5 * SECOND)
    pods = await seen(cluster, "10")
    assert pods.proven == 3
    assert [lag.why for lag in pods.lagging] == ["node lost"]
    cluster.of("api").lost.clear()
    cluster.clock.advance(5 * SECOND)
    assert (await seen(cluster, "10")).is_proven


async def test_a_full_quota_says_so(cluster):
    cluster.of("api").most = 4
    cluster.scale(API, 6)
    cluster.clock.advance(5 * SECOND)
    pods = await seen(cluster, "10")
    assert [lag.pod for lag in pods.lagging] == ["2 more"]


async def test_a_deleted_deployment_takes_its_pods_along(cluster):
    cluster.delete(D, API)
    cluster.clock.advance(10 * SECOND)
    assert not cluster.all(Resource.PODS)


async def test_a_stale_list_lags_and_a_fresh_one_does_not():
    cluster = FakeCluster(stale=3)
    cluster.put(D, deployment(replicas=1))
    for name in ("a", "b", "c", "d"):
        cluster.put(Resource.RAMPS, ramp(name))
    assert len(await cluster.list(Resource.RAMPS, "app", fresh=False)) < 4
    assert len(await cluster.list(Resource.RAMPS, "app")) == 4


# --- faults --------------------------------------------------------------------------------------


@pytest.mark.parametrize(("answer_lost", "written"), [(False, "10"), (True, "50")])
async def test_a_kill_falls_before_or_after_the_call_and_is_for_good(cluster, answer_lost, written):
    cluster.crash_after(2, answer_lost=answer_lost)
    with pytest.raises(Killed):
        await write(cluster, "50")
    with pytest.raises(Killed):
        await cluster.get(D, API)
    assert [call.result for call in cluster.calls] == ["ok", "Killed", "Killed"]
    found = await cluster.another().get(D, API)
    assert to_workload(found, Target("api"), SHARE).entry.value == written


@pytest.mark.parametrize("lost", [False, True])
async def test_an_error_falls_on_the_calls_it_is_for(cluster, lost):
    cluster.fail(TimedOut("no answer"), verb="apply", lost=lost)
    with pytest.raises(TimedOut):
        await write(cluster, "50")
    entry = to_workload(await cluster.get(D, API), Target("api"), SHARE).entry
    assert entry.value == ("50" if lost else "10")
    await write(cluster, "60")
    cluster.fail(Conflict("again"), times=2)
    for _ in range(2):
        with pytest.raises(Conflict):
            await cluster.get(D, API)
    assert await cluster.get(D, API)


async def test_two_processes_meet_in_any_order():
    orders = set()
    for seed in range(20):
        one = FakeCluster(yields=random.Random(seed))  # noqa: S311 - an order
        two = one.another()
        one.put(Resource.RAMPS, ramp())
        order: list[str] = []

        async def swap(who: str, cluster: FakeCluster, order=order) -> None:
            read = await cluster.get(Resource.RAMPS, RAMP)
            try:
                await cluster.put_status(RAMP, {**read, "status": {"by": who}})
            except Conflict:
                return
            order.append(who)

        await asyncio.gather(swap("one", one), swap("two", two))
        orders.add(tuple(order))
    assert {("one",), ("two",)} <= orders


async def test_a_deleted_ramp_takes_no_new_finalizer(cluster):
    cluster.put(Resource.RAMPS, ramp())
    cluster.patch(Resource.RAMPS, RAMP, {"metadata": {"finalizers": ["a/b"]}})
    before = await cluster.get(Resource.RAMPS, RAMP)
    cluster.delete(Resource.RAMPS, RAMP)
    gone = await cluster.get(Resource.RAMPS, RAMP)
    assert gone["metadata"]["generation"] == before["metadata"]["generation"] + 1
    await cluster.merge_patch(Resource.RAMPS, RAMP, {"metadata": {"finalizers": []}})
    with pytest.raises(NotFound):
        await cluster.get(Resource.RAMPS, RAMP)


# --- metrics -------------------------------------------------------------------------------------

COUNTER = 'experiment_assignments_total{namespace="app",source="assignment"}'
BY_ARM = PromQL(f"sum by (variant) ({COUNTER})")


@pytest.fixture
def metrics(cluster):
    made = FakeMetrics(cluster.clock)
    Traffic(made, cluster, API, ENV, labels={"source": "assignment"})
    return made


async def test_counters_follow_the_pods_and_the_share_they_run(cluster, metrics):
    start = cluster.clock.now()
    cluster.clock.advance(100 * SECOND)
    found = await metrics.instant("default", BY_ARM, cluster.clock.now())
    assert {s.labels["variant"]: s.value for s in found} == {"tree": 3600.0, "list": 400.0}
    before = {s.labels["pod"] for s in await metrics.instant("default", PromQL(COUNTER), start)}
    await write(cluster, "50")
    cluster.rollouts.settle()
    cluster.clock.advance(100 * SECOND)
    now = cluster.clock.now()
    grown = PromQL(f"sum by (variant) (increase({COUNTER}[100s]))")
    found = await metrics.instant("default", grown, now)
    assert {s.labels["variant"]: s.value for s in found} == {"tree": 2000.0, "list": 2000.0}
    after = {s.labels["pod"] for s in await metrics.instant("default", PromQL(COUNTER), now)}
    assert len(before) == len(after) == 4
    assert not before & after


async def test_traffic_may_start_ask_and_fail_by_arm(cluster):
    made = FakeMetrics(cluster.clock)
    Traffic(
        made,
        cluster,
        API,
        ENV,
        starts={"tree": 0.5, "list": 0.25}.__getitem__,
        requests=100.0,
        fails={"tree": 0.0, "list": 0.1}.__getitem__,
    )
    cluster.clock.advance(100 * SECOND)
    told = {}
    for counter in ("starts_total", "requests_total", "errors_total"):
        query = PromQL(f"sum by (variant) ({counter})")
        found = await made.instant("default", query, cluster.clock.now())
        told[counter] = {s.labels["variant"]: s.value for s in found}
    assert told == {
        "starts_total": {"tree": 1800.0, "list": 100.0},
        "requests_total": {"tree": 36_000.0, "list": 4_000.0},
        "errors_total": {"tree": 0.0, "list": 400.0},
    }


async def test_what_was_not_scraped_for_a_while_has_its_last_value_and_a_hole(cluster, metrics):
    start = cluster.clock.now()
    for one in metrics.counters.values():
        one.gaps.append((start + 40 * SECOND, start + 80 * SECOND))
    cluster.clock.advance(100 * SECOND)
    (series, _) = await metrics.span("default", BY_ARM, start, start + 100 * SECOND, 20 * SECOND)
    assert [(at - start) // SECOND for at, _ in series.points] == [0, 20, 80, 100]
    last = PromQL(f"sum(last_over_time({COUNTER}[1m]))")
    for after, value in ((40, 1600.0), (79, 1600.0), (80, 3200.0)):
        (found,) = await metrics.instant("default", last, start + after * SECOND)
        assert found.value == pytest.approx(value, abs=8)


async def test_a_span_and_its_instants_agree(cluster, metrics):
    start = cluster.clock.now()
    cluster.clock.advance(60 * SECOND)
    matrix = await metrics.span("default", BY_ARM, start, cluster.clock.now(), 15 * SECOND)
    for series in matrix:
        assert len(series.points) == 5
        for at, value in series.points:
            vector = await metrics.instant("default", BY_ARM, at)
            assert value in [s.value for s in vector if s.labels == series.labels]


async def test_a_prometheus_in_a_mood_says_nothing_usable(cluster, metrics):
    cluster.clock.advance(60 * SECOND)
    now = cluster.clock.now()
    for mood, error in (
        (Mood.DOWN, Unavailable),
        (Mood.PARTIAL, Unavailable),
        (Mood.BAD_QUERY, BadQuery),
    ):
        metrics.mood = mood
        with pytest.raises(error):
            await metrics.instant("default", BY_ARM, now)
    metrics.mood = Mood.SILENT
    assert await metrics.instant("default", BY_ARM, now) == ()
    metrics.mood = Mood.NAN
    assert all(math.isnan(s.value) for s in await metrics.instant("default", BY_ARM, now))
