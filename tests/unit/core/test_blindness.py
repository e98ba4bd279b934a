"""Blind is not breached: it holds, loudly, and acts by its policy."""

from dataclasses import replace

import pytest

from rampguard.core.ask import NoDataPolicy
from rampguard.core.model import Decision, Look, RollingBack, Verdict
from rampguard.core.moves import TOLD, is_too_soon
from rampguard.core.reasons import Reason
from scenes import (
    DAY,
    HOUR,
    MINUTE,
    SECOND,
    SHARE,
    SPEED,
    TEMPO,
    T,
    judged,
    look,
    plan,
    soaking,
    stage_of,
    state,
    told,
    unanswered,
    watch,
)

BLIND, NOTHING = Verdict.NO_DATA, Verdict.NOT_APPLICABLE
WITHIN, UNSURE = Verdict.WITHIN_TOLERANCE, Verdict.INCONCLUSIVE
LOOK = TEMPO.look


def blind(minutes: float, policy: NoDataPolicy, **asked: object) -> Decision:
    """Make a pass that still sees nothing, some minutes after the last look that did."""
    since = replace(soaking().evidence, blind_since=T)
    of = plan(no_data=policy, **asked)
    at = minutes * MINUTE
    return watch(look(at, BLIND), of=of, was=state(soaking(evidence=since)), after=at)


@pytest.mark.parametrize("policy", NoDataPolicy)
def test_blindness_up_to_max_blind_does_nothing(policy: NoDataPolicy) -> None:
    assert blind(10, policy).because.reason is Reason.NO_DATA


ORDER = NoDataPolicy.HOLD, NoDataPolicy.IGNORE, NoDataPolicy.ROLLBACK


def test_beyond_max_blind_each_policy_does_its_own() -> None:
    over = 10 + 1 / 60
    hold, ignore, back = (blind(over, policy) for policy in ORDER)
    assert hold.because.reason is Reason.NO_DATA
    assert ignore.because.reason is Reason.SOAKING
    assert isinstance(back.state.stage, RollingBack)
    cause = back.state.stage.because
    assert (cause.reason, cause.message) == (
        Reason.NO_DATA,
        "blind for longer than 10m, noData: Rollback",
    )
    assert not told(back, Reason.GUARDRAIL_BREACHED)


def test_a_hold_lasts_as_long_as_the_blindness() -> None:
    decision = blind(90 * 24 * 60, NoDataPolicy.HOLD)
    assert stage_of(decision)
    assert decision.because.reason is Reason.NO_DATA


def test_a_hold_says_since_when_and_why() -> None:
    text = blind(20, NoDataPolicy.HOLD).because.message
    assert text.endswith("blind since 2026-11-23T12:00:00Z: share: why")


def test_only_what_is_blind_says_why() -> None:
    for other in (Verdict.INCONCLUSIVE, Verdict.WITHIN_TOLERANCE):
        decision = watch(look(HOUR, BLIND, other))
        assert decision.because.message.endswith("blind since 2026-11-23T13:00:00Z: share: why")


def test_of_several_looks_the_last_says_whether_the_guardrails_see() -> None:
    assert stage_of(watch(look(HOUR, BLIND), look(2 * HOUR))).evidence.blind_since is None
    blind_again = watch(look(HOUR), look(2 * HOUR, BLIND))
    assert stage_of(blind_again).evidence.blind_since == T + 2 * HOUR
    assert blind_again.because.message.endswith("blind since 2026-11-23T14:00:00Z: share: why")


@pytest.mark.parametrize("minutes", [121, 241])
def test_staying_blind_is_told_with_its_length(minutes: int) -> None:
    (note,) = told(blind(minutes, NoDataPolicy.HOLD), Reason.BLIND)
    assert note.message == f"blind for {minutes // 120 * 2}h: share: why"
    assert note.warning


def test_what_was_told_long_ago_is_forgotten() -> None:
    """A watch of weeks tells hundreds of times, and remembers the last of them."""
    since = replace(soaking().evidence, blind_since=T)
    was = state(soaking(evidence=since), told=tuple(f"Blind/{n}" for n in range(TOLD)))
    kept = watch(look(5 * HOUR, BLIND), was=was).state.told
    assert kept[:-1] == was.told[1:]
    assert kept[-1].startswith("Blind/2/")


@pytest.mark.parametrize("policy", [NoDataPolicy.IGNORE, NoDataPolicy.ROLLBACK])
def test_only_a_hold_is_told_again(policy: NoDataPolicy) -> None:
    assert not told(blind(241, policy), Reason.BLIND)


def test_max_hold_moves_the_repeats() -> None:
    assert told(blind(31, NoDataPolicy.HOLD, max_hold=30 * MINUTE), Reason.BLIND)
    assert not told(blind(30, NoDataPolicy.HOLD, max_hold=30 * MINUTE), Reason.BLIND)


def test_the_first_blind_look_says_what_is_allowed() -> None:
    (note,) = told(watch(look(HOUR, BLIND, BLIND)), Reason.GUARDRAIL_NO_DATA)
    assert note.message == "share: why; p95: why (allowed: 10m)"
    assert note.warning


