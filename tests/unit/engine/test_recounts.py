"""Users are counted beside the passes, and the next pass is told."""

from dataclasses import replace

import pytest

from rampguard.core.analytics import Followed
from rampguard.core.ask import Ref
from rampguard.engine.recounts import count, recounts, send
from rampguard.ports import Tallying, Unavailable
from recount_scenes import EVENT, LAG, PLAN, asked, known, soak, told, watching
from scenes import MINUTE, SECOND, T, state

RECOUNT = asked(soak(known()))
LEFT = Tallying(PLAN.ask, LAG, RECOUNT)
RAMP = Ref("app", "tree-50")


class Exports:
    """Implements ports.Exports."""

    def __init__(self, error: Exception | None = None):
        self.asked = []
        self.error = error

    async def recount(self, source, followed, wanted):
        self.asked.append((source, followed, wanted))
        if self.error:
            raise self.error
        return told(number=wanted.number)


async def test_what_is_followed_is_the_experiment_of_the_ramp(world):
    exports = Exports()
    found = await count(LEFT, replace(world, exports=exports))
    ((source, followed, wanted),) = exports.asked
    assert (source, wanted) == ("events", RECOUNT)
    assert followed == Followed(
        uid=PLAN.ask.uid,
        experiment="tree",
        arms=("tree", "list"),
        events=(EVENT,),
        soon=LAG,
        origin=RECOUNT.origin,
    )
    assert found.number == RECOUNT.number


@pytest.mark.parametrize(
    ("asked", "error", "words"),
    [
        (PLAN.ask, Unavailable("no file\x1b[2J"), "no file [2J"),
        (replace(PLAN.ask, analytics=None), None, "spec.analytics is gone"),
        (replace(PLAN.ask, arms=None), None, "spec.analytics is gone"),
    ],
)
async def test_what_cannot_be_read_is_told(world, asked, error, words):
    left = replace(LEFT, ask=asked)
    found = await count(left, replace(world, exports=Exports(error)))
    assert (found.unread, found.number) == (words, RECOUNT.number)
    assert (found.origin, found.since) == (RECOUNT.origin, T)
    assert found.reach is None


@pytest.mark.parametrize("error", [None, ZeroDivisionError()])
async def test_a_count_is_made_once_and_wakes_its_ramp(world, error):
    exports, woken = Exports(error), []
    one = replace(world, exports=exports)
    beside = recounts(one, woken.append)
    was = state(watching(), recounts=known(asked=RECOUNT))
    for _ in range(2):
        send(PLAN, was, T + MINUTE, one)
        beside.take(RAMP)
    await one.clock.live(SECOND)
    send(PLAN, was, T + MINUTE, one)
    beside.take(RAMP)
    await one.clock.live(SECOND)
    assert len(exports.asked) == 1
    assert woken == [RAMP]
    assert one.recounted[PLAN.ask.uid].unread == ("a bug: ZeroDivisionError" if error else "")
    send(PLAN, state(watching()), T, one)
    assert one.tallying == {PLAN.ask.ref: None}
    await beside.close()
