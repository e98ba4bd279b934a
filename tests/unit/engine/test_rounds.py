"""Rounds of the probe are asked beside the passes, of the right pods, at a bounded rate."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from fake_clock import FakeClock
from fake_prober import ASKED, FakeProber, right, said, service
from fakes import ENV, FakeCluster, FakeMetrics, FakeTelemetry, deployment, env_of, ramp
from probe_scenes import a_round, asking
from rampguard.core.ask import Ref
from rampguard.core.plan import Tempo
from rampguard.core.probe import Heard, Occasion, Question
from rampguard.engine.reconcile import reconcile
from rampguard.engine.rounds import AT_ONCE, ask, identity
from rampguard.engine.rounds import rounds as begun
from rampguard.ports import Errand, Resource, Rules, Unavailable, World

RAMP, API = Ref("app", "skill-tree-layout-50"), Ref("app", "api")
QUERY = "max(errors)"
SECOND = timedelta(seconds=1)
SPEC = {
    "metrics": None,
    "guardrails": [{"name": "errors", "type": "Threshold", "query": QUERY, "max": "0.5"}],
    "probe": ASKED,
}


@pytest.fixture
def cluster():
    made = FakeCluster()
    made.put(Resource.DEPLOYMENTS, deployment())
    made.put(Resource.SERVICES, service())
    made.rollouts.settle()
    made.put(Resource.RAMPS, ramp(**SPEC))
    return made


@pytest.fixture
def prober(cluster):
    return FakeProber(cluster)


@pytest.fixture
def world(cluster, prober):
    return World(
        cluster=cluster,
        metrics=FakeMetrics(cluster.clock, answers={QUERY: lambda at: 0.0}),
        clock=cluster.clock,
        telemetry=FakeTelemetry(),
        rules=Rules(process="p", tempo=Tempo()),
        prober=prober,
    )


def errand(world, **facts) -> Errand:
    """Return a round of all pods; they run 10."""
    pods = tuple(world.cluster.server.objects[Resource.PODS].values())
    told = a_round(users=20, share=10)
    asked = replace(asking(port=8080, rate=100), ref=RAMP)
    return Errand(**{"ask": asked, "round": told, "pods": pods, **facts})


async def heard(world, **facts) -> Heard:
    hurried = FakeClock(world.clock.now(), hurried=True)
    return await ask(errand(world, **facts), replace(world, clock=hurried))


# --- whom


async def test_every_pod_is_asked_at_its_own_address(world, prober):
    told = await heard(world)
    assert (told.faults, told.silent, told.pods, told.asked) == ((), "", 3, 20)
    assert {door.address for door, _ in prober.doors} == {"10.1.0.2", "10.1.0.3", "10.1.0.4"}
    assert {(door.port, door.host) for door, _ in prober.doors} == {(8080, "api.app.svc")}
    assert len(prober.doors) == 40


async def test_the_port_is_that_of_the_pods_behind_the_service(world, cluster, prober):
    change(cluster, service(port=80, target=9000))
    told = await heard(world, ask=replace(asking(port=80, rate=100), ref=RAMP))
    assert not told.silent
    assert {door.port for door, _ in prober.doors} == {9000}


def change(cluster, body) -> None:
    cluster.delete(Resource.SERVICES, API)
    if body is not None:
        cluster.put(Resource.SERVICES, body)


async def test_a_port_by_name_is_looked_up_in_each_pod(world, cluster, prober):
    change(cluster, service(target="http"))
    pods = errand(world).pods
    named = [_with_port(pod, "http", 7000 + n) for n, pod in enumerate(pods[:2])]
    told = await heard(world, pods=(*named, pods[2]))
    assert told.pods == 2
    assert {door.port for door, _ in prober.doors} == {7000, 7001}


def _with_port(pod, name, number):
    (container,) = pod["spec"]["containers"]
    ports = [{"name": "metrics", "containerPort": 1}, {"name": name, "containerPort": number}]
    return {**pod, "spec": {**pod["spec"], "containers": [{**container, "ports": ports}]}}


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        (None, "there is no Service app/api"),
        ({"ports": [{"port": 80}], "selector": {"app": "api"}},
         "Service app/api has no port 8080; there are: 80"),
        ({"selector": {"app": "api"}}, "Service app/api has no port 8080; there are: none"),
        ({"ports": [{"port": 8080}], "selector": {"app": "web"}},
         "Service app/api selects no Ready pod of the targets with port 8080"),
        ({"ports": [{"port": 8080}], "externalName": "example.com"},
         "Service app/api selects no Ready pod of the targets with port 8080"),
        ({"ports": [{"port": 8080}], "selector": {}},
         "Service app/api selects no Ready pod of the targets with port 8080"),
        ({"ports": [{"port": 8080, "targetPort": "web"}], "selector": {"app": "api"}},
         "Service app/api selects no Ready pod of the targets with port web"),
    ],
)  # fmt: skip
async def test_a_service_that_leads_to_no_pod_is_told(world, cluster, prober, spec, words):
    change(cluster, spec and {**service(), "spec": spec})
    told = await heard(world, ask=replace(asking(port=8080), ref=RAMP))
    assert told.silent == words
    assert prober.doors == []


async def test_a_pod_without_an_address_is_not_asked(world, prober):
    pods = errand(world).pods
    bare = {**pods[0], "status": {**pods[0]["status"], "podIP": ""}}
    assert (await heard(world, pods=(bare, *pods[1:]))).pods == 2


async def test_users_are_the_same_for_the_same_round_and_no_other():
    one, same = Question("a", 1, 7), Question("b", 1, 7)
    assert identity("uid", one) == identity("uid", same)
    others = [identity("uid", Question("a", 2, 7)), identity("uid", Question("a", 1, 8)),
              identity("other", one)]  # fmt: skip
    assert len({identity("uid", one), *others}) == 4


# --- at which rate


async def test_requests_keep_their_rate(world, prober):
    hurried = FakeClock(world.clock.now(), hurried=True)
    one = errand(world, ask=replace(asking(port=8080, rate=10), ref=RAMP))
    await ask(one, replace(world, clock=hurried))
    assert hurried.now() - world.clock.now() == 4 * SECOND


async def test_not_more_than_so_many_wait_for_an_answer(world):
    waiting, most, gate = 0, 0, asyncio.Event()

    class Slow:
        async def ask(self, *_):
            nonlocal waiting, most
            waiting += 1
            most = max(most, waiting)
            await gate.wait()
            waiting -= 1
            return right("mia", 10)

    hurried = FakeClock(world.clock.now(), hurried=True)
    one = errand(world, round=a_round(users=200, share=10))
    task = asyncio.create_task(ask(one, replace(world, clock=hurried, prober=Slow())))
    for _ in range(1000):
        await asyncio.sleep(0)
    assert (waiting, most) == (AT_ONCE, AT_ONCE)
    gate.set()
    assert (await task).users == 200
    assert most == AT_ONCE


async def test_what_others_say_is_bearable(world, prober):
    prober.answer = lambda user, value: said(f"\x1b[2J{'x' * 500}\n", value)
    told = await heard(world)
    assert "\x1b" not in told.silent
    assert len(told.silent) < 400
    prober.answer = lambda user, value: "\x1b[2Jno" * 500
    assert "\x1b" not in (await heard(world)).silent


# --- beside the passes


@pytest.fixture
def woken():
    return []


@pytest.fixture
async def rounds(world, woken):
    made = begun(world, woken.append)
    yield made
    await made.close()


def hand(rounds, world, **facts) -> None:
    world.errands[RAMP] = errand(world, **facts)
    rounds.take(RAMP)


async def test_a_round_is_asked_once_told_and_wakes_its_ramp(world, rounds, prober, woken):
    hand(rounds, world)
    hand(rounds, world)
    await world.clock.live(SECOND, pause=SECOND / 100)
    assert world.heard["uid-of-the-ramp"].number == 4
    assert woken == [RAMP]
    assert len(prober.doors) == 40
    hand(rounds, world)  # a pass that did not hear of it yet
    await world.clock.live(SECOND, pause=SECOND / 100)
    assert len(prober.doors) == 40
    rounds.take(RAMP)
    assert woken == [RAMP]


async def test_another_round_takes_the_place_of_one_under_way(world, rounds, woken):
    hand(rounds, world)
    await world.clock.live(SECOND / 10, pause=SECOND / 100)
    hand(rounds, world, round=a_round(number=5, users=20, share=10))
    await world.clock.live(SECOND, pause=SECOND / 100)
    assert world.heard["uid-of-the-ramp"].number == 5
    assert woken == [RAMP]


async def test_a_ramp_that_is_gone_is_not_asked_for(world, rounds, woken):
    hand(rounds, world)
    await world.clock.live(SECOND, pause=SECOND / 100)
    hand(rounds, world, round=a_round(number=5, users=20, share=10))
    rounds.forget(RAMP)
    await world.clock.live(SECOND, pause=SECOND / 100)
    assert world.heard == {}
    assert woken == [RAMP]
    rounds.forget(RAMP)


async def test_a_bug_is_told_as_silence(world, woken):
    class Broken:
        async def ask(self, *_):
            raise ZeroDivisionError

    broken = begun(replace(world, prober=Broken()), woken.append)
    hand(broken, world)
    await world.clock.live(SECOND, pause=SECOND / 100)
    assert world.heard["uid-of-the-ramp"].silent == "a bug: ExceptionGroup"
    assert woken == [RAMP]
    assert [words for level, words, _ in world.telemetry.lines if level == "error"] == [
        "work beside the passes failed"
    ]


async def test_a_probe_that_was_taken_away_is_silence(world):
    told = await heard(world, ask=replace(asking(), probe=None))
    assert told.silent == "spec.probe is gone"


async def test_an_operator_without_a_prober_hears_nothing(world):
    told = await heard(
        replace(world, prober=World.__dataclass_fields__["prober"].default_factory())
    )
    assert told.silent == "3 of 3 pods gave no answer: this operator asks no pods (40x)"


async def test_the_cluster_that_does_not_answer_is_silence(world, cluster):
    class Away:
        async def get(self, *_):
            raise Unavailable("no answer from the API server")

    told = await ask(errand(world), replace(world, cluster=Away()))
    assert told.silent == "no answer from the API server"
    assert told.occasion is Occasion.STEP


# --- whole ramps


async def walk(cluster, world, *phases: str, asking_too: bool = True) -> dict:
    """Make passes and ask what they leave, until a phase comes."""
    for _ in range(600):
        rest = await reconcile(RAMP, world)
        status = cluster.seen(Resource.RAMPS, "app", RAMP.name)["status"]
        if status["phase"] in phases:
            return status
        if asking_too and (one := world.errands.pop(RAMP, None)):
            hurried = FakeClock(cluster.clock.now(), hurried=True)
            world.heard[one.ask.uid] = await ask(one, replace(world, clock=hurried))
            cluster.clock.advance(hurried.now() - cluster.clock.now())
            continue
        cluster.clock.advance(rest.again_in)
    raise AssertionError(f"never {phases}: {status}")


def told(status: dict, kind: str = "AssignmentVerified") -> tuple[str, str]:
    found = {one["type"]: one for one in status["conditions"]}[kind]
    return found["status"], found["reason"]


async def test_an_app_that_answers_rightly_is_watched(cluster, world, prober):
    status = await walk(cluster, world, "Soaking")
    assert told(status) == ("True", "ShareAsWanted")
    lines = "\n".join(status["timeline"])
    assert "kept the arm that they had before" in lines
    before = 5 + 100
    assert len(prober.doors) > before + 200


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        (lambda user, value: said("tree", value), "AssignmentMismatch"),
        (lambda user, value: right(user, 50 if value == 10 else 10), "WrongValue"),
        (lambda user, value: replace(right(user, value), arms=("tree", "list"))
         if value == 50 else right(user, value), "CarriersDisagree"),
    ],
)  # fmt: skip
async def test_an_app_that_answers_wrongly_is_rolled_back(cluster, world, prober, wrong, reason):
    prober.answer = lambda user, value: right(user, value) if value == 10 else wrong(user, value)
    status = await walk(cluster, world, "RolledBack")
    assert told(status) == ("False", reason)
    assert told(status, "RollbackVerified") == ("True", "AllPodsProven")
    assert status["rollback"]["reason"] == reason
    assert env_of(cluster.seen(Resource.DEPLOYMENTS, "app", "api"), "api", ENV) == "10"


async def test_a_probe_that_gets_no_answer_blocks_before_the_first_write(cluster, world, prober):
    prober.answer = lambda user, value: "HTTP 401"
    status = await walk(cluster, world, "Blocked")
    assert told(status) == ("Unknown", "ProbeFailed")
    assert told(status, "Stalled") == ("True", "ProbeFailed")
    assert "HTTP 401 (5x)" in status["summary"]
    assert env_of(cluster.seen(Resource.DEPLOYMENTS, "app", "api"), "api", ENV) == "10"
    prober.answer = right
    await walk(cluster, world, "Soaking")


async def test_an_app_that_says_another_value_blocks_before_the_first_write(cluster, world, prober):
    prober.answer = lambda user, value: right(user, 20)
    status = await walk(cluster, world, "Blocked")
    assert told(status) == ("False", "WrongValue")
    assert "another value than 10" in status["summary"]


async def test_an_app_that_falls_silent_after_the_write_is_watched_all_the_same(
    cluster, world, prober
):
    prober.answer = lambda user, value: right(user, value) if value == 10 else "HTTP 500"
    status = await walk(cluster, world, "Soaking", "RolledBack")
    assert status["phase"] == "Soaking"
    assert told(status) == ("Unknown", "ProbeFailed")


async def test_a_pass_does_not_wait_for_an_app(cluster, world):
    for _ in range(3):
        before = cluster.clock.now()
        await reconcile(RAMP, world)
        assert cluster.clock.now() == before
    assert world.errands[RAMP].round.users == 5


async def test_a_pass_that_leaves_nothing_ends_what_is_asked_and_one_that_broke_off_does_not(
    world, rounds, prober
):
    hand(rounds, world)
    await world.clock.live(SECOND / 10, pause=SECOND / 100)
    rounds.take(RAMP)  # the pass broke off
    asked = len(prober.doors)
    await world.clock.live(SECOND / 10, pause=SECOND / 100)
    assert len(prober.doors) > asked
    world.errands[RAMP] = None
    rounds.take(RAMP)
    asked = len(prober.doors)
    await world.clock.live(SECOND, pause=SECOND / 100)
    assert len(prober.doors) == asked
    assert world.heard == {}


async def test_of_a_ramp_that_was_made_anew_nothing_old_is_kept(world, rounds):
    hand(rounds, world)
    await world.clock.live(SECOND, pause=SECOND / 100)
    anew = replace(errand(world).ask, uid="another")
    hand(rounds, world, ask=anew)
    await world.clock.live(SECOND, pause=SECOND / 100)
    assert set(world.heard) == {"another"}
