"""The kill-switch: so many errors that nobody waits for statistics, in a proof or in a soak."""

from dataclasses import replace

import pytest

from exact import VECTORS
from rampguard.core.applying import rules
from rampguard.core.ask import Arms, OnFailure
from rampguard.core.conditions import phase_of
from rampguard.core.decide import decide
from rampguard.core.model import (
    Applying,
    Decision,
    Judgement,
    Part,
    Phase,
    Phi,
    RollingBack,
    Soaking,
    State,
    Verdict,
)
from rampguard.core.rates import kill_switch, killed_by
from rampguard.core.reasons import Reason
from rate_scenes import (
    ERRORS,
    ERRORS_BEFORE,
    SHORT,
    arms,
    bins,
    errors_judged,
    judged_at,
    look_at,
    one,
    part,
    recent,
    watched,
)
from scenes import (
    ASK,
    MINUTE,
    SECOND,
    SHARE,
    T,
    applying,
    covered,
    gate,
    lagging,
    pair,
    plan,
    seen,
    soaking,
    state,
    told,
)

BREACHED, UNSURE = Verdict.BREACHED, Verdict.INCONCLUSIVE
AT = T + 10 * MINUTE
KILL = "errors/kill-switch"
HOLD = OnFailure.HOLD
OUR = plan(guardrails=(ERRORS, SHARE))
FIRED = killed_by(ERRORS, ERRORS_BEFORE, recent(600, 1_000), AT)
assert FIRED is not None


# --- when it fires ---


@pytest.mark.parametrize("row", VECTORS["kill_switch"], ids=lambda row: row["id"])
def test_it_fires_as_in_the_vectors(row: dict) -> None:
    percent = None if row["percent"] is None else float(row["percent"])
    before = replace(ERRORS_BEFORE, rate=row["baseline_rate"])
    rule = replace(ERRORS, kill_switch=percent)
    fired = kill_switch(rule, before, recent(row["errors"], row["requests"]), AT)
    assert (fired is not None) is row["trips"]


# fmt: off
LOOKS = {
    "at two looks running": (recent(60, 1_000), True),
    "at this look alone": (recent(60, 1_000, before=(1, 1_000)), False),
    "at the look before alone": (recent(1, 1_000, before=(60, 1_000)), False),
    "at no look": (recent(1, 1_000), False),
    "nothing was counted lately": ((), False),
    "nothing came": (recent(0, 0), False),
    "errors without a request counted yet": (recent(60, 0), True),
    "more errors than requests": (recent(60, 50), True),
    "very many": (recent(2.0**53, 2.0**53), True),
}
# fmt: on


@pytest.mark.parametrize(("told", "fires"), LOOKS.values(), ids=LOOKS)
def test_it_fires_at_two_looks_running(told, fires: bool) -> None:  # noqa: FBT001
    assert (kill_switch(ERRORS, ERRORS_BEFORE, told, AT) is not None) is fires
    assert (killed_by(ERRORS, ERRORS_BEFORE, told, AT) is not None) is fires


def test_it_says_what_it_saw() -> None:
    fired = kill_switch(ERRORS, ERRORS_BEFORE, recent(60, 1_000, before=(80, 1_000)), AT)
    assert (fired.name, fired.verdict, fired.phi) == ("kill-switch", BREACHED, 1)
    assert (fired.value, fired.limit) == ("6.0%", "5.0% of all requests or less")
    assert fired.counts == "60 of 1000 requests in 2m"
    assert fired.onset == AT - 2 * MINUTE


def test_without_a_request_there_is_no_rate() -> None:
    fired = kill_switch(ERRORS, ERRORS_BEFORE, recent(60, 0), AT)
    assert (fired.value, fired.counts) == ("", "60 of 0 requests in 2m")
    assert kill_switch(ERRORS, ERRORS_BEFORE, recent(60, 1), AT).value == "6000.0%"
    assert killed_by(ERRORS, ERRORS_BEFORE, recent(60, 1), AT).counted == 0


@pytest.mark.parametrize(
    ("percent", "rate", "limit"),
    [(None, 0.0, "5.0%"), (None, 0.02, "20.0%"), (30.0, 0.02, "30.0%"), (1.0, 0.002, "1.0%")],
)
def test_a_set_percent_rules_alone(percent, rate, limit) -> None:
    rule, before = replace(ERRORS, kill_switch=percent), replace(ERRORS_BEFORE, rate=rate)
    assert kill_switch(rule, before, recent(900, 1_000), AT).limit.startswith(limit)


