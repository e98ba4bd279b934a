"""Somebody changed the program in a soak: history waits for a person, and starts anew."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from rampguard.core.applying import rules as rules_of
from rampguard.core.ask import GateKind
from rampguard.core.baseline import longer, taken_anew
from rampguard.core.conditions import phase_of, render
from rampguard.core.decide import decide
from rampguard.core.model import (
    Applying,
    Baseline,
    Decision,
    Ended,
    Evidence,
    Judgement,
    Phase,
    Phi,
    Reading,
    Rebased,
    RollingBack,
    Soaking,
    State,
    Verdict,
    Workload,
)
from rampguard.core.plan import Plan
from rampguard.core.reasons import Reason
from rate_scenes import (
    ERRORS,
    ERRORS_BEFORE,
    QUARTER,
    SHORT,
    errors_judged,
    judged_at,
    look_at,
    part,
    unlabelled,
)
from scenes import (
    DAY,
    HOUR,
    MINUTE,
    SECOND,
    SHARE,
    T,
    applying,
    covered,
    gate,
    judged,
    lagging,
    pair,
    plan,
    seen,
    soaking,
    stage_of,
    state,
    told,
)

WITHIN, UNSURE, BREACHED = Verdict.WITHIN_TOLERANCE, Verdict.INCONCLUSIVE, Verdict.BREACHED
SCRAPE, GRID = 15 * SECOND, 30 * SECOND
BEFORE = replace(ERRORS_BEFORE, phi_history=Phi(value=3.0, batch=HOUR))
OUR = plan(guardrails=(ERRORS, SHARE))
YES = plan(guardrails=(ERRORS, SHARE), approve="rebaseline", generation=2)
BOTH = (errors_judged(UNSURE), judged(WITHIN))
CHANGED = pair(template="t2", revision="42")
ROLLING = pair(template="t2", coverage=lagging())
PROVEN = pair(template="t2")


def remembered(stage: Soaking | None = None, **facts: object) -> State:
    told = {"baselines": (BEFORE,), **facts}
    return state(stage or soaking(), **told)


def go(  # one pass, some time after T
    after: timedelta,
    *judgements: Judgement,
    was: State | None = None,
    our: Plan = OUR,
    both: tuple[Workload, ...] = PROVEN,
    evidence: Evidence | None = None,
) -> Decision:
    was = was or remembered()
    looks = (look_at(after, *judgements, evidence=evidence),) if judgements else ()
    if isinstance(was.stage, Soaking) and not was.stage.rules:
        was = replace(was, stage=replace(was.stage, rules=rules_of(our)))
    return decide(our, was, seen(*both, after=after, looks=looks))


def names(decision: Decision) -> list[str]:
    return [g.name for g in decision.state.gates]


RUNNING = soaking(rules="")


def begun(**facts: object) -> State:
    """Return a soak at its first template."""
    return remembered(replace(RUNNING, **facts))


# --- a foreign change asks ---


def test_a_foreign_change_holds_history_and_asks() -> None:
    decision = go(HOUR, was=begun(), both=CHANGED)
    assert names(decision) == ["rebaseline"]
    assert stage_of(decision).changed_at == T + HOUR + SCRAPE
    (question,) = decision.state.gates
    assert question.why == (
        "somebody changed the pod template of api (revision 42), worker (revision 42);"
        " the proof begins anew;"
        " errors are not compared with the time before the ramp until then"
    )


# fmt: off
ASKS = {
    "errors with a history": ((BEFORE,), (ERRORS,), True),
    "errors with too short a history": ((SHORT,), (ERRORS,), False),
    "errors that only watch": ((BEFORE,), (replace(ERRORS, dry_run=True),), False),
    "no errors": ((), (SHARE,), False),
    "a history of something else": ((replace(BEFORE, guardrail="x"),), (ERRORS,), False),
}
# fmt: on


@pytest.mark.parametrize(("baselines", "rules", "asks"), ASKS.values(), ids=ASKS)
def test_only_what_compares_with_history_asks(baselines, rules, asks: bool) -> None:  # noqa: FBT001
    decision = go(
        HOUR, was=replace(begun(), baselines=baselines), our=plan(guardrails=rules), both=CHANGED
    )
    assert names(decision) == (["rebaseline"] if asks else [])
    assert (stage_of(decision).changed_at is not None) is asks
    assert told(decision, Reason.TEMPLATE_CHANGED)


def test_a_second_change_asks_no_second_time_and_counts_from_there() -> None:
    first = go(HOUR, was=begun(), both=CHANGED)
    again = go(2 * HOUR, was=first.state, both=pair(template="t3"))
    assert names(again) == ["rebaseline"]
    assert stage_of(again).changed_at == T + 2 * HOUR + SCRAPE


def test_the_time_without_a_whole_proof_is_no_part_of_a_new_baseline() -> None:
    first = go(HOUR, was=begun(), both=ROLLING)
    back = go(HOUR + 7 * MINUTE, was=first.state)
    assert stage_of(back).changed_at == T + HOUR + 7 * MINUTE + GRID


# --- while it is asked ---


def held(**facts: object) -> State:
    stage = replace(RUNNING, templates=("t2", "t2"), changed_at=T + HOUR)
    return remembered(stage, gates=(gate("rebaseline"),), **facts)


def test_the_soak_goes_on_while_it_is_asked() -> None:
    decision = go(2 * HOUR, *BOTH, was=held())
    assert decision.because.reason is Reason.SOAKING
    assert phase_of(OUR, decision.state) is Phase.SOAKING


def test_harm_between_the_arms_acts_while_it_is_asked() -> None:
    decision = go(2 * HOUR, errors_judged(BREACHED), judged(WITHIN), was=held())
    assert isinstance(decision.state.stage, RollingBack)
    assert decision.state.gates == ()


@pytest.mark.parametrize("after", [DAY, DAY + HOUR, 3 * DAY])
def test_completion_waits_for_the_answer(after: timedelta) -> None:
    decision = go(after, *BOTH, was=held())
    assert isinstance(decision.state.stage, Soaking)
    assert decision.because.reason is Reason.AWAITING_APPROVAL
    assert decision.because.message.endswith("gate rebaseline waits for a person")


def test_the_next_step_waits_for_the_answer() -> None:
    our = plan(guardrails=(ERRORS, SHARE), steps=(50,), to=90)
    decision = go(2 * HOUR, *BOTH, was=held(), our=our)
    assert stage_of(decision).step == 0
    assert decision.because.reason is Reason.AWAITING_APPROVAL


def test_findings_are_recorded_while_it_is_asked() -> None:
    decision = go(6 * HOUR, *BOTH, was=held())
    assert [f.after for f in decision.state.findings] == [HOUR, 6 * HOUR]


# --- an answer ---


def test_an_approval_begins_a_new_baseline_of_at_least_an_hour() -> None:
    stage = stage_of(go(HOUR + MINUTE, was=held(), our=YES))
    assert stage.changed_at is None
    assert stage.rebased == Rebased(T + HOUR, T + 2 * HOUR)


def test_a_late_approval_takes_all_that_ran_since() -> None:
    stage = stage_of(go(7 * HOUR, was=held(), our=YES))
    assert stage.rebased == Rebased(T + HOUR, T + 7 * HOUR)


# fmt: off
BINS: dict[str, tuple[timedelta, timedelta, tuple[int, int]]] = {
    "at the grid": (HOUR, HOUR, (60, 120)),
    "just after a bin began": (HOUR + SECOND, HOUR, (75, 135)),
    "just before a bin ends": (75 * MINUTE - SECOND, HOUR, (75, 135)),
    "approved within a bin": (HOUR, 130 * MINUTE, (60, 135)),
    "approved at the end of a bin": (HOUR, 135 * MINUTE, (60, 135)),
    "at the start of the soak": (0 * MINUTE, MINUTE, (0, 60)),
    "before evidence that began anew": (-HOUR, MINUTE, (0, 60)),
}
# fmt: on


@pytest.mark.parametrize(("since", "now", "minutes"), BINS.values(), ids=BINS)
def test_a_new_baseline_has_whole_bins_and_never_too_few(since, now, minutes) -> None:
    first, last = (T + m * MINUTE for m in minutes)
    assert taken_anew(OUR, soaking(), T + since, T + now) == Rebased(first, last)


def test_a_history_that_fills_no_bin_is_rounded_up() -> None:
    our = replace(OUR, tempo=replace(OUR.tempo, history=20 * MINUTE))
    assert taken_anew(our, soaking(), T, T) == Rebased(T, T + 30 * MINUTE)


def test_an_approval_of_what_was_never_asked_changes_nothing() -> None:
    stage = stage_of(go(HOUR, was=begun(), our=YES, both=pair()))
    assert (stage.rebased, stage.changed_at) == (None, None)


def test_a_gate_that_outlived_its_question_changes_nothing() -> None:
    was = replace(begun(), gates=(gate("rebaseline"),))
    assert stage_of(go(HOUR, was=was, our=YES, both=pair())).rebased is None


def test_the_second_change_needs_a_second_approval() -> None:
    first = go(2 * HOUR, was=held(), our=YES)
    again = go(3 * HOUR, was=first.state, our=YES, both=pair(template="t3"))
    assert names(again) == ["rebaseline-2"]
    assert stage_of(again).rebased is None
    assert stage_of(again).changed_at == T + 3 * HOUR + SCRAPE


def test_another_answer_leaves_history_held() -> None:
    was = held()
    was = replace(was, gates=(gate("breach"), *was.gates))
    decision = go(2 * HOUR, *BOTH, was=was, our=replace_approve("breach"))
    assert stage_of(decision).changed_at == T + HOUR
    assert names(decision) == ["rebaseline"]


def replace_approve(name: str) -> Plan:
    return plan(guardrails=(ERRORS, SHARE), approve=name, generation=2)


# --- an answer while the proof is lost ---


def lost(**facts: object) -> State:
    """Return a soak in which the change still rolls out, since an hour after its start."""
    evidence = Evidence(t0=T, counted_to=T + HOUR, unproven_since=T + HOUR)
    stage = replace(RUNNING, templates=("t2", "t2"), changed_at=T + HOUR + SCRAPE)
    stage = replace(stage, evidence=evidence, **facts)
    return remembered(stage, gates=(gate("rebaseline"),))


def test_an_approval_while_the_change_rolls_out_begins_with_the_proof() -> None:
    """Nothing is counted until then: a baseline of that time would be one of nothing."""
    approved = go(70 * MINUTE, was=lost(), our=YES, both=ROLLING)
    assert stage_of(approved).rebased == Rebased(T + 75 * MINUTE, T + 135 * MINUTE)
    proven = go(5 * HOUR, was=approved.state, our=YES)
    told = stage_of(proven).rebased
    counted = stage_of(proven).evidence.counted_to
    assert counted == T + 5 * HOUR + GRID
    assert told.until - counted >= HOUR - QUARTER
    assert told.until == T + 6 * HOUR + QUARTER


def test_an_approval_in_the_very_pass_of_the_proof() -> None:
    told = stage_of(go(5 * HOUR, was=lost(), our=YES)).rebased
    assert told.until - (T + 5 * HOUR) >= HOUR


# fmt: off
LOST: dict[str, tuple[int, int, int]] = {
    "within the baseline": (90, 20, 120 + 30),
    "at its very end": (119, 2, 120 + 15),
    "just after it": (120, 60, 120),
    "long after it": (150, 60, 120),
    "since before it": (30, 45, 120 + 15),
    "since before it, and back before it": (30, 20, 120),
}
# fmt: on


@pytest.mark.parametrize(("since", "minutes", "until"), LOST.values(), ids=LOST)
def test_a_proof_that_is_lost_makes_a_baseline_last_longer(since, minutes, until) -> None:
    evidence = Evidence(t0=T, counted_to=T, unproven_since=T + since * MINUTE)
    stage = soaking(rebased=Rebased(T + HOUR, T + 2 * HOUR), evidence=evidence)
    back = T + (since + minutes) * MINUTE
    assert longer(OUR, stage, back) == Rebased(T + HOUR, T + until * MINUTE)


def test_without_a_new_baseline_or_a_loss_there_is_nothing_to_make_longer() -> None:
    assert longer(OUR, soaking(), T + HOUR) is None
    told = Rebased(T, T + HOUR)
    assert longer(OUR, soaking(rebased=told), T + HOUR) == told


# --- what is compared afterwards ---

WITH_BINS = tuple(unlabelled(*((2**i, 1_000) for i in range(24))))
COUNTS = (*WITH_BINS, (Reading(),) * 24)


def soaked(until: datetime = T + 2 * HOUR, counted_to: datetime = T + 6 * HOUR, **facts) -> State:
    """Return a soak whose new baseline lies in bins 4 to 7: 16 + 32 + 64 + 128 errors."""
    evidence = Evidence(t0=T, counted_to=counted_to, counts=COUNTS)
    stage = replace(
        RUNNING,
        templates=("t2", "t2"),
        rebased=Rebased(T + HOUR, until),
        evidence=evidence,
    )
    return remembered(replace(stage, **facts))


STEPS = plan(guardrails=(ERRORS, SHARE), steps=(50,), to=90, step_soak=DAY)


def onward(was: State, our: Plan = STEPS, after: timedelta = DAY) -> Decision:
    stage = was.stage
    both = tuple(replace(w, template="t2") for w in pair(our.values[0]))
    return go(after, *BOTH, was=was, our=our, both=both, evidence=stage.evidence)


def test_later_steps_compare_with_the_new_baseline() -> None:
    decision = onward(soaked())
    assert isinstance(decision.state.stage, Applying)
    (found,) = decision.state.baselines
    assert (found.hits, found.exposure, found.span) == (240, 4_000, HOUR)


def test_phi_is_never_taken_anew() -> None:
    (found,) = onward(soaked()).state.baselines
    assert (found.phi_history, found.phi_arms) == (BEFORE.phi_history, BEFORE.phi_arms)
    assert (found.rate, found.enough, found.armed) == (BEFORE.rate, True, True)


def test_without_a_change_later_steps_compare_with_the_time_before_the_ramp() -> None:
    decision = onward(soaked(rebased=None))
    assert decision.state.baselines == (BEFORE,)


def test_a_later_step_begins_without_a_change_of_its_own() -> None:
    begins = onward(soaked())
    proven = decide(
        STEPS,
        begins.state,
        seen(*(replace(w, template="t2") for w in pair(90)), after=DAY + HOUR),
    )
    stage = stage_of(proven)
    assert (stage.step, stage.rebased, stage.changed_at) == (1, None, None)
    (before,) = proven.state.baselines
    history = part(judged_at(STEPS, (), before, stage=stage), "history")
    assert history.counts.endswith("240 of 4000")


@pytest.mark.parametrize(
    ("until", "counted", "stage"),
    [
        (T + DAY, T + DAY, Applying),
        (T + DAY + QUARTER, T + DAY, Soaking),
        (T + DAY + QUARTER, T + DAY + QUARTER, Applying),
    ],
    ids=["just taken", "a bin is missing", "the bin is there"],
)
def test_the_next_step_waits_until_the_new_baseline_is_taken(until, counted, stage) -> None:
    decision = onward(soaked(until, counted_to=counted), after=DAY + HOUR)
    assert type(decision.state.stage) is stage
    if stage is Soaking:
        assert decision.because.message.endswith("the new baseline is not taken yet")


@pytest.mark.parametrize(
    ("after", "waits"), [(DAY - MINUTE, False), (DAY, True), (DAY + HOUR, True)]
)
def test_a_soak_waits_for_the_new_baseline_once_it_would_be_over(after, waits) -> None:
    was = soaked(T + DAY + QUARTER, counted_to=T + min(after, DAY))
    message = onward(was, after=after).because.message
    assert message.endswith("the new baseline is not taken yet") is waits


def test_completion_does_not_wait_for_a_baseline_that_nothing_will_use() -> None:
    decision = go(DAY, *BOTH, was=soaked(T + 2 * DAY), evidence=soaked().stage.evidence)
    assert isinstance(decision.state.stage, Ended)
    assert decision.because.reason is Reason.COMPLETED_INCONCLUSIVE


def test_a_step_that_waits_for_a_person_keeps_the_baseline_it_has() -> None:
    our = plan(
        guardrails=(ERRORS, SHARE), steps=(50,), to=90, step_soak=DAY,
        gates=frozenset({GateKind.EACH_STEP}),
    )  # fmt: skip
    decision = onward(soaked(), our)
    assert names(decision) == ["step-1"]
    assert decision.state.baselines == (BEFORE,)
    assert stage_of(decision).rebased is not None


# --- a limit that is moved meanwhile ---


def moved(was: State, after: timedelta = 6 * HOUR) -> Decision:
    return go(after, was=replace(was, stage=replace(was.stage, rules="other")))


@pytest.mark.parametrize("until", [T + 2 * HOUR, T + 7 * HOUR], ids=["whole", "being taken"])
def test_a_moved_limit_leaves_a_new_baseline_and_its_bins_as_they_are(until: datetime) -> None:
    was = soaked(until=until)
    decision = moved(was)
    assert decision.state.baselines == (BEFORE,)
    assert stage_of(decision).rebased == was.stage.rebased
    assert stage_of(decision).evidence == was.stage.evidence


def test_a_moved_limit_leaves_a_question_open() -> None:
    decision = moved(held())
    assert names(decision) == ["rebaseline"]
    assert stage_of(decision).changed_at == T + HOUR
    approved = go(7 * HOUR, was=decision.state, our=YES)
    assert stage_of(approved).rebased == Rebased(T + HOUR, T + 7 * HOUR)


# --- a change that is seen with harm, or before the soak ---

HARM = (errors_judged(BREACHED), judged(WITHIN))


def test_a_look_of_the_pass_that_sees_the_change_is_not_used() -> None:
    """It compared another program with the history of this one."""
    decision = go(HOUR, *HARM, was=begun(), both=CHANGED)
    assert names(decision) == ["rebaseline"]
    assert stage_of(decision).evidence == begun().stage.evidence
    acts = go(HOUR + MINUTE, *HARM, was=decision.state, both=CHANGED)
    assert isinstance(acts.state.stage, RollingBack)


# fmt: off
USED: dict[str, tuple[tuple[Baseline, ...], tuple[Workload, ...]]] = {
    "nothing is compared with history": ((), CHANGED),
    "the pods cannot be read": ((BEFORE,), pair(template="t2", coverage=covered(unreadable="403"))),
    "nothing changed": ((BEFORE,), pair()),
}
# fmt: on


@pytest.mark.parametrize(("baselines", "both"), USED.values(), ids=USED)
def test_a_look_is_used_where_no_change_spoils_it(baselines, both) -> None:
    was = replace(begun(), baselines=baselines)
    assert isinstance(go(HOUR, *HARM, was=was, both=both).state.stage, RollingBack)


def proven_after(was: tuple[str, ...], baselines: tuple[Baseline, ...] = (BEFORE,)) -> Decision:
    """Return the begin of a soak at template t2 of api, t1 of worker."""
    both = (replace(CHANGED[0], revision="42"), pair()[1])
    return decide(OUR, state(applying(templates=was), baselines=baselines), seen(*both))


def test_a_change_before_the_proof_holds_history_from_the_start() -> None:
    decision = proven_after(("t1", "t1"))
    stage = stage_of(decision)
    assert stage.changed_at == stage.since == stage.evidence.t0
    assert names(decision) == ["rebaseline"]
    (note,) = told(decision, Reason.TEMPLATE_CHANGED)
    assert note.message == (
        "somebody changed the pod template of api (revision 42) while the value was written"
    )
    assert note.warning
    after = go(HOUR, *BOTH, was=decision.state, both=(CHANGED[0], pair()[1]))
    assert not told(after, Reason.TEMPLATE_CHANGED)


def test_a_change_before_the_proof_is_told_where_nobody_compares() -> None:
    decision = proven_after(("t1", "t1"), ())
    assert told(decision, Reason.TEMPLATE_CHANGED)
    assert (names(decision), stage_of(decision).changed_at) == ([], None)


@pytest.mark.parametrize("was", [(), ("", ""), ("t2", "t1")], ids=["unknown", "gone", "the same"])
def test_without_a_change_before_the_proof_history_counts(was) -> None:
    decision = proven_after(was)
    assert not told(decision, Reason.TEMPLATE_CHANGED)
    assert (names(decision), stage_of(decision).changed_at) == ([], None)


def test_a_step_remembers_the_templates_that_it_was_written_over() -> None:
    assert onward(soaked()).state.stage.templates == ("t2", "t2")


# --- what people read ---


def summary(decision: Decision, our: Plan = OUR) -> tuple[str, str]:
    _, view = render(our, seen(after=2 * HOUR), decision)
    return view.phase, view.summary


def test_gate_rebaseline_alone_is_no_standstill() -> None:
    phase, text = summary(go(2 * HOUR, *BOTH, was=held()))
    assert phase is Phase.SOAKING
    assert text.startswith("At 50% until")


@pytest.mark.parametrize("order", [("rebaseline", "breach"), ("breach", "rebaseline")])
def test_of_two_gates_the_one_that_holds_everything_is_named(order) -> None:
    late = errors_judged(BREACHED, attributable=False)
    was = held()
    gates = tuple(
        replace(gate(name, about=("errors",)), since=T + i * HOUR) for i, name in enumerate(order)
    )
    decision = go(2 * HOUR, late, judged(WITHIN), was=replace(was, gates=gates))
    _, view = render(OUR, seen(after=2 * HOUR), decision)
    assert view.phase is Phase.AWAITING_APPROVAL
    assert view.summary.startswith("Gate breach waits for a person: ")
    assert view.phase_since == T + order.index("breach") * HOUR


def test_a_soak_that_is_over_says_which_gate_it_waits_for() -> None:
    phase, text = summary(go(DAY, *BOTH, was=held()))
    assert phase is Phase.SOAKING
    assert "gate rebaseline waits for a person" in text


def test_pods_that_are_lost_without_a_change_ask_nobody() -> None:
    gone = pair(coverage=covered(2, off_value_ready=("api-x",)))
    decision = go(HOUR, was=begun(), both=gone)
    assert names(decision) == []
    assert stage_of(decision).changed_at is None


def test_the_answer_to_another_question_is_no_new_baseline() -> None:
    was = held()
    was = replace(was, gates=(*was.gates, gate("step-2")))
    decision = go(2 * HOUR, was=was, our=replace_approve("step-2"), both=CHANGED)
    assert decision.state.approved == ("step-2",)
    assert names(decision) == ["rebaseline"]
    assert stage_of(decision).rebased is None
