"""The end of a soak waits for the users of an export who came in it."""

from dataclasses import replace
from datetime import timedelta

import pytest

from rampguard.core.applying import rules
from rampguard.core.ask import GateKind, GuardrailType
from rampguard.core.decide import decide
from rampguard.core.export import Recounts
from rampguard.core.model import Decision, Ended, Measured, Outcome, Soaking, Verdict
from rampguard.core.reasons import Reason
from recount_scenes import EVEN, PLAN, USERS, answer, known, told
from scenes import (
    DAY,
    HOUR,
    MINUTE,
    SECOND,
    SHARE,
    SPEED,
    T,
    judged,
    look,
    pair,
    plan,
    seen,
    soaking,
    state,
)

AN_HOUR = plan(guardrails=PLAN.ask.guardrails, soak=HOUR, findings=(), analytics=PLAN.ask.analytics)
JUDGED = judged(Verdict.INCONCLUSIVE, "starts", type=GuardrailType.RELATIVE_DROP)


def soaked(
    settled: timedelta | None, recounts: Recounts | None = None, **asked: object
) -> Decision:
    """Make the pass at the end of a soak of an hour, of an export that is as late as usual."""
    ours = plan(**({"guardrails": PLAN.ask.guardrails, "soak": HOUR, "findings": ()} | asked),
                analytics=PLAN.ask.analytics)  # fmt: skip
    until = None if settled is None else T + settled
    counted = told(EVEN, at=HOUR, reach=T + HOUR, settled=until)
    known_now = recounts or known(counted, delays=(2 * HOUR,))
    was = state(soaking(rules=rules(ours), accepted=asked.get("accepted", ())), recounts=known_now)
    measured = Measured(recounts=known_now)
    shown = replace(look(HOUR), judgements=(*look(HOUR).judgements, JUDGED), measured=measured)
    return decide(ours, was, seen(*pair(ours.ask.to), looks=(shown,), after=HOUR + 20 * SECOND))


@pytest.mark.parametrize(
    ("settled", "ends"),
    [(None, False), (55 * MINUTE, False), (56 * MINUTE - SECOND, False), (56 * MINUTE, True)],
)
def test_a_soak_ends_once_the_users_of_all_of_it_are_counted(settled, ends) -> None:
    """Else those of a late export would be counted in no soak at all."""
    decision = soaked(settled)
    assert isinstance(decision.state.stage, Ended) is ends
    if not ends:
        until = f"users exposed until {T + settled:%Y-%m-%dT%H:%M:%SZ}" if settled else "none"
        assert decision.because.reason is Reason.SOAKING
        assert decision.because.message.endswith(
            f"the export is awaited: of its users are counted {until}"
        )
        assert decision.state.recounts.asked is None


def test_a_count_of_another_soak_is_not_what_is_awaited() -> None:
    other = known(told(EVEN, since=T - DAY, at=HOUR, settled=T + HOUR))
    assert isinstance(soaked(None, other).state.stage, Soaking)


@pytest.mark.parametrize("to", [1, 99])
def test_with_few_users_in_an_arm_it_waits_as_well(to: int) -> None:
    assert isinstance(soaked(None, to=to).state.stage, Soaking)


@pytest.mark.parametrize(
    ("age", "over", "settled", "asks"),
    [
        (59 * SECOND, 0 * SECOND, T + HOUR, False),
        (60 * SECOND, 0 * SECOND, T + HOUR, True),
        (60 * SECOND, 20 * SECOND, T + HOUR, True),
        (60 * SECOND, -SECOND, T + HOUR, False),
        (60 * SECOND, 20 * SECOND, T + DAY, False),
    ],
)
def test_while_it_is_awaited_it_is_counted_every_minute(age, over, settled, asks) -> None:
    after = DAY + over
    counted = known(told(EVEN, at=after - age, settled=settled), delays=(2 * DAY,))
    a_day = plan(guardrails=PLAN.ask.guardrails, findings=(), analytics=PLAN.ask.analytics)
    was = state(soaking(rules=rules(a_day)), recounts=counted)
    found = decide(a_day, was, seen(after=after)).state.recounts.asked
    assert (found is not None) is asks


