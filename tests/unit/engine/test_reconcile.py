"""One pass over a fake cluster: the order of its calls, and what an error makes of it."""

from dataclasses import replace
from datetime import timedelta

import pytest

from fake_notifier import FakeNotifier, Temper
from fakes import ENV, FakeCluster, FakeMetrics, FakeTelemetry, Mood, deployment, env_of, ramp
from rampguard.api import engine
from rampguard.core.ask import Ref
from rampguard.core.outbox import Delivery
from rampguard.core.plan import Tempo
from rampguard.engine.reconcile import reconcile
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

RAMP, API = Ref("app", "skill-tree-layout-50"), Ref("app", "api")
QUERY = "max(errors)"
RULE = {"name": "errors", "type": "Threshold", "query": QUERY, "max": "0.5"}
SPEC = {"guardrails": [RULE], "arms": None, "metrics": None}
D = Resource.DEPLOYMENTS


@pytest.fixture
def cluster():
    made = FakeCluster(copies=True)
    made.put(D, deployment())
    made.rollouts.settle()
    made.put(Resource.RAMPS, ramp(**SPEC))
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


def status(cluster: FakeCluster) -> dict:
    return cluster.seen(Resource.RAMPS, "app", RAMP.name).get("status", {})


def value(cluster: FakeCluster) -> str | None:
    return env_of(cluster.seen(D, "app", "api"), "api", ENV)


def writes(cluster: FakeCluster) -> list[tuple[str, Resource]]:
    return [(call.verb, call.resource) for call in cluster.calls if call.writes]


async def walk(cluster: FakeCluster, world: World, phase: str) -> None:
    for _ in range(60):
        if status(cluster).get("phase") == phase:
            return
        rest = await reconcile(RAMP, world)
        cluster.clock.advance(rest.again_in)
    raise AssertionError(f"never {phase}: {status(cluster)}")


async def test_missing_signals_are_told_beside_what_says_nothing_of_the_pods(cluster, world):
    """One manifest may have two mistakes: nobody is to find the second after the first."""
    cluster.patch(Resource.RAMPS, RAMP, {"spec": {"from": 7}})
    world.metrics.answers.clear()
    await reconcile(RAMP, world)
    stalled = {one["type"]: one for one in status(cluster)["conditions"]}["Stalled"]["message"]
    assert 'spec.from wants "7"; errors: the query gives no sample' in stalled
    tried = [call for call in cluster.calls if call.verb == "apply"]
    assert tried == []


async def test_pods_that_cannot_be_read_do_not_hide_what_is_known(cluster, world):
    cluster.patch(Resource.RAMPS, RAMP, {"spec": {"from": 7}})
    cluster.fail(Refused("pods is forbidden"), verb="list", times=9)
    await reconcile(RAMP, world)
    assert status(cluster)["phase"] == "Blocked"
    assert 'spec.from wants "7"' in status(cluster)["summary"]


async def test_the_order_is_finalizer_stamp_status_value_event(cluster, world):
    rest = await reconcile(RAMP, world)
    assert writes(cluster) == [
        ("merge_patch", Resource.RAMPS),
        ("merge_patch", D),
        ("put_status", Resource.RAMPS),
        ("apply", D),
        ("create_event", Resource.EVENTS),
        ("create_event", Resource.EVENTS),
    ]
    assert rest.watch == {"app=api"}
    assert (status(cluster)["phase"], value(cluster)) == ("Applying", "50")


async def test_a_pass_that_changes_nothing_writes_nothing(cluster, world):
    cluster.set_env(API, "api", ENV, "20")
    cluster.rollouts.settle()
    await reconcile(RAMP, world)
    assert status(cluster)["phase"] == "Blocked"
    cluster.calls.clear()
    await reconcile(RAMP, world)
    assert writes(cluster) == []


async def test_the_links_of_the_configuration_stand_in_the_status(cluster, world):
    rules = replace(world.rules, links=(("thread", "https://chat.example/{name}"),))
    await reconcile(RAMP, replace(world, rules=rules))
    assert status(cluster)["links"] == [
        {"name": "thread", "url": f"https://chat.example/{RAMP.name}"}
    ]