# --- in a soak ---


def soaked(before, stage: Soaking, *, to: int = 50) -> Judgement:
    return judged_at(one(ERRORS, to=to), (), before, stage=stage, at=AT, recent=recent(600, 1_000))


LOW = one(replace(ERRORS, kill_switch=0.8))  # of 0.5 % before


@pytest.mark.parametrize(("errors", "fires"), [(900, False), (1_100, True)])
def test_one_that_was_set_too_low_since_the_start_fires_at_twice_the_rate_before(
    errors: float,
    fires: bool,  # noqa: FBT001
) -> None:
    judged = judged_at(LOW, bins(arms(0, 0, 0, 0)), ERRORS_BEFORE, recent=recent(errors, 100_000))
    assert (judged.verdict is BREACHED) is fires
    if fires:
        assert part(judged, "kill-switch").limit == "1.0% of all requests or less"


def test_one_that_was_set_too_low_is_told_once() -> None:
    quiet = look_at(MINUTE, errors_judged(UNSURE))
    was = state(soaking(rules=rules(LOW)), baselines=(ERRORS_BEFORE,))
    first = watched(LOW, quiet, was=was)
    (note,) = told(first, Reason.GUARDRAIL_CHANGED)
    assert note.warning
    assert note.message == (
        "errors: killSwitch 0.8 is below twice the 0.50% before; 1.00% holds instead:"
        " set a higher one"
    )
    assert not told(watched(LOW, quiet, was=first.state), Reason.GUARDRAIL_CHANGED)
    fine = one(replace(ERRORS, kill_switch=1.0))
    assert not told(watched(fine, quiet, was=was), Reason.GUARDRAIL_CHANGED)


def test_it_leads_where_the_statistics_are_not_sure_yet() -> None:
    judged = judged_at(
        one(ERRORS), bins(arms(1, 500, 1, 500)), ERRORS_BEFORE, at=AT, recent=recent(600, 1_000)
    )
    assert (judged.verdict, judged.value, judged.number) == (BREACHED, "60.0%", None)
    assert [p.name for p in judged.parts] == ["history", "concurrent", "kill-switch"]
    assert judged.why == "kill-switch: 600 of 1000 requests in 2m"


def test_it_is_outside_of_what_the_parts_share() -> None:
    with_it, without = (
        part(judged_at(one(ERRORS), (), ERRORS_BEFORE, recent=recent(n, 1_000)), "history")
        for n in (600, 0)
    )
    assert with_it == without


@pytest.mark.parametrize(
    ("before", "stage", "to"),
    [
        (ERRORS_BEFORE, soaking(changed_at=T + MINUTE), 50),
        (SHORT, soaking(), 100),
        (replace(ERRORS_BEFORE, armed=False), soaking(changed_at=T + MINUTE), 100),
    ],
    ids=["history is held", "nothing can be compared", "all is held"],
)
def test_it_fires_whatever_the_other_parts_can_say(before, stage, to) -> None:
    judged = soaked(before, stage, to=to)
    assert (judged.verdict, judged.value) == (BREACHED, "60.0%")


def test_without_an_arm_of_the_two_errors_count_all_the_same() -> None:
    assert ASK.arms == Arms("tree", "list")
    assert soaked(replace(ERRORS_BEFORE, phi_arms=Phi(value=5.0)), soaking()).parts


@pytest.mark.parametrize(
    ("asked", "attributable", "stage"),
    [
        ({}, True, RollingBack),
        ({}, False, Soaking),
        ({"on_unattributable": OnFailure.ROLLBACK}, False, RollingBack),
        ({"on_failure": HOLD}, True, Soaking),
    ],
    ids=["soon", "late", "late, where that rolls back", "where all harm asks"],
)
def test_in_a_soak_it_rolls_back_or_asks_as_any_breach(asked, attributable, stage) -> None:
    our = plan(guardrails=(ERRORS,), **asked)
    fired = replace(FIRED, attributable=attributable)
    assert type(watched(our, look_at(10 * MINUTE, fired)).state.stage) is stage


