"""Is it the ramp's? Late harm of all alike asks a person; harm between the arms always acts."""

from dataclasses import replace

import pytest

from rampguard.core.ask import OnFailure
from rampguard.core.model import Decision, Judgement, RollingBack, Soaking, Verdict
from rampguard.core.plan import Plan
from rampguard.core.reasons import Reason
from rate_scenes import (
    ERRORS,
    ERRORS_BEFORE,
    UNARMED,
    Bin,
    arms,
    bins,
    errors_judged,
    judged_at,
    look_at,
    one,
    part,
    recent,
    unlabelled,
    watched,
)
from scenes import HOUR, MINUTE, SECOND, SHARE, T, gate, judged, look, plan, soaking, told

BREACHED, WITHIN, UNSURE = Verdict.BREACHED, Verdict.WITHIN_TOLERANCE, Verdict.INCONCLUSIVE
BEFORE = replace(ERRORS_BEFORE, hits=50_000, exposure=10_000_000)
FINE = arms(25, 5_000, 25, 5_000)
BOTH = arms(600, 5_000, 600, 5_000)  # broken, and alike
ONE = arms(600, 5_000, 25, 5_000)  # broken in treatment
LEANING = arms(1_000, 5_000, 780, 5_000)  # broken, and rather in treatment


def harm(*told: Bin, **facts: object) -> Judgement:
    found = judged_at(one(ERRORS), bins(*told), BEFORE, **facts)
    assert found.verdict is BREACHED
    return found


# fmt: off
CAUSED: dict[str, tuple[Judgement, bool]] = {
    "all alike, from the start": (harm(BOTH), True),
    "all alike, within half an hour": (harm(FINE, FINE, BOTH), True),
    "all alike, later": (harm(FINE, FINE, FINE, BOTH), False),
    "treatment alone, from the start": (harm(ONE), True),
    "treatment alone, late": (harm(*[FINE] * 40, ONE), True),
    "all, late, but treatment more than chance allows": (harm(*[FINE] * 40, LEANING), True),
    "without labels, from the start": (
        judged_at(one(ERRORS), unlabelled((900, 9_000)), UNARMED), True),
    "without labels, late": (
        judged_at(one(ERRORS), unlabelled(*[(45, 9_000)] * 40, (900, 9_000)), UNARMED), False),
    "without labels, at 100 percent, late": (
        judged_at(one(ERRORS, to=100), unlabelled(*[(45, 9_000)] * 40, (900, 9_000)), BEFORE),
        False),
    "a kill-switch at the start": (
        harm(FINE, recent=recent(900, 1_000), at=T + 5 * MINUTE), True),
    "a kill-switch just within half an hour": (
        harm(FINE, recent=recent(900, 1_000), at=T + 32 * MINUTE), True),
    "a kill-switch later": (
        harm(FINE, recent=recent(900, 1_000), at=T + 32 * MINUTE + SECOND), False),
    "a kill-switch, late, and treatment is worse": (
        harm(*[FINE] * 40, ONE, recent=recent(900, 1_000)), True),
    "a kill-switch, late, and treatment leans": (
        harm(*[FINE] * 40, LEANING, recent=recent(900, 1_000)), True),
}
# fmt: on


@pytest.mark.parametrize(("found", "caused"), CAUSED.values(), ids=CAUSED)
def test_harm_is_of_the_ramp_or_may_be_anothers(found: Judgement, caused: bool) -> None:  # noqa: FBT001
    assert (found.verdict, found.attributable) == (BREACHED, caused)


def test_what_leans_is_not_yet_beyond_the_limit_between_the_arms() -> None:
    leaning = harm(*[FINE] * 40, LEANING)
    concurrent = part(leaning, "concurrent")
    assert concurrent.verdict is UNSURE
    assert concurrent.log_e_null >= concurrent.threshold_null


def test_what_is_no_breach_is_not_asked_about() -> None:
    assert judged_at(one(ERRORS), bins(*[FINE] * 8), BEFORE).attributable


def test_evidence_that_began_anew_makes_the_ramp_no_newer() -> None:
    """Somebody moved a limit after ten hours: what breaks then is as late as before."""
    anew = soaking(evidence=replace(soaking().evidence, t0=T + 10 * HOUR))
    found = harm(BOTH, stage=anew)
    assert (found.onset, found.attributable) == (T + 10 * HOUR, False)


