"""What a probe asks of which pod, and what the answers mean."""

from collections import Counter
from dataclasses import replace
from math import comb

import pytest

from probe_scenes import PODS, PROBE, a_round, app, asking, bucket, heard, says
from rampguard.core.answers import heard_briefly, heard_text, is_share, judge, questions
from rampguard.core.probe import Occasion, Question, Reply
from rampguard.core.reasons import Reason
from scenes import ASK, T

START = a_round(Occasion.START, number=1, share=10, key="start")
AGAIN = tuple(range(20))
FIRST_PODS = ("a", "b")


# --- what is asked


def test_users_are_spread_evenly_and_each_is_asked_at_two_pods() -> None:
    asked = questions(PROBE, a_round(), PODS)
    assert set(Counter(q.pod for q in asked).values()) <= {133, 134}
    pods: dict[int, set[str]] = {}
    for one in asked:
        pods.setdefault(one.user, set()).add(one.pod)
    assert len(pods) == 200
    assert {len(some) for some in pods.values()} == {2}


@pytest.mark.parametrize(
    ("told", "probe", "pods", "count"),
    [
        (a_round(), PROBE, ("a",), 200),  # there is no other pod
        (a_round(), asking(identity=None).probe, FIRST_PODS, 200),  # who asked cannot be said again
        (START, PROBE, FIRST_PODS, 400),
        (a_round(Occasion.START, users=5), PROBE, FIRST_PODS, 5),
        (a_round(users=5, occasion=Occasion.START), PROBE, tuple("abcdefgh"), 5),
        (a_round(users=5), asking(identity=None).probe, tuple("abcdefgh"), 8),  # every pod
        (a_round(), PROBE, (), 0),
        (a_round(again=AGAIN, again_of=1), PROBE, FIRST_PODS, 420),
    ],
)
def test_how_many_requests(told: object, probe: object, pods: tuple[str, ...], count: int) -> None:
    assert len(questions(probe, told, pods)) == count


def test_users_of_before_are_asked_as_they_were() -> None:
    asked = questions(PROBE, a_round(again=(7, 9), again_of=1), FIRST_PODS)
    assert [q for q in asked if q.of == 1] == [Question("a", 1, 7), Question("b", 1, 9)]


# --- right answers


def test_right_answers_have_no_fault_and_are_told_with_their_numbers() -> None:
    told = heard(a_round(), app())
    assert (told.faults, told.silent, told.users, told.agreed, told.pods) == ((), "", 200, 200, 3)
    share = told.treated / 2
    assert heard_text(told) == (
        f"{share:.1f}% of 200 new users in treatment; want 50% (38.5% .. 61.5%); 3 pods asked;"
        " 200 users had the same arm on two pods"
    )
    assert heard_briefly(told) == f"probe {share:.1f}% of 200"


def test_users_that_stayed_are_told() -> None:
    before = heard(START, app(10))
    told = heard(a_round(again=before.keep, again_of=START.number), app(50))
    assert not told.faults
    assert told.stayed == len(before.keep) > 0
    assert heard_text(told).endswith(f"{len(before.keep)} kept the arm that they had before")


def test_before_the_start_those_are_kept_whose_arm_a_ramp_must_not_take() -> None:
    treated = [n for n in range(200) if bucket(Question("x", START.number, n)) < 10]
    assert heard(START, app(10)).keep == tuple(treated)
    down = heard(START, app(10), replace(asking(), origin=50, to=10))
    others = [n for n in range(200) if n not in treated]
    assert down.keep == tuple(others[:100])
    assert heard(START, app(10), asking(identity=None)).keep == ()
    assert heard(a_round(), app()).keep == ()


def test_before_the_start_the_share_is_no_question() -> None:
    told = heard(START, lambda _: says("tree", 10))
    assert (told.faults, told.silent) == ((), "")
    assert heard_text(told) == "200 of 200 users were answered at 10%"


# --- wrong answers


def faults(told: object) -> list[Reason]:
    return [one.reason for one in told.faults]


