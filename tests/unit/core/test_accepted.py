"""A person accepts what was asked about, part by part; what broke is shown until then."""

from dataclasses import replace

import pytest

from rampguard.core.ask import OnFailure
from rampguard.core.conditions import render
from rampguard.core.model import (
    Condition,
    Decision,
    Ended,
    Judgement,
    Part,
    RollingBack,
    Soaking,
    State,
    Verdict,
)
from rampguard.core.plan import Plan
from rampguard.core.reasons import ConditionType, Reason
from rate_scenes import ERRORS, errors_judged, look_at, watched
from scenes import (
    DAY,
    HOUR,
    MINUTE,
    SHARE,
    SPEED,
    T,
    applying,
    judged,
    plan,
    seen,
    soaking,
    stage_of,
    state,
    told,
)

WITHIN, UNSURE, BREACHED = Verdict.WITHIN_TOLERANCE, Verdict.INCONCLUSIVE, Verdict.BREACHED
LATE, SOON = T + 5 * HOUR, T + MINUTE
OUR = plan(guardrails=(ERRORS, SHARE, SPEED))
HOLD = OnFailure.HOLD


def part(name: str, verdict: Verdict = BREACHED, **facts: object) -> Part:
    told = Part(name=name, verdict=verdict, value=f"v-{name}", limit=f"l-{name}", onset=LATE)
    return replace(told, **facts)


def errors(*parts: Part, attributable: bool = False) -> Judgement:
    verdict = BREACHED if any(p.verdict is BREACHED for p in parts) else UNSURE
    return errors_judged(verdict, parts=parts, attributable=attributable)


def after(hours: float, *judgements: Judgement, was: State | None = None, **asked) -> Decision:
    our = plan(guardrails=(ERRORS, SHARE, SPEED), **asked)
    return watched(our, look_at(hours * HOUR, *judgements), was=was)


def approved(first: Decision, *judgements: Judgement, **asked: object) -> Decision:
    (gate,) = first.state.gates
    yes = {"approve": gate.name, "generation": 2, **asked}
    return after(7, *judgements, was=first.state, **yes)


HISTORY, KILL, CONCURRENT = part("history"), part("kill-switch"), part("concurrent")
LEANING = part("concurrent", UNSURE, log_e_null=9.0, threshold_null=8.0, onset=None)
LEVEL = part("concurrent", UNSURE, log_e_null=7.0, threshold_null=8.0, onset=None)
BLANK = part("concurrent", UNSURE, onset=None)
FINE = errors(part("history", UNSURE), LEVEL, attributable=True)

# --- part by part ---


def test_an_acceptance_is_of_the_part_that_was_asked_about() -> None:
    first = after(6, errors(HISTORY, LEVEL))
    assert first.state.gates[0].about == ("errors/history",)
    decision = approved(first, errors(HISTORY, LEVEL))
    assert stage_of(decision).accepted == ("errors/history",)
    assert (decision.state.gates, decision.because.reason) == ((), Reason.SOAKING)


# fmt: off
THEN: dict[str, tuple[Judgement, type, tuple[str, ...]]] = {
    "the arms differ": (errors(HISTORY, CONCURRENT, attributable=True), RollingBack, ()),
    "the arms differ, and errors kill": (
        errors(HISTORY, CONCURRENT, KILL, attributable=True), RollingBack, ()),
    "errors kill, late": (errors(HISTORY, LEVEL, KILL), Soaking, ("errors/kill-switch",)),
    "errors kill, late, beside accepted harm that began soon": (
        errors(replace(HISTORY, onset=SOON), LEVEL, KILL, attributable=True), Soaking,
        ("errors/kill-switch",)),
    "errors kill, late, and the arms lean": (
        errors(HISTORY, LEANING, KILL, attributable=True), RollingBack, ()),
    "errors kill, late, and the arms are just beyond chance": (
        errors(HISTORY, replace(LEANING, log_e_null=8.0), KILL, attributable=True),
        RollingBack, ()),
    "errors kill, late, and nothing is known of the arms": (
        errors(HISTORY, BLANK, KILL, attributable=True), Soaking, ("errors/kill-switch",)),
    "errors kill, late, without arms": (
        errors(HISTORY, KILL, attributable=True), Soaking, ("errors/kill-switch",)),
    "errors kill, soon": (
        errors(HISTORY, LEVEL, replace(KILL, onset=SOON), attributable=True), RollingBack, ()),
    "nothing more": (errors(HISTORY, LEVEL), Soaking, ()),
}
# fmt: on


@pytest.mark.parametrize(("then", "stage", "asked"), THEN.values(), ids=THEN)
def test_after_an_acceptance_the_other_parts_act_by_themselves(then, stage, asked) -> None:
    accepted = approved(after(6, errors(HISTORY, LEVEL)), errors(HISTORY, LEVEL))
    decision = after(8, then, was=accepted.state)
    assert type(decision.state.stage) is stage
    assert tuple(t for g in decision.state.gates for t in g.about) == asked
    if stage is RollingBack:
        assert not decision.because.message.startswith("errors v-history")


def test_arms_that_a_person_accepted_do_not_attribute_the_rest() -> None:
    stage = soaking(accepted=("errors/concurrent",))
    decision = watched(
        OUR, look_at(8 * HOUR, errors(CONCURRENT, KILL, attributable=True)), stage=stage
    )
    assert [g.about for g in decision.state.gates] == [("errors/kill-switch",)]


