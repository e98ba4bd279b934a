"""RelativeDrop from analytics: what new users in an export show between the arms."""

import math
from dataclasses import replace
from datetime import timedelta

import pytest

from rampguard.core.export import Bin, Recounts
from rampguard.core.judging import judge
from rampguard.core.model import (
    Baseline,
    Judgement,
    Measured,
    RollingBack,
    Soaking,
    Verdict,
)
from rampguard.core.reasons import Reason
from rampguard.core.statistics import Arm, Hypothesis, log_e_two_sample
from rate_scenes import QUARTER
from recount_scenes import EVEN, EVENT, PLAN, known, told, watching
from scenes import DAY, HOUR, MINUTE, T, look, plan, state, watch

BREACHED, WITHIN = Verdict.BREACHED, Verdict.WITHIN_TOLERANCE
UNSURE, BLIND, NOTHING = Verdict.INCONCLUSIVE, Verdict.NO_DATA, Verdict.NOT_APPLICABLE
BEFORE = Baseline(guardrail="starts", span=DAY, hits=600, exposure=1000, rate=0.6, armed=True)
FIFTH = Bin(control=10_000, treatment=10_000, control_hits=6_000, treatment_hits=4_800)


def judged(
    recounts: Recounts,
    at: timedelta = 20 * MINUTE,
    stage: Soaking | None = None,
    *before: Baseline,
    **asked: object,
) -> Judgement:
    """Judge the guardrail that counts in the export."""
    ours = plan(analytics=PLAN.ask.analytics, **({"guardrails": PLAN.ask.guardrails} | asked))
    soak = stage or watching()
    measured = Measured(counted=soak.evidence, recounts=recounts)
    found = judge(ours, soak, before or (BEFORE,), T + at, measured)
    return next(one for one in found if one.name == "starts")


def of(*bins: Bin, at: timedelta = 20 * MINUTE, **facts: object) -> Judgement:
    return judged(known(told(*bins, at=at, **facts)), at)


def bin_of(treated: tuple[int, int], control: tuple[int, int]) -> Bin:
    """Return (hits, users) of both arms as a bin."""
    return Bin(control[1], treated[1], control[0], treated[0])


# fmt: off
COUNTS: dict[str, tuple[tuple[Bin, ...], Verdict]] = {
    "nobody yet": ((), UNSURE),
    "nobody in the first bin": ((Bin(),), UNSURE),
    "nobody in treatment": ((bin_of((0, 0), (600, 1_000)),), UNSURE),
    "nobody in control": ((bin_of((1, 1_000), (0, 0)),), UNSURE),
    "nobody had the event": ((bin_of((0, 5_000), (0, 5_000)),), UNSURE),
    "nobody of treatment had it": ((bin_of((0, 1_000), (600, 1_000)),), BREACHED),
    "little proves nothing": ((bin_of((0, 5), (3, 5)),), UNSURE),
    "as many of much traffic": ((bin_of((60_000, 100_000), (60_000, 100_000)),), WITHIN),
    "more are no drop": ((bin_of((70_000, 100_000), (60_000, 100_000)),), WITHIN),
    "a drop at its limit": ((bin_of((57_000, 100_000), (60_000, 100_000)),), UNSURE),
    "a fifth fewer": ((FIFTH,), BREACHED),
    "harm that began late": ((*[EVEN] * 40, FIFTH), BREACHED),
}
# fmt: on


@pytest.mark.parametrize(("bins", "verdict"), COUNTS.values(), ids=COUNTS)
def test_each_count_has_its_verdict(bins: tuple[Bin, ...], verdict: Verdict) -> None:
    assert of(*bins, at=11 * HOUR).verdict is verdict


def test_it_is_judged_by_the_exact_test_of_users_who_count_once() -> None:
    (part,) = of(FIFTH).parts
    edge = Hypothesis(side=-1, guess=0.6, rho=0.95)
    one = log_e_two_sample(Arm(4_800, 10_000), Arm(6_000, 10_000), edge)
    assert part.log_e_margin is not None
    # One window of the 96 onsets of a day has half the weight of all: see onset_mixture.
    assert one - math.log(2 * 96) - 1 < part.log_e_margin <= one
    assert (part.name, part.phi) == ("drop", 1.0)
    assert part.value == "x0.8"


def test_what_is_told_says_who_was_counted_until_when() -> None:
    found = of(FIFTH)
    (part,) = found.parts
    assert part.counts == (f'4800 "{EVENT}" of 10000 users, control: 6000 of 10000')
    assert part.marks == ("users exposed until 2026-11-23T12:17:00Z",)
    assert found.counted == 20_000
    assert found.attributable
    assert found.query == ""
    (sampled,) = of(FIFTH, one_in=2).parts
    assert sampled.marks[1:] == ("a sample: 1 of 2 users",)


