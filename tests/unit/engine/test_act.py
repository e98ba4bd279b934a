"""Fence and act: stamps first, every write pinned, and an overtaken pass ends."""

import pytest

from fakes import ENV, FakeCluster, FakeMetrics, FakeTelemetry, deployment, env_of, ramp
from rampguard.api.stamp import read_stamp, stamp_key, write_stamp
from rampguard.api.status import to_state
from rampguard.api.v1alpha1 import to_ask
from rampguard.core.ask import EnvName, EnvValue, Ref
from rampguard.core.decide import decide
from rampguard.core.model import Decision, Stamp
from rampguard.core.plan import Plan, Tempo, make_plan
from rampguard.engine.act import TRIES, act, fence
from rampguard.engine.observe import observe
from rampguard.engine.sight import Sight
from rampguard.ports import (
    Conflict,
    NotFound,
    Refused,
    Resource,
    Rules,
    TimedOut,
    Unavailable,
    World,
)

RAMP, API, WORKER = Ref("app", "skill-tree-layout-50"), Ref("app", "api"), Ref("app", "worker")
QUERY = "max(errors)"
RULE = {"name": "errors", "type": "Threshold", "query": QUERY, "max": "0.5"}
D = Resource.DEPLOYMENTS


@pytest.fixture
def cluster():
    made = FakeCluster(copies=True)
    made.put(D, deployment())
    made.put(D, deployment("worker"))
    made.rollouts.settle()
    targets = [{"name": "worker"}, {"name": "api"}]
    made.put(Resource.RAMPS, ramp(guardrails=[RULE], arms=None, metrics=None, targets=targets))
    return made


@pytest.fixture
def world(cluster):
    return World(
        cluster=cluster,
        metrics=FakeMetrics(cluster.clock, answers={QUERY: lambda at: 0.0}),
        clock=cluster.clock,
        telemetry=FakeTelemetry(),
        rules=Rules(process="p", tempo=Tempo()),
    )


async def about_to_start(world: World) -> tuple[Plan, Decision, Sight]:
    """Return a pass right before its fence."""
    found = await world.cluster.get(Resource.RAMPS, RAMP)
    plan = make_plan(to_ask(found), world.rules.tempo)
    state = to_state(found, plan.ask)
    sight = await observe(plan, state, found, world)
    decision = decide(plan, state, sight.seen)
    assert decision.fenced
    return plan, decision, sight


def stamp_on(cluster: FakeCluster, name: str) -> Stamp | None:
    return read_stamp(cluster.seen(D, "app", name), name, EnvName(ENV))


def value(cluster: FakeCluster, name: str) -> str | None:
    return env_of(cluster.seen(D, "app", name), name, ENV)


def patched(cluster: FakeCluster, verb: str) -> list[str]:
    return [c.ref.name for c in cluster.calls if c.verb == verb and c.resource is D]


async def test_every_target_is_stamped_with_its_original_before_any_write(cluster, world):
    plan, decision, sight = await about_to_start(world)
    await fence(plan, decision, sight, world)
    for name in ("api", "worker"):
        stamp = stamp_on(cluster, name)
        assert (stamp.original, stamp.origin, stamp.to, stamp.seq) == (EnvValue("10"), 10, 50, 1)
        assert (stamp.name, stamp.process) == (RAMP.name, "p")
        assert value(cluster, name) == "10"


async def test_stamps_go_in_the_order_of_names_and_values_in_that_of_the_targets(cluster, world):
    plan, decision, sight = await about_to_start(world)
    sight = await fence(plan, decision, sight, world)
    await act(plan, decision, sight, world)
    assert patched(cluster, "merge_patch") == ["api", "worker"]
    assert patched(cluster, "apply") == ["worker", "api"]


async def test_a_version_that_moved_on_alone_is_no_conflict(cluster, world):
    plan, decision, sight = await about_to_start(world)
    cluster.scale(API, 5)
    sight = await fence(plan, decision, sight, world)
    cluster.scale(API, 4)
    await act(plan, decision, sight, world)
    assert (value(cluster, "api"), value(cluster, "worker")) == ("50", "50")
    assert cluster.seen(D, "app", "api")["spec"]["replicas"] == 4