def test_how_long_harm_is_of_the_ramp_is_a_setting() -> None:
    our = one(ERRORS)
    ours = replace(our, tempo=replace(our.tempo, caused=10 * HOUR))
    counts = bins(*[FINE] * 40, BOTH)
    assert [judged_at(p, counts, BEFORE).attributable for p in (our, ours)] == [False, True]


# --- what it leads to ---

LATE = errors_judged(BREACHED, attributable=False)
SOON = errors_judged(BREACHED)
HOLD, ROLLBACK = OnFailure.HOLD, OnFailure.ROLLBACK


def after(*judgements: Judgement, stage: Soaking | None = None, **asked: object) -> Decision:
    our: Plan = plan(guardrails=(ERRORS, SHARE), **asked)
    return watched(our, look_at(10 * HOUR, *judgements), stage=stage)


# fmt: off
ANSWERS: dict[str, tuple[dict, tuple[Judgement, ...], type]] = {
    "late harm of all asks by default": ({}, (LATE,), Soaking),
    "late harm of all rolls back where asked to": (
        {"on_unattributable": ROLLBACK}, (LATE,), RollingBack),
    "late harm of all asks where all harm asks": (
        {"on_unattributable": ROLLBACK, "on_failure": HOLD}, (LATE,), Soaking),
    "harm of the ramp rolls back": ({}, (SOON,), RollingBack),
    "harm of the ramp asks where all harm asks": ({"on_failure": HOLD}, (SOON,), Soaking),
    "harm of the ramp acts beside harm that may not be": (
        {}, (LATE, judged(BREACHED)), RollingBack),
}
# fmt: on


@pytest.mark.parametrize(("asked", "judgements", "stage"), ANSWERS.values(), ids=ANSWERS)
def test_harm_rolls_back_or_asks(asked, judgements, stage) -> None:
    decision = after(*judgements, **asked)
    assert type(decision.state.stage) is stage
    assert [g.name for g in decision.state.gates] == (["breach"] if stage is Soaking else [])


def test_a_question_says_that_it_may_not_be_the_ramp() -> None:
    (question,) = after(LATE).state.gates
    assert question.why == (
        "errors x3.2 [2.8, 3.6], limit x1.20 of the time before the ramp or less;"
        " it may not come from the ramp"
    )
    (plain,) = after(SOON, on_failure=HOLD).state.gates
    assert "may not come" not in plain.why


def test_harm_of_the_ramp_is_what_a_rollback_is_told_for() -> None:
    decision = after(LATE, judged(BREACHED))
    assert decision.state.rollback.because.message == "share 49%, limit 45% .. 55%"


def test_late_harm_is_told_loudly_and_once() -> None:
    first = after(LATE)
    (loud,) = told(first, Reason.GUARDRAIL_BREACHED)
    assert loud.warning
    assert loud.message.startswith("errors breached: x3.2")
    again = watched(plan(guardrails=(ERRORS, SHARE)), look_at(11 * HOUR, LATE), was=first.state)
    assert told(again, Reason.GUARDRAIL_BREACHED) == ()
    assert again.state.gates == first.state.gates


def test_harm_that_is_over_stays_a_question() -> None:
    first = after(LATE)
    over = look_at(11 * HOUR, errors_judged(WITHIN))
    decision = watched(plan(guardrails=(ERRORS, SHARE)), over, was=first.state)
    assert isinstance(decision.state.stage, Soaking)
    assert [g.name for g in decision.state.gates] == ["breach"]


def test_a_question_becomes_a_rollback_once_the_arms_differ() -> None:
    first = after(LATE)
    decision = watched(plan(guardrails=(ERRORS, SHARE)), look_at(11 * HOUR, SOON), was=first.state)
    assert isinstance(decision.state.stage, RollingBack)


def test_harm_that_a_person_accepted_is_not_asked_about_again() -> None:
    first = after(LATE)
    approved = plan(guardrails=(ERRORS, SHARE), approve="breach", generation=2)
    decision = watched(approved, look_at(11 * HOUR, LATE), was=first.state)
    assert decision.state.stage.accepted == ("errors",)
    assert decision.state.gates == ()
    assert decision.because.reason is Reason.SOAKING


def test_a_threshold_that_broke_late_asks_too() -> None:
    late = replace(look(10 * HOUR), judgements=(judged(BREACHED, "p95", attributable=False),))
    decision = watched(plan(), late)
    assert decision.state.gates == (
        replace(gate("breach", about=("p95",)), since=T + 10 * HOUR, why=decision.because.message),
    )
