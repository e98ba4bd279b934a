"""What ran before the ramp: counts, rates and phi, and when they are too little."""

from dataclasses import replace
from datetime import timedelta

import pytest

from rampguard.core.ask import Guardrail
from rampguard.core.baseline import (
    Batches,
    batch_length,
    counted,
    effective,
    has_baseline,
    objection,
    switched,
    take,
    total,
)
from rampguard.core.model import Baseline, Phi, Reading, Rebased
from rampguard.core.plan import Plan
from rate_scenes import ERRORS, ERRORS_BEFORE, ONCE, STARTS, STARTS_BEFORE, one, unlabelled
from scenes import DAY, HOUR, MINUTE, SHARE, SPEED, T, plan, soaking

BATCH = 5 * MINUTE
WILD = (2, 18, 5, 15, 3, 17, 8, 12, 1, 19, 4, 16)  # errors in 12 batches


def both(control: float, treatment: float, times: int = 12) -> Batches:
    return (Reading(control, treatment),) * times


def taken(rule: Guardrail, hits: Batches, units: Batches, **asked: object) -> Baseline:
    return take(one(rule, **asked), rule, (hits, units))


def test_starts_and_errors_have_a_time_before() -> None:
    rules = (SHARE, STARTS, ONCE, ERRORS, SPEED)
    assert [has_baseline(rule) for rule in rules] == [False, True, True, True, False]


# --- taken ---


def test_errors_are_counted_over_all_arms_and_none() -> None:
    hits = (Reading(1, 2, 3),) * 12
    units = (Reading(100, 100, 200),) * 12
    found = taken(ERRORS, hits, units)
    assert (found.hits, found.exposure, found.rate) == (72, 4_800, 0.015)
    assert (found.guardrail, found.span, found.armed, found.enough) == ("errors", HOUR, True, True)


def test_the_rate_of_starts_is_that_of_control() -> None:
    found = taken(STARTS, both(60, 8), both(100, 20))
    assert found.rate == 0.6
    assert (found.guardrail, found.armed, found.enough) == ("starts", True, True)


def test_where_nobody_was_in_control_the_rate_of_all_is_the_best_guess() -> None:
    """From 100 percent: a guess of none would make the test blind, not wrong."""
    assert taken(ONCE, both(0, 60), both(0, 100)).rate == 0.6
    assert taken(ONCE, both(0, 0), both(0, 0)).rate == 0


@pytest.mark.parametrize(
    ("batches", "tempo", "enough"),
    [
        (12, HOUR, True),
        (13, HOUR, True),
        (11, HOUR, False),
        (1, BATCH, True),
        (0, BATCH, False),
        (288, DAY, True),
    ],
)
def test_a_baseline_is_long_enough_or_not(batches: int, tempo: timedelta, enough: bool) -> None:  # noqa: FBT001
    our = one(ERRORS)
    our = replace(our, tempo=replace(our.tempo, history=tempo))
    units = (*both(100, 100, batches), *both(0, 0, 288 - batches))
    found = take(our, ERRORS, (both(1, 1, 288), units))
    assert (found.enough, found.span) == (enough, batches * BATCH)


def test_batches_without_a_request_are_no_history() -> None:
    units = (*both(0, 0, 6), *both(1, 0, 6))
    assert taken(ERRORS, both(0, 0), units).span == HOUR / 2


@pytest.mark.parametrize(
    ("history", "length"), [(HOUR, BATCH), (20 * MINUTE, BATCH), (19 * MINUTE, BATCH / 10)]
)
def test_where_minutes_must_do_they_are_counted_finely(history, length) -> None:
    our = one(ERRORS)
    assert batch_length(replace(our, tempo=replace(our.tempo, history=history))) == length


def test_fine_batches_say_exactly_how_long_they_are_and_scatter_as_coarse_ones() -> None:
    """The first 3 of 123 fill no batch of 5 min; they count all the same."""
    fine = both(5, 5, 123), both(100, 100, 123)
    found = take(one(ERRORS), ERRORS, fine, BATCH / 10)
    assert (found.span, found.hits, found.exposure) == (123 * BATCH / 10, 1_230, 24_600)
    coarse = taken(ERRORS, both(50, 50), both(1_000, 1_000))
    assert (found.phi_history, found.phi_arms) == (coarse.phi_history, coarse.phi_arms)
    assert take(one(ONCE), ONCE, fine, BATCH / 10).busiest == 0.05