async def test_a_ramp_that_is_gone_is_not_found(cluster, world):
    cluster.delete(Resource.RAMPS, RAMP)
    with pytest.raises(NotFound):
        await reconcile(RAMP, world)


async def test_a_manifest_that_cannot_be_understood_is_refused_in_the_status(cluster, world):
    cluster.patch(Resource.RAMPS, RAMP, {"spec": {"to": "many"}})
    rest = await reconcile(RAMP, world)
    told = status(cluster)
    assert rest.again_in == timedelta(minutes=5)
    assert (told["phase"], "to" in told["summary"]) == ("Blocked", True)
    cluster.calls.clear()
    await reconcile(RAMP, world)
    assert writes(cluster) == []


async def test_a_started_ramp_whose_manifest_breaks_keeps_all_that_it_remembers(cluster, world):
    await walk(cluster, world, "Soaking")
    line = status(cluster)["engine"]
    cluster.patch(Resource.RAMPS, RAMP, {"spec": {"to": "many"}})
    await reconcile(RAMP, world)
    assert (status(cluster)["phase"], status(cluster)["engine"]) == ("Soaking", line)
    cluster.delete(Resource.RAMPS, RAMP)
    await reconcile(RAMP, world)
    assert cluster.seen(Resource.RAMPS, "app", RAMP.name)["metadata"]["finalizers"]


async def test_a_damaged_memory_is_told_and_not_guessed(cluster, world):
    await walk(cluster, world, "Soaking")
    cluster.patch(Resource.RAMPS, RAMP, {"status": {"engine": "{"}})
    await reconcile(RAMP, world)
    assert "damaged" in status(cluster)["summary"]
    assert (value(cluster), status(cluster)["engine"]) == ("50", "{")


@pytest.mark.parametrize("error", [Unavailable("no answer"), Refused("forbidden")], ids=repr)
async def test_targets_that_cannot_be_read_hold_the_ramp(cluster, world, error):
    await walk(cluster, world, "Soaking")
    for resource in (D, Resource.PODS, Resource.REPLICASETS):
        cluster.fail(error, resource=resource)
        await reconcile(RAMP, world)
        assert (status(cluster)["phase"], value(cluster)) == ("Soaking", "50")
        assert str(error) in status(cluster)["summary"].lower()


async def test_a_status_that_cannot_be_written_stops_the_pass_before_its_writes(cluster, world):
    for error in (Conflict("x"), Unavailable("x"), TimedOut("x"), Refused("x")):
        cluster.fail(error, verb="put_status")
        with pytest.raises(type(error)):
            await reconcile(RAMP, world)
        assert value(cluster) == "10"
        cluster.rollouts.settle()  # the stamp counts as a change of the Deployment
    await reconcile(RAMP, world)
    assert value(cluster) == "50"


async def test_somebody_who_edits_the_ramp_in_the_middle_of_a_pass_wins(cluster, world):
    async def edit(verb: str, resource: Resource, ref: Ref) -> None:
        if verb == "put_status":
            cluster.before = None
            cluster.patch(Resource.RAMPS, RAMP, {"spec": {"paused": True}})

    cluster.before = edit
    with pytest.raises(Conflict):
        await reconcile(RAMP, world)
    cluster.rollouts.settle()
    await reconcile(RAMP, world)
    assert (value(cluster), status(cluster)["phase"]) == ("10", "Paused")


@pytest.mark.parametrize("mood", [m for m in Mood if m is not Mood.WELL], ids=lambda m: m.name)
async def test_no_mood_of_prometheus_starts_or_ends_a_ramp(cluster, world, mood):
    world.metrics.mood = mood
    for _ in range(5):
        await reconcile(RAMP, world)
        cluster.clock.advance(timedelta(minutes=1))
    assert (status(cluster)["phase"], value(cluster)) == ("Blocked", "10")
    world.metrics.mood = Mood.WELL
    await walk(cluster, world, "Soaking")
    world.metrics.mood = mood
    for _ in range(30):
        rest = await reconcile(RAMP, world)
        cluster.clock.advance(rest.again_in)
    assert (status(cluster)["phase"], value(cluster)) == ("Soaking", "50")
    world.metrics.mood = Mood.WELL
    await walk(cluster, world, "Completed")