def test_what_fired_in_a_soak_stays_a_question_when_errors_are_gone() -> None:
    our = plan(guardrails=(ERRORS,), on_failure=HOLD)
    first = watched(our, look_at(10 * MINUTE, FIRED))
    again = watched(our, look_at(11 * MINUTE, errors_judged(UNSURE)), was=first.state)
    assert [g.name for g in again.state.gates] == ["breach"]
    assert again.state.stage.evidence.breached == (KILL,)
    assert again.because.message == "errors 60.0%, limit 5.0% of all requests or less"


# --- while a value is being written and proven ---


def prove(
    *kills: Judgement, was: State | None = None, after: float = 1, proven: bool = False,
    **asked: object,
) -> Decision:  # fmt: skip
    """Make one pass over a proof; of four pods three are proven, if not all."""
    our = plan(guardrails=(ERRORS, SHARE), **asked)
    pods = covered() if proven else lagging()
    both = pair(coverage=pods)
    saw = seen(*both, after=after * MINUTE, kills=kills)
    return decide(our, was or state(applying()), saw)


def test_it_rolls_back_before_the_proof_is_whole() -> None:
    decision = prove(FIRED)
    assert isinstance(decision.state.stage, RollingBack)
    assert decision.state.rollback.because.reason is Reason.GUARDRAIL_BREACHED
    assert decision.state.rollback.because.message == (
        "errors 60.0%, limit 5.0% of all requests or less"
    )
    assert {w.value for w in decision.actions} == {"10"}


def test_it_rolls_back_instead_of_beginning_a_soak() -> None:
    assert isinstance(prove(FIRED, proven=True).state.stage, RollingBack)


def test_it_is_told_before_the_rollback_and_once() -> None:
    decision = prove(FIRED)
    reasons = [n.reason for n in decision.notes]
    assert reasons[:2] == [Reason.GUARDRAIL_BREACHED, Reason.ROLLBACK_STARTED]
    (loud,) = told(decision, Reason.GUARDRAIL_BREACHED)
    assert loud.warning
    assert loud.message == (
        "errors breached: 60.0%, limit 5.0% of all requests or less"
        " (kill-switch: 600 of 1000 requests in 2m)"
    )


def test_where_all_harm_asks_it_asks_once() -> None:
    first = prove(FIRED, on_failure=HOLD)
    again = prove(FIRED, on_failure=HOLD, was=first.state, after=2)
    assert isinstance(again.state.stage, Applying)
    assert [g.name for g in again.state.gates] == ["breach"]
    assert phase_of(OUR, again.state) is Phase.AWAITING_APPROVAL
    assert told(first, Reason.APPROVAL_ASKED)
    assert again.notes == ()


def test_no_more_is_written_while_a_person_is_asked() -> None:
    our = plan(guardrails=(ERRORS,), on_failure=HOLD)
    both = (pair()[0], pair(10)[1])
    saw = seen(*both, kills=(FIRED,))
    assert decide(our, state(applying(written=())), saw).actions == ()


@pytest.mark.parametrize("proven", [False, True], ids=["not proven", "proven"])
def test_a_question_waits_for_its_answer_though_errors_are_gone(proven: bool) -> None:  # noqa: FBT001
    """Else a proof that comes in the meantime would void it, and the ramp go on."""
    first = prove(FIRED, on_failure=HOLD)
    later = prove(was=first.state, on_failure=HOLD, after=2, proven=proven)
    assert isinstance(later.state.stage, Applying)
    assert later.state.gates == first.state.gates
    assert later.because.message == "errors 60.0%, limit 5.0% of all requests or less"


@pytest.mark.parametrize("kills", [(FIRED,), ()], ids=["it still fires", "it does not any more"])
def test_one_that_a_person_accepted_is_not_asked_about_again(kills) -> None:
    first = prove(FIRED, on_failure=HOLD)
    yes = {"on_failure": HOLD, "approve": "breach", "generation": 2}
    approved = prove(*kills, was=first.state, after=2, **yes)
    assert (approved.state.stage.accepted, approved.state.stage.killed) == ((KILL,), ())
    again = prove(FIRED, was=approved.state, after=3, **yes)
    assert again.state.gates == ()
    assert isinstance(again.state.stage, Applying)
    assert again.because.reason is Reason.APPLYING


