"""Short words for guardrails that count users in an export."""

from dataclasses import replace
from datetime import datetime, timedelta

from rampguard.core.applying import rules
from rampguard.core.ask import Guardrail, GuardrailType
from rampguard.core.decide import decide
from rampguard.core.export import Analytics, Bin, Recount, Recounted, Recounts
from rampguard.core.model import Decision, Soaking, State
from rampguard.core.recounting import mark
from scenes import DAY, MINUTE, SHARE, SPEED, T, before, plan, seen, soaking, state

EVENT = "session_started_from_tree"
USERS = Guardrail(name="starts", type=GuardrailType.RELATIVE_DROP, tolerance=5.0, event=EVENT)
PLAN = plan(analytics=Analytics("events"), guardrails=(SHARE, SPEED, USERS))
MARK = mark(PLAN.ask)
YESTERDAY = Bin(control=900, treatment=100, control_hits=540, treatment_hits=60)
EVEN = Bin(control=1000, treatment=1000, control_hits=600, treatment_hits=600)
LAG = PLAN.tempo.lag


def told(
    *bins: Bin, since: datetime = T, at: timedelta = 20 * MINUTE, **facts: object
) -> Recounted:
    """Return what was counted some time after T, of an export that is a minute behind."""
    reach = T + at - MINUTE
    plain = Recounted(
        number=1,
        origin=T - DAY,
        since=since,
        at=T + at,
        reach=reach,
        settled=reach - LAG,
        bins=((EVENT, bins),),
    )
    return replace(plain, **facts)


BEFORE = told(YESTERDAY, since=T - DAY, at=timedelta(0))


def known(counted: Recounted | None = None, **facts: object) -> Recounts:
    return replace(Recounts(mark=MARK, count=1, told=counted), **facts)


def watching(**facts: object) -> Soaking:
    return soaking(rules=rules(PLAN), **facts)


def pending(recounts: Recounts | None = None) -> State:
    return State(recounts=recounts or Recounts())


def waiting(was: State, after: timedelta = timedelta(0), **facts: object) -> Decision:
    """Make a pass before the start."""
    return decide(PLAN, was, replace(before(**facts), now=T + after))


def soak(
    was: State | Recounts | None = None, after: timedelta = MINUTE, **facts: object
) -> Decision:
    """Make a pass in a soak."""
    if isinstance(was, Recounts):
        was = state(watching(), recounts=was)
    return decide(PLAN, was or state(watching()), seen(after=after, **facts))


def asked(decision: Decision) -> Recount:
    found = decision.state.recounts.asked
    assert found is not None
    return found


def answer(decision: Decision, *bins: Bin, after: timedelta, **facts: object) -> Recounted:
    """Return the answer to what a pass asks."""
    one = asked(decision)
    plain = told(*bins, since=one.since, at=after)
    return replace(plain, **({"number": one.number, "origin": one.origin} | facts))
