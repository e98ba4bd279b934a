"""Exports are read beside the passes, and the next pass is told."""

from dataclasses import replace

import pytest

from export_scenes import NOON, crowd, tallied
from rampguard.core.analytics import Asked, summary
from rampguard.core.ask import Ref
from rampguard.core.export import Analytics, Inquiries, Inquiry
from rampguard.core.reasons import Reason
from rampguard.engine.lookups import look_up, lookups, send
from rampguard.ports import Lookup, Unavailable
from scenes import ASK, SECOND, plan, soaking, state

READS = replace(ASK, analytics=Analytics("events"))
ASKED = Inquiry(number=3, key="0/900", share=50, since=NOON, until=NOON, at=NOON)
RAMP = Ref("app", "tree-50")


class Exports:
    """Implements ports.Exports."""

    def __init__(self, listed: int = 50, treed: int = 50, error: Exception | None = None):
        self.asked = []
        self.error = error
        self.counts = listed, treed

    async def summarize(self, source, wanted):
        self.asked.append((source, wanted))
        if self.error:
            raise self.error
        asked = Asked(arms=wanted.arms, share=wanted.share)
        return summary(tallied(crowd(*self.counts)), asked, wanted.until)


async def test_what_is_asked_is_the_window_of_the_soak_at_its_share(world):
    exports = Exports()
    told = await look_up(Lookup(READS, ASKED), replace(world, exports=exports))
    ((source, wanted),) = exports.asked
    assert (source, wanted.experiment, wanted.arms) == ("events", "tree", ("tree", "list"))
    assert (wanted.share, wanted.since, wanted.until) == (0.5, NOON, NOON)
    assert (told.number, told.fault, told.users) == (3, None, 100)


async def test_arms_unlike_are_told(world):
    told = await look_up(Lookup(READS, ASKED), replace(world, exports=Exports(10, 500)))
    assert told.fault is Reason.ARMS_UNLIKE


@pytest.mark.parametrize(
    ("ask", "error", "words"),
    [
        (READS, Unavailable("no file\x1b[2J"), "no file [2J"),
        (replace(READS, analytics=None), None, "spec.analytics is gone"),
        (replace(READS, arms=None), None, "spec.analytics is gone"),
    ],
)
async def test_what_cannot_be_read_is_told(world, ask, error, words):
    told = await look_up(Lookup(ask, ASKED), replace(world, exports=Exports(error=error)))
    assert (told.unread, told.number, told.share) == (words, 3, 50)


@pytest.mark.parametrize("error", [None, ZeroDivisionError()])
async def test_a_reading_is_made_once_and_wakes_its_ramp(world, error):
    exports, woken = Exports(error=error), []
    one = replace(world, exports=exports)
    beside = lookups(one, woken.append)
    was = state(soaking(), inquiries=Inquiries(asked=ASKED))
    of = plan(analytics=Analytics("events"))
    for _ in range(2):
        send(of, was, NOON + SECOND, one)
        beside.take(RAMP)
    await one.clock.live(SECOND)
    send(of, was, NOON + SECOND, one)
    beside.take(RAMP)
    await one.clock.live(SECOND)
    assert len(exports.asked) == 1
    assert woken == [RAMP]
    told = one.analysed[of.ask.uid]
    assert told.unread == ("a bug: ZeroDivisionError" if error else "")
    send(of, state(soaking()), NOON, one)
    assert one.lookups == {READS.ref: None}
    await beside.close()