def test_what_a_person_accepted_is_accepted_in_the_soak_that_follows() -> None:
    accepted = state(applying(accepted=(KILL,)))
    stage = prove(FIRED, was=accepted, proven=True).state.stage
    assert isinstance(stage, Soaking)
    assert stage.accepted == (KILL,)


def test_a_switch_that_was_overruled_leaves_the_rest_of_its_guardrail_on() -> None:
    stage = soaking(accepted=(KILL,))
    our = plan(guardrails=(ERRORS,))
    assert isinstance(watched(our, look_at(10 * MINUTE, FIRED), stage=stage).state.stage, Soaking)
    parts = (Part(name="concurrent", verdict=BREACHED, value="9"), *FIRED.parts)
    worse = replace(FIRED, parts=parts)
    decision = watched(our, look_at(10 * MINUTE, worse), stage=stage)
    assert isinstance(decision.state.stage, RollingBack)
    assert decision.because.message.startswith("errors 9,")


def test_another_switch_that_fires_while_one_is_asked_about_asks_about_both() -> None:
    first = prove(FIRED, on_failure=HOLD)
    other = replace(FIRED, name="other", value="70.0%")
    again = prove(FIRED, other, was=first.state, on_failure=HOLD, after=2)
    (asked,) = again.state.gates
    assert (asked.name, asked.about) == ("breach-2", (KILL, "other/kill-switch"))
    assert "errors 60.0%" in asked.why
    assert "other 70.0%" in asked.why
    assert [n.key.split("/")[1] for n in told(again, Reason.GUARDRAIL_BREACHED)] == ["other"]
    late = {"on_failure": HOLD, "approve": "breach", "generation": 2}
    assert prove(was=again.state, after=3, **late).state.gates == again.state.gates


def test_a_switch_that_fires_while_slow_pods_are_asked_about_asks_anew() -> None:
    asked = state(applying(), gates=(gate("breach"),))
    decision = prove(FIRED, was=asked, on_failure=HOLD)
    assert [(g.name, g.about) for g in decision.state.gates] == [("breach-2", (KILL,))]


def test_one_accepted_leaves_another() -> None:
    """Each guardrail is asked about by its name."""
    other = replace(FIRED, name="other")
    decision = prove(FIRED, other, was=state(applying(accepted=(KILL,))))
    assert isinstance(decision.state.stage, RollingBack)
    assert decision.state.rollback.because.message.startswith("other ")


def test_an_acceptance_of_two_is_of_both() -> None:
    other = replace(FIRED, name="other")
    first = prove(FIRED, other, on_failure=HOLD)
    approved = prove(was=first.state, after=2, on_failure=HOLD, approve="breach", generation=2)
    assert approved.state.stage.accepted == (KILL, "other/kill-switch")


def test_of_two_the_first_is_the_cause() -> None:
    decision = prove(FIRED, replace(FIRED, name="other"))
    assert decision.state.rollback.because.message.startswith("errors 60.0%")
    assert len(told(decision, Reason.GUARDRAIL_BREACHED)) == 2


def test_what_fired_first_is_what_is_told() -> None:
    first = prove(FIRED, on_failure=HOLD)
    worse = killed_by(ERRORS, ERRORS_BEFORE, recent(900, 1_000), AT + 30 * SECOND)
    again = prove(worse, was=first.state, on_failure=HOLD, after=2)
    assert again.state.stage.killed == (FIRED,)


def test_a_question_about_slow_pods_is_not_an_acceptance_of_errors() -> None:
    asked = state(applying(), gates=(gate("breach"),))
    yes = {"on_failure": HOLD, "approve": "breach", "generation": 2}
    assert prove(was=asked, **yes).state.stage.accepted == ()
    fires_now = prove(FIRED, was=asked, **yes)
    assert fires_now.state.stage.accepted == ()
    assert [g.name for g in fires_now.state.gates] == ["breach-2"]


def test_a_switch_that_is_set_to_roll_back_later_does() -> None:
    first = prove(FIRED, on_failure=HOLD)
    assert isinstance(prove(was=first.state, after=2).state.stage, RollingBack)


def test_a_value_that_was_taken_rules_over_it() -> None:
    """What somebody else set is not ours to answer for."""
    saw = seen(*(pair("7")[0], pair()[1]), kills=(FIRED,))
    decision = decide(OUR, state(applying(written=("api/api",))), saw)
    assert decision.state.rollback.because.reason is not Reason.GUARDRAIL_BREACHED
