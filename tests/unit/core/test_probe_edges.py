"""Edges of the probe: each count, each instant, each first of several."""

from dataclasses import replace

import pytest

from probe_scenes import PROBE, a_round, app, asking, bucket, heard, says
from rampguard.core.answers import heard_briefly, is_share, judge, questions
from rampguard.core.ask import Arms
from rampguard.core.model import State
from rampguard.core.plan import Plan
from rampguard.core.probe import Fault, Heard, Occasion, Probed, Question, Reply
from rampguard.core.probing import (
    asked_at_finding,
    asked_at_step,
    asked_before_start,
    due,
    failing_before_start,
    is_believed,
    mark,
    take_in,
    until_due,
    wrong_reason,
)
from rampguard.core.reasons import Reason
from scenes import HOUR, MINUTE, SECOND, T, plan, seen, soaking, state

PLAN = plan(probe=PROBE)
TWO = (Fault(Reason.WRONG_VALUE, "a"), Fault(Reason.NOT_STICKY, "b"))


def at_share(share: int, told: Heard) -> Heard:
    return replace(told, share=share)


# --- answers


def test_who_is_treated_is_counted_by_the_first_answer() -> None:
    told = heard(a_round(users=100, share=20), app(20))
    assert told.treated == sum(bucket(Question("x", 4, n)) < 20 for n in range(100))
    first = {0: "list", 1: "tree"}
    moved = heard(a_round(users=19), lambda q: says(first[int(q.pod == "api-2")], 50))
    assert moved.treated == sum(n % 3 != 1 for n in range(19))  # the pod that is asked first


def test_users_of_two_rounds_are_told_apart() -> None:
    told = heard(
        a_round(users=20, again=(0, 1, 2), again_of=9),
        lambda q: says("list") if q.of == 9 else app()(q),
    )
    assert (told.users, told.stayed, told.asked) == (20, 3, 20)
    later = heard(a_round(users=20, again=(0,), again_of=1), app(100, 50))
    assert (later.users, later.stayed) == (20, 1)


def test_agreement_is_of_users_with_two_answers() -> None:
    told = heard(a_round(users=30), lambda q: "no" if q.pod == "api-3" else app()(q))
    assert told.agreed == 10  # of api-1 and api-2
    apart = heard(a_round(users=30), lambda q: says("list" if q.pod == "api-2" else "tree"))
    assert apart.agreed == 10  # of api-3 and api-1
    assert not [one for one in told.faults if one.reason is Reason.NOT_STICKY]


def test_a_ramp_that_goes_down_keeps_control() -> None:
    down = replace(asking(), origin=50, to=10)
    told = heard(
        a_round(users=20, share=10, again=(0, 1), again_of=1),
        lambda q: says("list" if q.user else "tree", 10) if q.of == 1 else app(10)(q),
        down,
    )
    (fault,) = (one for one in told.faults if one.reason is Reason.NOT_MONOTONE)
    assert fault.text.startswith("1 of 2 users who had control at 50%")


def test_an_answer_without_any_arm_names_the_first_place() -> None:
    told = heard(a_round(), lambda _: Reply((None, None), "50"))
    assert "no arm at header X-Arm" in told.silent


def test_a_reply_of_another_length_is_a_bug() -> None:
    with pytest.raises(ValueError, match="zip"):
        judge(asking(), a_round(), [(Question("a", 4, 0), Reply(("tree",), "50"))], T)


@pytest.mark.parametrize(
    ("count", "words"), [(3, "; api-1 said 2"), (5, "; api-1 said 2 and 2 more")]
)
def test_of_many_examples_three_are_told(count: int, words: str) -> None:
    told = heard(
        a_round(users=count),
        lambda q: says("tree", q.user),
        asking(identity=None),
        ("api-1", "api-2"),
    )
    text = next(one.text for one in told.faults if one.reason is Reason.WRONG_VALUE)
    assert text.endswith(words)


def test_a_share_of_none_or_all_is_exact() -> None:
    assert is_share(0, 10, 0)
    assert not is_share(1, 10, 0)
    assert is_share(10, 10, 100)
    assert not is_share(9, 10, 100)
    assert is_share(0, 0, 100)


def test_one_pod_is_asked_once_for_each_user() -> None:
    assert len(questions(PROBE, a_round(users=7), ("a",))) == 7
    assert len(questions(PROBE, a_round(users=7), ("a", "b"))) == 14
    assert len(questions(PROBE, a_round(Occasion.START, users=6), ("a", "b"))) == 12


def test_in_a_few_words_the_first_fault_is_told() -> None:
    told = replace(heard(a_round(), app()), faults=TWO)
    assert heard_briefly(told) == "probe WrongValue"
    assert wrong_reason(state(soaking(), probed=Probed(heard=told))) is Reason.WRONG_VALUE
    assert wrong_reason(State()) is Reason.PROBE_FAILED


# --- rounds


def known(**facts: object) -> Probed:
    return Probed(mark=mark(PLAN.ask), **facts)


@pytest.mark.parametrize("over", ["finding/0/3599", "finding/0/36000", "step/0", "zzz"])
def test_only_the_very_occasion_is_over(over: str) -> None:
    was = state(soaking(), probed=known(over=over))
    assert asked_at_finding(PLAN, was, soaking(), T + HOUR).probed.round is not None


@pytest.mark.parametrize("number", [3, 5])
def test_answers_of_an_earlier_or_later_round_are_not_taken(number: int) -> None:
    was = state(soaking(), probed=known(round=a_round(number=4)))
    told = replace(heard(a_round(), app()), number=number)
    assert take_in(PLAN, was, seen(heard=told), proven=True) == (was, ())