@pytest.mark.parametrize(
    "asked",
    [
        {"guardrails": (SHARE, SPEED, replace(USERS, dry_run=True))},
        {"to": 100},
        {"to": 0},
        {"guardrails": (SHARE, SPEED)},
    ],
)
def test_nobody_waits_for_users_who_decide_nothing(asked) -> None:
    stage = soaked(None, **asked).state.stage
    assert isinstance(stage, Ended)
    assert stage.outcome is Outcome.COMPLETED


def test_a_count_that_arrives_is_judged_before_the_soak_ends() -> None:
    """The looks of this pass were taken before: what it shows is not in them."""
    old = known(told(EVEN, at=HOUR - 5 * MINUTE, settled=T + 50 * MINUTE), delays=(2 * HOUR,))
    asking = soaked(None, old)
    assert asking.state.recounts.asked is not None
    fits = answer(asking, EVEN, after=HOUR + 30 * SECOND, settled=T + HOUR)
    shown = replace(
        look(HOUR),
        judgements=(*look(HOUR).judgements, JUDGED),
        measured=Measured(recounts=asking.state.recounts),
    )
    saw = seen(looks=(shown,), after=HOUR + 40 * SECOND, recounted=fits)
    arrived = decide(AN_HOUR, asking.state, saw)
    assert arrived.state.recounts.told == fits
    assert isinstance(arrived.state.stage, Soaking)
    later = replace(shown, at=T + HOUR + MINUTE, measured=Measured(recounts=arrived.state.recounts))
    judged_now = seen(looks=(later,), after=HOUR + 2 * MINUTE)
    assert isinstance(decide(AN_HOUR, arrived.state, judged_now).state.stage, Ended)


@pytest.mark.parametrize("settled", [T + 50 * MINUTE, T + HOUR])
def test_a_pass_without_a_look_tells_what_is_waited_for(settled) -> None:
    """Else the status would change with every other pass, and look as if nobody looked."""
    counted = known(told(EVEN, at=HOUR, settled=settled), delays=(2 * HOUR,))
    was = state(soaking(rules=rules(AN_HOUR)), recounts=counted)
    text = decide(AN_HOUR, was, seen(after=HOUR + 20 * SECOND)).because.message
    waits = "users exposed until" if settled < T + HOUR else "its end is being judged"
    assert waits in text


STEPPED = plan(steps=(25,), step_soak=HOUR)
OVER = state(soaking(rules=rules(STEPPED)))


def test_a_pass_without_a_look_tells_what_a_step_waits_for() -> None:
    paused = pair(25, paused=True)
    text = "Deployment api is paused: kubectl rollout resume deployment/api"
    for looks in ((), (look(HOUR),)):
        saw = seen(*paused, looks=looks, after=HOUR + 20 * SECOND)
        because = decide(STEPPED, OVER, saw).because
        assert because.reason is Reason.DEPLOYMENT_PAUSED
        assert because.message.startswith(text)


def test_a_pass_without_a_look_tells_the_gate_of_a_step() -> None:
    gated = plan(steps=(25,), step_soak=HOUR, gates=frozenset({GateKind.EACH_STEP}))
    asked = decide(gated, OVER, seen(*pair(25), looks=(look(HOUR),), after=HOUR + 20 * SECOND))
    again = decide(gated, asked.state, seen(*pair(25), after=HOUR + 21 * SECOND))
    assert again.because == asked.because
    assert again.because.message == "25 -> 50: the soak is over"


def test_nothing_is_in_the_way_of_a_step_where_there_is_none() -> None:
    """A Deployment that is paused at the goal hinders nothing."""
    was = state(soaking(rules=rules(AN_HOUR)), recounts=known(told(EVEN, settled=T + HOUR)))
    saw = seen(*pair(paused=True), after=HOUR + 20 * SECOND)
    assert decide(AN_HOUR, was, saw).because.message.endswith("its end is being judged")