# --- harm that comes while a question is open ---

P95 = judged(BREACHED, "p95", value="3.1", limit="0.8 or less", attributable=False)


def test_new_harm_voids_the_open_question_and_asks_about_all() -> None:
    first = after(6, errors(HISTORY))
    again = after(6.5, errors(HISTORY), P95, was=first.state)
    (gate,) = again.state.gates
    assert (gate.name, gate.about) == ("breach-2", ("errors/history", "p95"))
    assert gate.why == (
        "errors v-history, limit l-history; p95 3.1, limit 0.8 or less;"
        " it may not come from the ramp"
    )
    assert again.state.voided == ("breach",)
    assert [n.message for n in told(again, Reason.GUARDRAIL_BREACHED)] == [
        "p95 breached: 3.1, limit 0.8 or less (why)"
    ]
    assert told(again, Reason.APPROVAL_ASKED)
    late = after(7, errors(HISTORY), P95, was=again.state, approve="breach", generation=2)
    assert (stage_of(late).accepted, late.state.gates) == ((), (gate,))


def test_a_new_part_is_new_harm() -> None:
    first = after(6, errors(HISTORY), on_failure=HOLD)
    again = after(6.5, errors(HISTORY, KILL), was=first.state, on_failure=HOLD)
    assert [g.about for g in again.state.gates] == [("errors/history", "errors/kill-switch")]
    assert "v-history" in again.state.gates[0].why
    assert "v-kill-switch" in again.state.gates[0].why


def test_what_broke_within_one_pass_is_asked_about_with_the_rest() -> None:
    looks = (look_at(6 * HOUR, errors(KILL)), look_at(6.5 * HOUR, errors(HISTORY)))
    (gate,) = watched(OUR, *looks).state.gates
    assert gate.about == ("errors/history", "errors/kill-switch")
    assert "v-kill-switch" in gate.why


# --- what broke is shown ---


def passing(decision: Decision, our: Plan = OUR) -> Condition:
    seen_then, _ = render(our, seen(after=8 * HOUR), decision)
    return next(c for c in seen_then.conditions if c.type is ConditionType.GUARDRAILS_PASSING)


# fmt: off
BROKE: dict[str, tuple[Judgement, Judgement]] = {
    "a guardrail of one part": (P95, judged(WITHIN, "p95")),
    "a part": (errors(HISTORY, LEVEL), FINE),
    "a kill-switch that has no numbers any more": (errors(LEVEL, KILL), FINE),
    "what says nothing now": (errors(HISTORY), errors_judged(Verdict.NO_DATA)),
}
# fmt: on


@pytest.mark.parametrize(("broken", "now"), BROKE.values(), ids=BROKE)
def test_what_broke_is_breached_until_a_person_accepts_it(broken, now) -> None:
    first = after(6, broken)
    later = after(6.5, now, was=first.state)
    due = after(24, now, was=later.state)
    assert [j.verdict for j in stage_of(later).judged] == [BREACHED]
    assert due.state.findings[-1].verdict is BREACHED
    condition = passing(later)
    assert (condition.status, condition.reason) == ("False", Reason.BREACHED)
    assert later.state.gates == first.state.gates
    assert isinstance(due.state.stage, Soaking)


def test_what_broke_shows_the_numbers_of_its_part_and_that_others_broke() -> None:
    first = after(6, errors(LEVEL, KILL))
    (shown,) = stage_of(after(24, FINE, was=first.state)).judged
    assert (shown.value, shown.limit) == ("v-kill-switch", "l-kill-switch")
    assert {p.name: p.verdict for p in shown.parts} == {
        "history": UNSURE, "concurrent": UNSURE, "kill-switch": BREACHED,
    }  # fmt: skip
    (shown,) = stage_of(after(24, errors(HISTORY, LEVEL), was=first.state)).judged
    assert {p.name for p in shown.parts if p.verdict is BREACHED} == {"history", "kill-switch"}


def test_what_a_person_accepted_shows_what_it_is_now_and_is_told() -> None:
    first = after(6, errors(HISTORY))
    decision = approved(first, FINE)
    assert [j.verdict for j in stage_of(decision).judged] == [UNSURE]
    condition = passing(decision)
    assert condition.reason == Reason.INCONCLUSIVE
    assert condition.message.endswith("; accepted: errors history")


def test_the_end_lists_accepted_parts_as_people_read_them() -> None:
    stage = soaking(accepted=("errors/history", "p95"))
    end = look_at(DAY, errors(HISTORY), judged(UNSURE, could_see="could have seen x2"))
    decision = watched(OUR, end, stage=stage, after=DAY + MINUTE)
    assert isinstance(decision.state.stage, Ended)
    assert decision.because.message == (
        "completed at 50%: 24h soak is over, accepted harm;"
        " errors history Breached; p95 Breached; share could have seen x2"
    )


def test_a_kill_switch_that_waits_for_a_person_is_shown_while_a_value_is_written() -> None:
    stage = applying(killed=(errors(KILL),))
    condition = passing(Decision(state=state(stage), because=soaked_because()))
    assert (condition.reason, condition.status) == (Reason.BREACHED, "False")


def soaked_because():
    return after(1, FINE).because
