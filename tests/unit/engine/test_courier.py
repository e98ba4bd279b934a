"""Notices go out beside the passes: nothing waits for a channel, nothing is sent twice at once."""

import asyncio
from datetime import timedelta

import pytest

from fake_notifier import FakeNotifier, Temper
from fakes import FakeCluster, FakeMetrics, FakeTelemetry
from rampguard.core.ask import Ref
from rampguard.core.outbox import Delivery, Kind, Notice
from rampguard.core.plan import Tempo
from rampguard.engine.courier import AT_ONCE, Courier, settle
from rampguard.ports import NoNotifier, Post, Refused, Rules, World

RAMP = Ref("app", "a")
GOOD, DEAD, HANGING, BROKEN = Temper


def notice(key: str = "k") -> Notice:
    at = FakeCluster().clock.now()
    return Notice(
        kind=Kind.BLOCKED, key=key, at=at, text="t", experiment="e", env="E", origin=1, to=2
    )


@pytest.fixture
def notifier():
    return FakeNotifier({str(temper): temper for temper in Temper})


@pytest.fixture
def world(notifier):
    cluster = FakeCluster()
    return World(
        cluster=cluster,
        metrics=FakeMetrics(cluster.clock),
        clock=cluster.clock,
        telemetry=FakeTelemetry(),
        rules=Rules(process="p", tempo=Tempo()),
        notifier=notifier,
    )


@pytest.fixture
def woken():
    return []


@pytest.fixture
async def courier(world, woken):
    made = Courier(world, woken.append)
    yield made
    await made.close()


async def idle(courier: Courier) -> None:
    await asyncio.gather(*courier._under_way.values())


async def settled() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


def post(courier: Courier, world: World, *due: tuple[Notice, str], ref: Ref = RAMP) -> None:
    world.posts[ref] = Post(f"uid-{ref.name}", due)
    courier.take(ref)


async def test_a_notice_is_delivered_told_and_wakes_its_ramp(courier, world, notifier, woken):
    post(courier, world, (notice(), "good"))
    await idle(courier)
    assert [(one.channel, one.uid, one.notice.key) for one in notifier.taken] == [
        ("good", "uid-a", "k")
    ]
    (told,) = world.deliveries["uid-a"]
    assert (told.key, told.channel, told.at, told.failed) == ("k", "good", world.clock.now(), "")
    assert woken == [RAMP]


WORDS = {
    "dead": "refused the connection",
    "broken": "a bug: ZeroDivisionError",
    "gone": "no channel gone is configured",
}


@pytest.mark.parametrize(("channel", "words"), WORDS.items())
async def test_what_fails_is_told_and_wakes_too(courier, world, woken, channel, words):
    post(courier, world, (notice(), channel))
    await idle(courier)
    assert [one.failed for one in world.deliveries["uid-a"]] == [words]
    assert woken == [RAMP]


async def test_a_channel_that_hangs_is_left_after_a_while(world, woken):
    courier = Courier(world, woken.append, timedelta(milliseconds=10))
    post(courier, world, (notice(), "hanging"))
    await idle(courier)
    assert [one.failed for one in world.deliveries["uid-a"]] == ["no answer within 0.01s"]


async def test_channels_that_hang_delay_no_other_channel_and_no_other_ramp(
    courier, world, notifier
):
    hanging = tuple((notice(f"h{i}"), "hanging") for i in range(50))
    post(courier, world, *hanging, (notice(), "good"))
    post(courier, world, *hanging, (notice(), "good"), ref=Ref("app", "b"))
    await settled()
    assert [one.uid for one in notifier.taken] == ["uid-a", "uid-b"]
    assert notifier.asked.count("hanging") == AT_ONCE


async def test_what_is_under_way_or_not_yet_remembered_is_not_sent_again(courier, world, notifier):
    for _ in range(2):
        post(courier, world, (notice(), "hanging"), (notice(), "good"))
    await settled()
    assert sorted(notifier.asked) == ["good", "hanging"]
    post(courier, world, (notice(), "good"))
    await settled()
    assert len(notifier.taken) == 1
    settle("uid-a", world.deliveries["uid-a"], world)
    post(courier, world, (notice(), "good"))
    await settled()
    assert len(notifier.taken) == 2


async def test_only_what_was_remembered_is_let_go(world):
    told = tuple(
        Delivery(key=key, channel="good", at=world.clock.now()) for key in ("a", "b")
    )  # fmt: skip
    world.deliveries["u"] = told
    settle("u", told[:1], world)
    assert world.deliveries == {"u": told[1:]}
    settle("u", told, world)
    assert world.deliveries == {}


async def test_a_ramp_that_is_gone_leaves_nothing_and_its_last_notice_arrives(
    courier, world, notifier, woken
):
    post(courier, world, (notice(), "good"))
    courier.forget(RAMP)
    courier.forget(RAMP)
    await idle(courier)
    assert (len(notifier.taken), world.deliveries) == (1, {})
    assert woken == [RAMP]


async def test_a_pass_that_left_nothing_sends_nothing(courier, notifier):
    courier.take(RAMP)
    await settled()
    assert notifier.asked == []


async def test_the_end_waits_for_nobody(courier, world):
    post(courier, world, (notice(), "hanging"))
    await settled()
    await courier.close()
    await idle(courier)
    assert world.deliveries == {}


async def test_without_a_notifier_every_channel_is_refused():
    assert NoNotifier().channels == ()
    with pytest.raises(Refused, match="no channel team is configured"):
        await NoNotifier().deliver("team", RAMP, "u", notice())