async def test_an_event_that_cannot_be_written_fails_nothing(cluster, world):
    cluster.fail(Refused("no events here"), verb="create_event", times=99)
    await walk(cluster, world, "Completed")
    assert ("event not written") in {message for _, message, _ in world.telemetry.lines}


async def test_a_refused_write_is_told_and_rolled_back(cluster, world):
    cluster.fail(Refused("policy says no"), verb="apply")
    await reconcile(RAMP, world)
    assert tuple(world.refusals.values()) == (("api: policy says no",),)
    await walk(cluster, world, "RolledBack")
    assert value(cluster) == "10"
    assert "policy says no" in status(cluster)["rollback"]["because"]
    assert world.refusals == {}


@pytest.fixture
def told_world(cluster, world):
    cluster.patch(Resource.RAMPS, RAMP, {"spec": {"notify": [{"channel": "team"}]}})
    return replace(world, notifier=FakeNotifier({"team": Temper.GOOD}))


def delivered(world: World, uid: str) -> None:
    """Let all that is due arrive."""
    told = tuple(
        Delivery(key=notice.key, channel=channel, at=world.clock.now())
        for notice, channel in world.posts.pop(RAMP).due
    )
    world.deliveries[uid] = (*world.deliveries.get(uid, ()), *told)


def outbox(cluster: FakeCluster) -> list[str]:
    return [str(letter.notice.kind) for letter in engine.read(status(cluster)["engine"]).outbox]


async def test_a_notice_stands_in_the_status_before_it_is_sent(cluster, told_world):
    uid = cluster.seen(Resource.RAMPS, "app", RAMP.name)["metadata"]["uid"]
    cluster.fail(Unavailable("no answer"), verb="put_status")
    with pytest.raises(Unavailable):
        await reconcile(RAMP, told_world)
    assert told_world.posts == {}
    await reconcile(RAMP, told_world)
    assert outbox(cluster) == ["RampPlanned"]
    assert [channel for _, channel in told_world.posts[RAMP].due] == ["team"]
    assert value(cluster) == "10"
    delivered(told_world, uid)
    await reconcile(RAMP, told_world)
    assert (outbox(cluster), value(cluster)) == (["RampStarted"], "50")
    assert told_world.deliveries == {}


async def test_what_came_of_a_delivery_is_kept_until_a_status_remembers_it(cluster, told_world):
    uid = cluster.seen(Resource.RAMPS, "app", RAMP.name)["metadata"]["uid"]
    await reconcile(RAMP, told_world)
    delivered(told_world, uid)
    cluster.fail(Conflict("somebody wrote"), verb="put_status")
    with pytest.raises(Conflict):
        await reconcile(RAMP, told_world)
    assert len(told_world.deliveries[uid]) == 1
    cluster.rollouts.settle()
    await reconcile(RAMP, told_world)
    assert outbox(cluster) == ["RampStarted"]


async def test_a_pass_that_fails_after_it_remembered_leaves_its_post(cluster, told_world):
    uid = cluster.seen(Resource.RAMPS, "app", RAMP.name)["metadata"]["uid"]
    await reconcile(RAMP, told_world)
    delivered(told_world, uid)
    cluster.fail(Unavailable("no answer"), verb="apply")
    with pytest.raises(Unavailable):
        await reconcile(RAMP, told_world)
    assert [str(notice.kind) for notice, _ in told_world.posts[RAMP].due] == ["RampStarted"]


async def test_an_unknown_channel_blocks_the_ramp_and_is_named(cluster, told_world):
    await reconcile(RAMP, replace(told_world, notifier=FakeNotifier({"mail": Temper.GOOD})))
    told = {one["type"]: one for one in status(cluster)["conditions"]}
    assert (status(cluster)["phase"], told["Ready"]["reason"]) == ("Blocked", "UnknownChannel")
    assert (
        "names the channel team; the operator's configuration has mail"
        in (told["Stalled"]["message"])
    )