def test_another_share_is_a_mismatch() -> None:
    told = heard(a_round(), app(30, value=50))
    assert faults(told) == [Reason.ASSIGNMENT_MISMATCH]
    assert "want 50% (38.5% .. 61.5%)" in told.faults[0].text
    assert heard_text(told) == told.faults[0].text
    assert heard_briefly(told) == "probe AssignmentMismatch"


@pytest.mark.parametrize("word", ["10", "0.4", "50%", "nan", "", "fifty"])
def test_another_value_is_wrong_and_names_pods(word: str) -> None:
    told = heard(a_round(), app(value=word))
    assert faults(told) == [Reason.WRONG_VALUE]
    assert told.faults[0].text == (
        f"pods said that they run another value than 50: api-1, api-2, api-3 said {word}"
    )


@pytest.mark.parametrize("word", ["50", "50.0", " 50"])
def test_the_value_is_a_number(word: str) -> None:
    assert not heard(a_round(), app(value=word)).faults


def test_many_values_are_named_by_the_first() -> None:
    told = heard(a_round(), lambda q: says("tree", q.user))
    text = next(one.text for one in told.faults if one.reason is Reason.WRONG_VALUE)
    assert text.endswith("; api-3, api-1 said 2 and 196 more")


def test_another_arm_on_another_pod_is_not_sticky() -> None:
    told = heard(
        a_round(), lambda q: says("list" if q.pod == "api-2" or q.user % 4 == 0 else "tree")
    )
    assert faults(told) == [Reason.NOT_STICKY]
    assert "; control on api-1 and treatment on api-2" in (told.faults[0].text)


def test_who_was_treated_before_and_is_not_now_is_told() -> None:
    told = heard(
        a_round(again=AGAIN, again_of=1),
        lambda q: (
            says("tree") if q.of == 1 and q.user < 3 else app()(q) if q.of != 1 else says("list")
        ),
    )
    assert faults(told) == [Reason.NOT_MONOTONE]
    assert told.faults[0].text == ("3 of 20 users who had treatment at 10% have lost it at 50%")
    assert told.stayed == 17


def test_two_arms_in_one_answer_disagree() -> None:
    told = heard(a_round(), lambda _: Reply(("tree", "list"), "50"))
    assert faults(told) == [Reason.CARRIERS_DISAGREE]
    assert told.faults[0].text == (
        "400 answers say two arms at once: api-1 says list and tree, api-2 says list and tree,"
        " api-3 says list and tree"
    )
    assert told.silent == ""  # they were answers, of a kind


def test_all_faults_are_told_the_surest_first() -> None:
    told = heard(
        a_round(again=AGAIN, again_of=1),
        lambda q: (
            Reply(("tree", "list"), "9")
            if q.user == 0
            else says("list" if q.pod == "api-1" and q.of != 1 else "tree", 9)
        ),
    )
    assert faults(told) == [
        Reason.CARRIERS_DISAGREE,
        Reason.WRONG_VALUE,
        Reason.NOT_STICKY,
        Reason.ASSIGNMENT_MISMATCH,
        Reason.NOT_MONOTONE,
    ]


# --- no answers


def test_a_pod_without_any_answer_is_silence() -> None:
    told = heard(a_round(), lambda q: "HTTP 500" if q.pod == "api-2" else app()(q))
    assert not told.faults
    assert told.silent == "1 of 3 pods gave no answer: HTTP 500 (134x)"
    assert heard_text(told) == told.silent
    assert heard_briefly(told) == "probe unanswered"


def test_a_few_unanswered_users_are_not() -> None:
    some = heard(a_round(), lambda q: "HTTP 500" if q.user < 20 else app()(q))
    many = heard(a_round(), lambda q: "HTTP 500" if q.user < 21 else app()(q))
    assert (some.silent, many.silent) == ("", "HTTP 500 (42x)")
    assert some.users == 180