def test_looks_that_cannot_be_taken_are_blind_from_the_third_on() -> None:
    was, missed = state(soaking()), dict[str, object](look_failed="prometheus refuses")
    for n in range(2):
        decision = watch(was=was, after=HOUR + n * LOOK, **missed)
        was = decision.state
        assert not told(decision, Reason.GUARDRAIL_NO_DATA)
        assert decision.because.message.endswith("the last look was not answered")
    third = watch(was=was, after=HOUR + 2 * LOOK, **missed)
    (note,) = told(third, Reason.GUARDRAIL_NO_DATA)
    assert note.message == "prometheus refuses (allowed: 10m)"
    assert third.because.message.endswith("prometheus refuses")


def test_a_look_without_an_answer_and_one_that_was_not_taken_are_two_in_a_row() -> None:
    (first,) = passes(unanswered(look(HOUR, BLIND)))
    after = HOUR + LOOK + 15 * SECOND  # a scrape after the instant that was to be looked at
    second = watch(was=first.state, after=after, look_failed="prometheus refuses")
    assert stage_of(second).evidence.blind_since is None
    assert not told(second, Reason.GUARDRAIL_NO_DATA)


def passes(*looks: Look) -> list[Decision]:
    """Make a pass after each look."""
    was, made = state(soaking(judged=(judged(UNSURE), judged(UNSURE, "p95")))), []
    for one in looks:
        made.append(watch(one, was=was, after=one.at - T + 15 * SECOND))
        was = made[-1].state
    return made


def shown(decision: Decision) -> list[Verdict]:
    return [one.verdict for one in stage_of(decision).judged]


def test_what_was_judged_last_is_shown_until_the_last_answer_is_more_than_two_looks_old() -> None:
    first, second, third = passes(*(unanswered(look(HOUR + n * LOOK, BLIND)) for n in range(3)))
    for one in (first, second):
        assert shown(one) == [UNSURE, WITHIN]
        assert stage_of(one).evidence.blind_since is None
        assert not told(one, Reason.GUARDRAIL_NO_DATA)
    assert shown(third) == [BLIND, WITHIN]
    assert stage_of(third).evidence.blind_since == T + HOUR
    assert len(told(third, Reason.GUARDRAIL_NO_DATA)) == 1


def test_a_look_that_is_answered_again_was_no_blindness() -> None:
    _, _, back, later = passes(
        *(unanswered(look(HOUR + n * LOOK, BLIND)) for n in range(2)),
        look(HOUR + 2 * LOOK),
        unanswered(look(HOUR + 3 * LOOK, BLIND)),
    )
    assert stage_of(back).evidence == replace(soaking().evidence)
    assert stage_of(later).evidence.missed_since == T + HOUR + 3 * LOOK


@pytest.mark.parametrize(("looks", "too_soon"), [(0, True), (1.4, True), (1.5, False), (2, False)])
def test_half_a_look_short_of_the_third_is_no_longer_too_soon(looks: float, too_soon: bool) -> None:  # noqa: FBT001
    missed = replace(soaking().evidence, missed_since=T)
    assert is_too_soon(plan(), missed, T + looks * LOOK) is too_soon


def test_what_is_absent_is_no_data_at_once() -> None:
    (first,) = passes(look(HOUR, BLIND))
    assert shown(first) == [BLIND, WITHIN]
    assert told(first, Reason.GUARDRAIL_NO_DATA)


def test_harm_acts_though_a_part_of_its_look_was_not_answered() -> None:
    (first,) = passes(unanswered(look(HOUR, BLIND, Verdict.BREACHED)))
    assert isinstance(first.state.stage, RollingBack)
    assert [one.verdict for one in first.state.stage.judged] == [UNSURE, Verdict.BREACHED]


def test_no_finding_is_made_of_what_was_judged_before() -> None:
    (first,) = passes(unanswered(look(HOUR, BLIND)))
    assert first.state.findings == ()


def test_a_soak_does_not_end_by_a_look_that_was_not_answered() -> None:
    """Nor would it by an Ignore of the blindness: it is none yet."""
    ignoring = plan(no_data=NoDataPolicy.IGNORE)
    last = unanswered(look(DAY, BLIND))
    assert stage_of(watch(last, of=ignoring, after=DAY + MINUTE)).evidence.missed_since == last.at


def test_a_pass_without_a_look_is_neither_blind_nor_seeing() -> None:
    since = replace(soaking().evidence, blind_since=T)
    still = watch(was=state(soaking(evidence=since)), after=HOUR)
    assert stage_of(still).evidence.blind_since == T
    assert still.because.message.endswith("no look yet")
    assert stage_of(watch(after=HOUR)).evidence.blind_since is None


def test_a_blind_dry_run_and_one_that_does_not_apply_hide_nothing() -> None:
    quiet = plan(guardrails=(SHARE, replace(SPEED, dry_run=True)))
    was = state(replace(soaking(), rules=stage_of(watch(of=quiet)).rules))
    assert watch(look(HOUR, speed=BLIND), of=quiet, was=was).because.reason is Reason.SOAKING
    assert watch(look(HOUR, speed=NOTHING)).because.reason is Reason.SOAKING


def test_a_breach_that_was_accepted_blinds_nobody() -> None:
    was = state(soaking(accepted=("share",)))
    assert watch(look(HOUR, BLIND), was=was).because.reason is Reason.SOAKING