def test_young_users_say_as_much_as_old_ones() -> None:
    """Each is counted once all that may count is there: nothing has to ripen."""
    assert of(FIFTH, at=3 * MINUTE).verdict is BREACHED


def test_harm_is_dated_by_the_exposures_of_its_users() -> None:
    assert of(*[EVEN] * 4, FIFTH, at=80 * MINUTE).onset == T + 4 * QUARTER


@pytest.mark.parametrize("to", [0, 100])
def test_with_one_arm_there_is_nothing_to_compare_with(to: int) -> None:
    assert judged(known(told(FIFTH)), to=to, origin=50).verdict is NOTHING


def test_without_a_baseline_it_is_judged_all_the_same() -> None:
    other = replace(BEFORE, guardrail="other")
    assert judged(known(told(FIFTH)), 20 * MINUTE, None, other).verdict is BREACHED


def test_a_limit_that_was_moved_judges_the_users_who_came_later() -> None:
    moved = watching(anew=(("starts", T + 2 * QUARTER),))
    counted = known(told(FIFTH, FIFTH, EVEN, at=50 * MINUTE))
    found = judged(counted, 50 * MINUTE, moved)
    assert found.verdict is UNSURE
    assert found.counted == 2_000
    late = known(told(EVEN, EVEN, FIFTH, at=50 * MINUTE))
    assert judged(late, 50 * MINUTE, moved).onset == T + 2 * QUARTER


def test_the_other_guardrails_may_be_blind_to_prometheus() -> None:
    recounts = known(told(FIFTH))
    measured = Measured(counted="no answer", recounts=recounts)
    share, _, starts = judge(PLAN, watching(), (BEFORE,), T + 20 * MINUTE, measured)
    assert (share.verdict, starts.verdict) == (BLIND, BREACHED)


# --- how far the export is


def test_until_it_is_read_nothing_is_said_and_nothing_is_wrong() -> None:
    old = known(told(EVEN, since=T - DAY, at=timedelta(0)))
    found = judged(old, 5 * MINUTE)
    assert found.verdict is UNSURE
    assert found.parts[0].marks == ("the export was not read in this soak yet",)
    later = judged(known(told(EVEN, since=T + HOUR)), 5 * MINUTE)
    assert later.parts[0].marks == found.parts[0].marks
    unsettled = of(at=2 * MINUTE, settled=None)
    assert unsettled.verdict is UNSURE
    assert unsettled.parts[0].marks == ("users exposed until none yet",)


TOO_OLD = "the export: it ends 2026-11-23T12:09:00Z, 11m ago; allowed are 10m"
AGES = {
    "in time": ({"reach": T + 10 * MINUTE}, {}, UNSURE, ""),
    "too old": (
        {"reach": T + 9 * MINUTE},
        {},
        BLIND,
        TOO_OLD,
    ),
    "old as usual": ({"reach": T + 9 * MINUTE}, {"delays": (6 * MINUTE,)}, UNSURE, ""),
    "no longer readable": (
        {"reach": T + 9 * MINUTE},
        {"unread": "OSError: gone"},
        BLIND,
        f"{TOO_OLD}; it cannot be read: OSError: gone",
    ),
    "not readable for a moment": (
        {"reach": T + 10 * MINUTE},
        {"unread": "OSError: gone"},
        UNSURE,
        "",
    ),
    "empty": (
        {"reach": None, "settled": None},
        {},
        BLIND,
        "the export: it has no exposures, or no other events, so far; allowed are 10m",
    ),
}


@pytest.mark.parametrize(("counted", "facts", "verdict", "why"), AGES.values(), ids=AGES)
def test_an_export_that_ends_too_early_is_no_data(counted, facts, verdict, why) -> None:
    found = judged(known(told(EVEN, **counted), **facts), 20 * MINUTE)
    assert (found.verdict, found.why if verdict is BLIND else "") == (verdict, why)


def test_an_export_that_was_never_read_is_no_data_in_the_end() -> None:
    assert judged(known(), 10 * MINUTE).verdict is UNSURE
    found = judged(known(unread="OSError: gone"), 11 * MINUTE)
    assert found.why == (
        "the export: it was not read yet; allowed are 10m; it cannot be read: OSError: gone"
    )


# --- what follows


def test_harm_in_the_export_rolls_back() -> None:
    harm = replace(of(FIFTH), name="starts")
    shown = look(20 * MINUTE)
    shown = replace(shown, judgements=(*shown.judgements, harm))
    decision = watch(shown, of=PLAN, was=state(watching(), recounts=known(told(FIFTH))))
    assert isinstance(decision.state.stage, RollingBack)
    assert decision.state.stage.because.reason is Reason.GUARDRAIL_BREACHED
    assert decision.because.message.startswith("starts x0.8 [")
