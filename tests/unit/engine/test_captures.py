"""Captures are made beside the passes."""

from dataclasses import replace

import pytest

from rampguard.core.ask import Ref
from rampguard.core.capture import Capture, Captured
from rampguard.core.capturing import AFTER, WAIT
from rampguard.core.export import Analytics
from rampguard.core.model import RollbackRecord
from rampguard.core.plan import Tempo, make_plan
from rampguard.engine.captures import captures, seize, send
from rampguard.ports import Kept, Seizing, Unavailable
from scenes import ASK, MINUTE, SECOND, T, over, restoring, state

READS = replace(ASK, analytics=Analytics("events"))
DUE = Capture(number=2, since=T, until=T + MINUTE, at=T + MINUTE)
RAMP = Ref("app", "tree-50")
KEPT = Kept(url="file:///c/x", records=5, users=2, sha256="ab")


class Exports:
    """Implements ports.Exports."""

    captures = True

    def __init__(self, error=None):
        self.asked = []
        self.error = error

    async def capture(self, source, sought):
        self.asked.append((source, sought))
        if self.error:
            raise self.error
        return KEPT


async def test_the_sessions_of_treatment_are_sought_since_the_first_write(world):
    exports = Exports()
    told = await seize(Seizing(READS, DUE), replace(world, exports=exports))
    ((source, sought),) = exports.asked
    assert (source, sought.arm, sought.experiment) == ("events", "list", "tree")
    assert (sought.since, sought.until) == (T, T + MINUTE)
    assert sought.name == "app_tree-50_uid-of-the-ramp"
    assert sought.reaches == T + MINUTE - AFTER
    assert told == Captured(number=2, url="file:///c/x", records=5, users=2, sha256="ab")


@pytest.mark.parametrize(
    ("ask", "error", "words"),
    [
        (READS, Unavailable("the disk is full\x1b"), "the disk is full"),
        (replace(READS, analytics=None), None, "spec.analytics is gone"),
        (replace(READS, arms=None), None, "spec.analytics is gone"),
    ],
)
async def test_what_fails_is_told(world, ask, error, words):
    told = await seize(Seizing(ask, DUE), replace(world, exports=Exports(error)))
    assert told == Captured(number=2, failed=words)


async def test_after_a_while_what_is_there_will_do(world):
    exports = Exports()
    one = replace(world, exports=exports)
    late = replace(DUE, until=one.clock.now() - WAIT)
    await seize(Seizing(READS, late), one)
    assert exports.asked[0][1].reaches is None


@pytest.mark.parametrize("error", [None, ZeroDivisionError()])
async def test_a_capture_is_made_once_and_wakes_its_ramp(world, error):
    exports, woken = Exports(error), []
    one, plan = replace(world, exports=exports), make_plan(READS, Tempo())
    beside = captures(one, woken.append)
    record = RollbackRecord(because=restoring().because, started_at=T, proven_at=T, capture=DUE)
    was = state(over(), rollback=record)
    send(plan, was, T, one)
    assert one.seizing == {READS.ref: None}
    for _ in range(2):
        send(plan, was, T + MINUTE, one)
        beside.take(RAMP)
    await one.clock.live(SECOND)
    send(plan, was, T + MINUTE, one)
    beside.take(RAMP)
    await one.clock.live(SECOND)
    assert len(exports.asked) == 1
    assert woken == [RAMP]
    assert one.captured[READS.uid].failed == ("a bug: ZeroDivisionError" if error else "")
    await beside.close()