def test_of_fine_batches_the_last_ones_make_whole_coarse_ones() -> None:
    """Of 23 the first 3 are left over: the busiest 5 min are the 10 after them."""
    hits = (*both(1, 1, 3), *both(12, 12, 10), *both(1, 1, 10))
    assert take(one(ONCE), ONCE, (hits, both(10, 10, 23)), BATCH / 10).busiest == 1.2


ARMED = {
    "both arms": (both(10, 10), True),
    "one of them": (both(10, 0), True),
    "a single request": ((Reading(1), *both(0, 0, 11)), True),
    "no arm": ((Reading(other=10),) * 12, False),
    "nothing": (both(0, 0), False),
}


@pytest.mark.parametrize(("units", "armed"), ARMED.values(), ids=ARMED)
def test_arms_are_compared_where_requests_name_them(units: Batches, armed: bool) -> None:  # noqa: FBT001
    assert taken(ERRORS, both(0, 0), units).armed is armed


def test_nothing_before_makes_a_baseline_of_nothing() -> None:
    for rule in (STARTS, ONCE, ERRORS):
        found = taken(rule, (), ())
        assert (found.hits, found.exposure, found.rate, found.span) == (0, 0, 0, timedelta(0))
        assert (found.armed, found.enough, found.busiest) == (False, False, 0)


# --- phi ---


def test_phi_is_assumed_where_it_cannot_be_estimated() -> None:
    few = both(1, 1, 9)
    assert taken(STARTS, few, few).phi_arms == Phi(value=2.0)
    errors = taken(ERRORS, few, few)
    assert (errors.phi_history, errors.phi_arms) == (Phi(value=5.0), Phi(value=5.0))


def test_from_0_percent_phi_of_the_arms_is_assumed() -> None:
    """Control alone says nothing about how the ratio of both scatters."""
    found = taken(ERRORS, both(50, 0, 288), both(1_000, 0, 288))
    assert found.phi_arms == Phi(value=5.0)
    assert found.phi_history.batch is not None


def test_even_batches_have_a_phi_of_1() -> None:
    found = taken(ERRORS, both(50, 50, 288), both(1_000, 1_000, 288))
    assert (found.phi_history.value, found.phi_arms.value) == (1, 1)
    assert found.phi_history.batch is not None


def test_wild_batches_have_a_larger_phi_and_say_of_which_length() -> None:
    hits = tuple(Reading(10, n) for n in WILD) * 24
    found = taken(ERRORS, hits, both(1_000, 1_000, 288))
    assert found.phi_history.value > 1.5
    assert found.phi_arms.value > 1.5
    assert found.phi_arms.batch == BATCH


def test_starts_once_per_user_have_a_phi_of_1_whatever_they_did() -> None:
    hits = tuple(Reading(10, n) for n in WILD) * 24
    wild, exact = (taken(rule, hits, both(30, 30, 288)).phi_arms for rule in (STARTS, ONCE))
    assert wild.value > 1
    assert exact.value == 1


@pytest.mark.parametrize("rule", [STARTS, ONCE])
def test_starts_are_not_compared_with_history_and_assume_nothing_of_it(rule: Guardrail) -> None:
    assert taken(rule, both(1, 1, 9), both(1, 1, 9)).phi_history == Phi(value=1.0)


# --- objections ---


FINE = ERRORS_BEFORE
LITTLE = replace(FINE, span=10 * MINUTE, enough=False)
NEITHER = "neither a label of the arm on the requests nor 1h of history (10m found) to compare with"
MORE_THAN_ONCE = (
    "oncePerUser, yet a batch of 5m before the ramp has 1.25 starts per assignment: leave it out"
)
# fmt: off
OBJECTIONS: dict[str, tuple[Guardrail, Baseline, dict, str]] = {
    "arms and history": (ERRORS, FINE, {}, ""),
    "history alone": (ERRORS, replace(FINE, armed=False), {}, ""),
    "arms alone": (ERRORS, LITTLE, {}, ""),
    "neither": (ERRORS, replace(LITTLE, armed=False), {}, NEITHER),
    "arms alone, and none will be left at 100 percent": (ERRORS, LITTLE, {"to": 100}, NEITHER),
    "arms alone, and none will be left at 0 percent": (ERRORS, LITTLE, {"to": 0}, NEITHER),
    "arms alone, and the smallest share": (ERRORS, LITTLE, {"to": 1}, ""),
    "arms alone, and the largest": (ERRORS, LITTLE, {"to": 99}, ""),
    "arms alone, and they are compared on the way": (
        ERRORS, LITTLE, {"to": 100, "steps": (50,)}, ""),
    "a kill-switch well above": (replace(ERRORS, kill_switch=5.0), FINE, {}, ""),
    "a kill-switch at twice the baseline": (replace(ERRORS, kill_switch=1.0), FINE, {}, ""),
    "a kill-switch below twice the baseline": (
        replace(ERRORS, kill_switch=1.0), replace(FINE, rate=0.0051), {},
        "killSwitch 1 is below twice the 0.51% before"),
    "a kill-switch just below it": (
        replace(ERRORS, kill_switch=1.0), replace(FINE, rate=0.00504), {},
        "killSwitch 1 is below twice the 0.50% before"),
    "no kill-switch of its own is never too near": (ERRORS, replace(FINE, rate=0.9), {}, ""),
    "starts in any number": (STARTS, replace(STARTS_BEFORE, busiest=3.0), {}, ""),
    "fewer starts than assignments": (ONCE, replace(STARTS_BEFORE, busiest=0.75), {}, ""),
    "as many starts as assignments": (ONCE, replace(STARTS_BEFORE, busiest=1.0), {}, ""),
    "more starts than assignments": (
        ONCE, replace(STARTS_BEFORE, busiest=1.25), {}, MORE_THAN_ONCE),
    "nothing before": (STARTS, Baseline(guardrail="starts"), {}, ""),
}
# fmt: on