OVERTAKEN = {
    "somebody set the value": lambda c: c.set_env(API, "api", ENV, "30"),
    "somebody took the entry": lambda c: c.set_env(API, "api", ENV, None),
    "another owns it": lambda c: (
        c.set_env(API, "api", ENV, "11") and c.set_env(API, "api", ENV, "10", manager="helm")
    ),
    "another stamp is there": lambda c: c.patch(
        D,
        API,
        {
            "metadata": {
                "annotations": {
                    stamp_key("api", EnvName(ENV)): write_stamp(
                        Stamp(
                            uid="other",
                            name="other",
                            original=None,
                            origin=0,
                            to=1,
                            process="q",
                            seq=1,
                        )
                    )
                }
            }
        },
    ),
    "it is another Deployment of the name": lambda c: (
        c.delete(D, API),
        c.put(D, deployment()),
    ),
}


@pytest.mark.parametrize("meddle", OVERTAKEN.values(), ids=OVERTAKEN)
async def test_an_overtaken_pass_ends_at_its_fence(cluster, world, meddle):
    plan, decision, sight = await about_to_start(world)
    meddle(cluster)
    before = cluster.seen(D, "app", "api")
    with pytest.raises(Conflict):
        await fence(plan, decision, sight, world)
    assert cluster.seen(D, "app", "api") == before
    assert patched(cluster, "apply") == []


@pytest.mark.parametrize("meddle", OVERTAKEN.values(), ids=OVERTAKEN)
async def test_an_overtaken_pass_ends_at_its_write(cluster, world, meddle):
    plan, decision, sight = await about_to_start(world)
    sight = await fence(plan, decision, sight, world)
    meddle(cluster)
    left = value(cluster, "api")
    with pytest.raises(Conflict):
        await act(plan, decision, sight, world)
    assert value(cluster, "api") == left


async def test_of_two_passes_one_alone_gets_the_stamps(cluster, world):
    first, second = await about_to_start(world), await about_to_start(world)
    await fence(*first, world)
    with pytest.raises(Conflict):
        await fence(*second, world)


async def test_a_deployment_that_never_rests_ends_the_pass(cluster, world):
    plan, decision, sight = await about_to_start(world)

    async def move(verb: str, resource: Resource, ref: Ref) -> None:
        if verb == "merge_patch":
            labels = {"turn": str(len(cluster.calls))}
            cluster.patch(D, ref, {"metadata": {"labels": labels}})

    cluster.before = move
    with pytest.raises(Conflict, match="changes faster than it is read"):
        await fence(plan, decision, sight, world)
    assert len(patched(cluster, "merge_patch")) == TRIES


@pytest.mark.parametrize("error", [Unavailable("x"), TimedOut("x")], ids=repr)
async def test_a_write_without_an_answer_is_not_sent_again(cluster, world, error):
    plan, decision, sight = await about_to_start(world)
    sight = await fence(plan, decision, sight, world)
    cluster.fail(error, verb="apply")
    with pytest.raises(type(error)):
        await act(plan, decision, sight, world)
    assert patched(cluster, "apply") == ["worker"]


async def test_a_refused_forward_write_ends_the_others(cluster, world):
    plan, decision, sight = await about_to_start(world)
    sight = await fence(plan, decision, sight, world)
    cluster.fail(Refused("quota"), verb="apply")
    (outcome,) = await act(plan, decision, sight, world)
    assert outcome.refused == "worker: quota"
    assert value(cluster, "api") == "10"
    assert world.refusals == {plan.ask.uid: ("worker: quota",)}


async def test_a_target_that_vanished_is_refused_and_not_made_anew(cluster, world):
    plan, decision, sight = await about_to_start(world)
    sight = await fence(plan, decision, sight, world)
    cluster.delete(D, WORKER)
    (outcome,) = await act(plan, decision, sight, world)
    assert "worker" in outcome.refused
    with pytest.raises(NotFound):
        cluster.seen(D, "app", "worker")
