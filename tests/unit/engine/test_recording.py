"""Which passes are recorded, and what of them."""

from dataclasses import replace

import pytest

from crash.harness import Process, begin, walk
from crash.story import NAME, STORIES
from rampguard.core.model import Applying, Ended, Pending, RollingBack, Soaking
from rampguard.engine.reconcile import reconcile
from rampguard.ports import Conflict, NoRecorder, Resource
from scenes import SECOND, state
from taped import Kept, one, walked


async def test_each_stage_of_a_ramp_is_recorded():
    kept = await walked("breach")
    before = [type(record.before.stage) for record in kept]
    after = [type(record.decision.state.stage) for record in kept]
    assert [*dict.fromkeys(before)] == [Pending, Applying, Soaking, RollingBack]
    assert after[-1] is Ended
    assert [a for a, b in zip(after, before[1:], strict=False) if a is not b] == []


async def test_each_look_is_recorded_with_all_that_it_was_judged_by():
    looks = [look for record in await walked("counted") for look in record.seen.looks]
    assert len(looks) > 4
    assert all(not isinstance(look.measured.counted, str) for look in looks)
    assert [look.at for look in looks] == sorted({look.at for look in looks})


async def test_a_pass_that_saw_nothing_new_is_not_recorded():
    process, kept = Process(begin(STORIES["completes"])), Kept()
    process.world = replace(process.world, recorder=kept)
    await reconcile(NAME, process.world)
    known = len(kept.records)
    for _ in range(3):  # pods are not Ready yet, and no time passes
        await reconcile(NAME, process.world)
    assert known == 1
    assert len(kept.records) <= known + 1


async def test_a_pass_that_was_overtaken_is_not_recorded():
    process, kept = Process(begin(STORIES["completes"])), Kept()
    process.world = replace(process.world, recorder=kept)
    process.cluster.fail(Conflict("somebody else wrote"), verb="put_status")
    with pytest.raises(Conflict):
        await reconcile(NAME, process.world)
    assert kept.records == []
    await reconcile(NAME, process.world)
    assert len(kept.records) == 1


async def test_the_state_recorded_is_the_one_that_was_remembered():
    process, kept = Process(begin(STORIES["completes"])), Kept()
    process.world = replace(process.world, recorder=kept)
    async for tale in walk(process):
        if kept.records:
            told = tale.scene.cluster.server.objects[Resource.RAMPS][NAME]["status"]["conditions"]
            (_, _, record) = kept.records[-1]
            assert {c.type for c in record.decision.state.conditions} == {c["type"] for c in told}


def test_a_recorder_that_keeps_nothing_takes_everything():
    record = one(SECOND, state=state(Applying(since=one().seen.now, step=0, progress=None)))
    NoRecorder().append(record.ask.ref, record.ask.uid, record)