@pytest.mark.parametrize(("failed", "wait"), [("HTTP 500", 20 * SECOND), ("", 10 * MINUTE)])
def test_before_the_start_it_is_asked_again_no_sooner_and_no_later(
    failed: str, wait: object
) -> None:
    told = replace(heard(a_round(Occasion.START, users=5, share=10), app(10)), silent=failed, at=T)
    was = State(probed=known(heard=told))
    for earlier in (SECOND, wait):
        assert asked_before_start(PLAN, was, T + wait - earlier, quiet=True).probed.round is None
    for later in (0 * SECOND, HOUR):
        assert asked_before_start(PLAN, was, T + wait + later, quiet=True).probed.round


def test_a_round_stays_due_until_it_is_answered() -> None:
    was = state(soaking(), probed=known(round=a_round(at=T)))
    for after in (0 * SECOND, SECOND, HOUR):
        assert due(was, T + after, proven=True) is not None
        assert until_due(was, T + after) is None
    assert until_due(was, T - SECOND) == SECOND
    assert due(was, T - SECOND, proven=True) is None


@pytest.mark.parametrize(("wrong", "believed"), [(2, False), (3, True), (4, True)])
def test_three_tries_are_believed(wrong: int, believed: bool) -> None:  # noqa: FBT001 - a row
    was = state(soaking(), probed=known(wrong=wrong))
    assert is_believed(was, ()) is believed
    assert not is_believed(was, ("the probe",))


def test_users_of_wrong_or_missing_answers_are_not_kept() -> None:
    for facts in ({"faults": TWO}, {"silent": "no"}):
        asked = a_round(Occasion.START, share=10)
        told = replace(heard(asked, app(10)), keep=(1, 2), **facts)
        after, notes = take_in(
            PLAN, State(probed=known(round=asked)), seen(heard=told), proven=False
        )
        assert after.probed.keep == ()
        assert notes == ()


def test_silence_and_wrong_answers_are_warnings_by_their_first_reason() -> None:
    asked = a_round(Occasion.STEP, since=T - HOUR)
    was = state(soaking(), probed=known(round=asked))
    for facts, reason in (
        ({"silent": "no"}, Reason.PROBE_FAILED),
        ({"faults": TWO}, TWO[0].reason),
    ):
        told = replace(heard(asked, app()), **facts)
        _, (note,) = take_in(PLAN, was, seen(heard=told), proven=True)
        assert (note.reason, note.warning) == (reason, True)


def test_patience_is_over_at_its_very_end() -> None:
    for after, over in ((PLAN.ask.proof_timeout - SECOND, False), (PLAN.ask.proof_timeout, True)):
        asked = a_round(since=T)
        was = state(soaking(), probed=known(round=asked))
        told = replace(heard(asked, app()), silent="no")
        after_, _ = take_in(PLAN, was, replace(seen(heard=told), now=T + after), proven=True)
        assert (after_.probed.round is None) is over


def test_a_round_without_users_of_before_names_no_round_of_theirs() -> None:
    was = state(soaking(), probed=known(keep_of=7, over="step/0"))
    asked = asked_at_finding(PLAN, was, soaking(), T + HOUR).probed.round
    assert asked is not None
    assert (asked.again, asked.again_of) == ((), 0)


def test_nothing_fails_where_nothing_is_known() -> None:
    assert failing_before_start(PLAN, State()) == ()
    told = heard(a_round(Occasion.START, share=10), app(10))
    assert failing_before_start(PLAN, State(probed=known(heard=told))) == ()
    silent = replace(told, silent="HTTP 401")
    (because,) = failing_before_start(PLAN, State(probed=known(heard=silent)))
    assert because.reason is Reason.PROBE_FAILED
    assert failing_before_start(_without(), State(probed=known(heard=silent))) == ()


def _without() -> Plan:
    return plan()


def test_a_user_of_one_answer_is_neither_of_two_arms_nor_agreed() -> None:
    told = heard(a_round(users=9), lambda q: "no" if q.pod != "api-1" else app()(q))
    assert (told.users, told.agreed) == (6, 0)


def test_who_is_asked_again_is_of_any_other_round() -> None:
    for of in (1, 9):
        told = heard(
            a_round(users=20, again=(500,), again_of=of),
            lambda q, of=of: says("tree" if q.of == of else "list"),
            pods=("a",),
        )
        assert (told.users, told.treated, told.stayed, told.asked) == (20, 20, 0, 20)


def test_fewer_than_the_first_few_are_asked_once() -> None:
    assert len(questions(PROBE, a_round(Occasion.START, users=3), ("a", "b"))) == 3


def test_an_arm_by_another_word_is_no_treatment() -> None:
    told = heard(a_round(users=20), lambda _: says("tree"), replace(asking(), arms=ZED))
    assert told.treated == 20


ZED = Arms("zed", "tree")


@pytest.mark.parametrize("after", [MINUTE, MINUTE + SECOND])
def test_pods_that_are_lost_for_a_minute_or_more_end_it_with_a_warning(after: object) -> None:
    was = state(soaking(), probed=known(round=a_round(Occasion.FINDING, since=T)))
    ended, (note,) = take_in(PLAN, was, replace(seen(), now=T + after), proven=False)
    assert ended.probed.round is None
    assert note.warning


@pytest.mark.parametrize("over", ["step/", "step/00", "step/1"])
def test_only_the_very_step_is_over(over: str) -> None:
    was = state(soaking(), probed=known(over=over))
    assert asked_at_step(PLAN, was, 0, T).probed.round is not None


def test_a_fourth_wrong_try_is_believed_too() -> None:
    asked = a_round()
    was = state(soaking(), probed=known(round=asked, wrong=3))
    told = replace(heard(asked, app()), faults=TWO)
    after, _ = take_in(PLAN, was, seen(heard=told), proven=True)
    assert (after.probed.round, after.probed.wrong) == (None, 4)