def test_an_arm_that_is_missing_or_unknown_is_no_answer() -> None:
    assert heard(a_round(), lambda _: Reply((None, "tree"), "50")).silent == (
        "3 of 3 pods gave no answer: no arm at header X-Arm (400x)"
    )
    assert heard(a_round(), lambda _: says("grid")).silent == (
        "3 of 3 pods gave no answer: arm grid is neither tree nor list (400x)"
    )
    assert heard(a_round(), lambda _: Reply(("tree", "tree"))).silent == (
        "3 of 3 pods gave no answer: nothing at json rollout, the app's own word on its value"
        " (400x)"
    )


def test_wrong_answers_among_silence_are_still_wrong() -> None:
    told = heard(a_round(), lambda q: app(value=9)(q) if q.user == 1 else "HTTP 500")
    assert faults(told) == [Reason.WRONG_VALUE]
    assert told.silent.startswith("1 of 3 pods gave no answer: HTTP 500")


def test_without_a_pod_nothing_was_asked() -> None:
    told = heard(a_round(), app(), pods=())
    assert (told.silent, told.asked, told.faults) == ("there was no pod to ask", 0, ())


def test_an_app_need_not_say_its_value() -> None:
    asked = asking(value=None)
    assert not heard(a_round(), lambda q: Reply(app()(q).arms), asked).faults


def test_a_ramp_without_a_probe_has_nothing_to_judge() -> None:
    with pytest.raises(ValueError, match="needs arms"):
        judge(ASK, a_round(), [], T)


# --- the share


def binomial(users: int, share: int) -> list[float]:
    p = share / 100
    return [comb(users, k) * p**k * (1 - p) ** (users - k) for k in range(users + 1)]


@pytest.mark.parametrize("users", [1, 7, 50, 200, 1000])
@pytest.mark.parametrize("share", [0, 1, 10, 50, 99, 100])
def test_the_interval_leaves_out_less_than_half_a_thousandth_at_each_end(
    users: int, share: int
) -> None:
    inside = [k for k in range(users + 1) if is_share(k, users, share)]
    low, high = inside[0], inside[-1]
    assert inside == list(range(low, high + 1))
    mass = binomial(users, share)
    assert sum(mass[:low]) <= 0.0005 < sum(mass[: low + 1])
    assert sum(mass[high + 1 :]) <= 0.0005 < sum(mass[high:])


def test_no_user_says_nothing_of_a_share() -> None:
    assert is_share(0, 0, 50)


# --- silence is no share


@pytest.mark.parametrize("share", [10, 50, 100])
def test_an_arm_that_gets_no_answer_says_nothing_of_the_share(share: int) -> None:
    told = heard(
        a_round(share=share),
        lambda q: "HTTP 503" if bucket(q) < share else app(share)(q),
    )
    assert told.faults == ()
    assert "HTTP 503" in told.silent


def test_what_single_answers_show_needs_no_others() -> None:
    told = heard(
        a_round(),
        lambda q: "HTTP 503" if q.user > 1 else says("list" if q.pod == "api-2" else "tree", 9),
    )
    assert faults(told) == [Reason.WRONG_VALUE, Reason.NOT_STICKY]


# --- words


def test_a_fraction_is_named_as_such() -> None:
    told = heard(a_round(), app(value="0.5"))
    assert told.faults[0].text.endswith("said 0.5 (a fraction: it has to be in percent)")
    assert "fraction" not in heard(a_round(), app(value="0.4")).faults[0].text


def test_what_only_our_headers_can_read_is_not_shown() -> None:
    secret = asking(headers_from="api")
    unknown = heard(a_round(), lambda _: says("Bearer s3cret"), secret)
    assert "(a word of 13 characters)" in unknown.silent
    split = heard(a_round(), lambda _: Reply(("tree", "s3cret"), "50"), secret)
    assert "says (a word of 6 characters) and tree" in split.faults[0].text
    value = heard(a_round(), app(value="s3cret"), secret)
    assert "said (a word of 6 characters)" in value.faults[0].text
    assert "said 40" in heard(a_round(), app(value="40"), secret).faults[0].text
    assert "s3cret" in heard(a_round(), lambda _: says("s3cret")).silent