@pytest.mark.parametrize(("rule", "before", "asked", "told"), OBJECTIONS.values(), ids=OBJECTIONS)
def test_a_guardrail_that_could_not_judge_says_why(rule, before, asked, told) -> None:
    assert objection(one(rule, **asked), rule, before) == told


def test_a_kill_switch_that_was_set_too_low_fires_at_twice_what_is_usual() -> None:
    low, high = (replace(ERRORS, kill_switch=percent) for percent in (0.5, 5.0))
    assert switched(low, FINE) == replace(ERRORS, kill_switch=pytest.approx(1.0))
    assert switched(high, FINE) == high


def test_the_busiest_batch_of_either_arm_counts() -> None:
    units = both(10, 10, 3)
    assert taken(ONCE, (Reading(3, 4), Reading(12, 1), Reading(1, 11)), units).busiest == 1.2
    assert taken(ONCE, (Reading(3, 4), Reading(1, 1), Reading(1, 11)), units).busiest == 1.1


def test_starts_without_an_assignment_are_not_the_busiest() -> None:
    assert taken(ONCE, both(3, 3, 1), both(0, 0, 1)).busiest == 0


# --- what to compare with now ---

BINS = unlabelled(*((2**i, 1_000) for i in range(8)))


def compared(rule: Guardrail, before: Baseline, *, since: int, until: int) -> Baseline:
    stage = soaking(rebased=Rebased(T + since * MINUTE, T + until * MINUTE))
    stage = replace(stage, evidence=replace(stage.evidence, counts=BINS))
    return effective(one(rule), stage, rule, before)


def test_without_a_new_baseline_it_is_that_of_the_ramp() -> None:
    assert effective(one(ERRORS), soaking(), ERRORS, FINE) is FINE


def test_a_new_baseline_has_new_counts_and_the_old_phi() -> None:
    found = compared(ERRORS, FINE, since=15, until=75)
    assert (found.hits, found.exposure, found.span) == (2 + 4 + 8 + 16, 4_000, HOUR)
    assert replace(found, hits=432, exposure=86_400, span=DAY) == FINE


@pytest.mark.parametrize("since", [15, 16])
def test_a_new_baseline_that_fills_no_bin_has_counted_nothing(since: int) -> None:
    found = compared(ERRORS, FINE, since=since, until=20)
    assert (found.hits, found.exposure, found.span) == (0, 0, timedelta(0))


def test_starts_are_never_compared_with_history() -> None:
    assert compared(STARTS, STARTS_BEFORE, since=15, until=75) is STARTS_BEFORE


# --- helpers ---


def test_bins_are_found_by_their_family() -> None:
    our: Plan = plan(guardrails=(SHARE, ERRORS))
    share, errors, requests = ((Reading(i),) for i in range(3))
    assert counted(our, (share, errors, requests), ERRORS) == (errors, requests)
    assert counted(our, (share, errors, requests), SHARE) == (share,)


def test_bins_from_before_a_guardrail_came_or_went_are_of_none() -> None:
    our: Plan = plan(guardrails=(SHARE, ERRORS))
    for families in (0, 2, 4):
        assert counted(our, ((Reading(1),),) * families, ERRORS) == ((), ())


def test_readings_add_to_a_total() -> None:
    assert total((Reading(1, 2, 3), Reading(4, 5, 6))) == Reading(5, 7, 9)
    assert total(()) == Reading()
