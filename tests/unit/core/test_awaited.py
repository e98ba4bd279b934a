"""The end of a soak waits for the users of an export who came in it."""

from dataclasses import replace
from datetime import timedelta

import pytest

from rampguard.core.applying import rules
from rampguard.core.ask import GuardrailType
from rampguard.core.decide import decide
from rampguard.core.export import Recounts
from rampguard.core.model import Decision, Ended, Soaking, Verdict
from rampguard.core.reasons import Reason
from recount_scenes import EVEN, PLAN, USERS, known, told
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
    plan,
    seen,
    soaking,
    state,
)

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
    shown = replace(look(HOUR), judgements=(*look(HOUR).judgements, JUDGED))
    return decide(ours, was, seen(looks=(shown,), after=HOUR + 20 * SECOND))


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


def test_while_it_is_awaited_it_is_counted_every_minute() -> None:
    slow = known(told(EVEN, at=HOUR - 30 * SECOND, settled=T + 10 * MINUTE), delays=(2 * HOUR,))
    assert soaked(None, slow).state.recounts.asked is None
    slow = known(told(EVEN, at=HOUR - 40 * SECOND, settled=T + 10 * MINUTE), delays=(2 * HOUR,))
    assert soaked(None, slow).state.recounts.asked is not None


@pytest.mark.parametrize(
    "asked",
    [
        {"guardrails": (SHARE, SPEED, replace(USERS, dry_run=True))},
        {"to": 100},
        {"guardrails": (SHARE, SPEED)},
    ],
)
def test_nobody_waits_for_users_who_decide_nothing(asked) -> None:
    assert isinstance(soaked(None, **asked).state.stage, Ended)
