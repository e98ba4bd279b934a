"""Hits among units: matched to a common rate, and at the edges of what can be compared."""

import math

import pytest

from rampguard.core.statistics import (
    Arm,
    Demand,
    Hypothesis,
    Interval,
    Pair,
    detectable_ratio,
    detectable_shift,
    detectable_two_sample,
    information,
    information_counts,
    log_e_binomial,
    log_e_counts,
    log_e_two_sample,
    logit,
    matched,
    ratio_interval,
    share_interval,
    two_sample_difference,
    two_sample_ratio,
)
from rampguard.core.statistics.odds import kullback, weighted_log
from rampguard.core.statistics.overdispersion import of_chance, of_counts, of_history

ANY = Interval(0.0, math.inf)
LITTLE = Demand(null=0.5, margin=0.5)


def test_arms_are_matched_to_their_common_rate() -> None:
    told = matched(Pair(Arm(3, 10), Arm(1, 30)))
    assert told == Pair(Arm(3, 1.0), Arm(1, 3.0))
    assert matched(Pair(Arm(1, 1), Arm(0, 1))) == Pair(Arm(1, 0.5), Arm(0, 0.5))


@pytest.mark.parametrize(
    "one", [Pair(Arm(0, 0), Arm(1, 9)), Pair(Arm(1, 9), Arm(0, 0)), Pair(Arm(), Arm())]
)
def test_an_arm_without_units_is_matched_to_nothing(one: Pair) -> None:
    assert matched(one) == Pair()


def test_one_unit_can_be_compared() -> None:
    assert ratio_interval(Arm(3, 1), Arm(60, 90), 0.01).high < math.inf
    assert ratio_interval(Arm(60, 90), Arm(3, 1), 0.01).high < math.inf
    assert log_e_counts(Arm(40, 1), Arm(60, 90), 1.0, 1) > 0
    assert information_counts(Arm(40, 1), Arm(60, 90), 1.0) > 0
    assert information_counts(Arm(60, 90), Arm(40, 1), 1.0) > 0
    assert two_sample_difference(Arm(1, 1), Arm(0, 900), 0.001, 0.9).low > -1
    assert two_sample_difference(Arm(0, 900), Arm(1, 1), 0.999, 0.9).high < 1


def test_a_ratio_to_what_has_no_units_may_be_any() -> None:
    assert ratio_interval(Arm(5, 9), Arm(5, 0), 0.01) == ANY
    assert two_sample_ratio(Arm(5, 9), Arm(5, 0), 0.5, 0.01) == ANY
    assert two_sample_ratio(Arm(5, 9), Arm(0, 0), 0.5, 0.01) == ANY


def test_a_difference_that_was_seen_is_never_refuted() -> None:
    assert two_sample_difference(Arm(0, 1), Arm(1, 1), 0.5, 0.01).low == -1.0
    assert two_sample_difference(Arm(1, 1), Arm(0, 1), 0.5, 0.01).high == 1.0
    for none in (Arm(0, 0), Arm(5, 0)):
        for pair in ((none, Arm(5, 9)), (Arm(5, 9), none)):
            assert two_sample_difference(*pair, 0.5, 0.01) == Interval(-1.0, 1.0)


def test_phi_divides_counts_also_where_they_do_not_go_into_it() -> None:
    assert share_interval(201, 301, 0.01, phi=2.0) == share_interval(100.5, 150.5, 0.01)
    half = ratio_interval(Arm(201, 900), Arm(301, 900), 0.01, phi=2.0)
    assert half == ratio_interval(Arm(100.5, 900), Arm(150.5, 900), 0.01, phi=1.0)
    assert half == ratio_interval(Arm(100.5, 900), Arm(150.5, 900), 0.01)


def test_all_the_hits_leave_an_end_of_one() -> None:
    """Of n hits and nothing else, the mixture refutes p where p^n (n + 1) < alpha."""
    assert share_interval(9, 0, 0.01) == Interval(pytest.approx((0.01 / 10) ** (1 / 9)), 1.0)


def test_a_window_may_hold_less_than_one_event() -> None:
    assert information(0.5, 0.4, 2.0) > 0
    assert information(0.0, 0.0, 2.0) == 0.0
    assert information(5.0, 5.0, 0.0) == 0.0


def test_what_cannot_happen_weighs_as_never() -> None:
    assert weighted_log(2.0, 0.0) == -math.inf
    assert weighted_log(0.0, 0.0) == 0.0
    assert weighted_log(2.0, -0.5) == -math.inf


def test_no_divergence_is_negative_however_it_rounds() -> None:
    assert kullback(0.001, math.nextafter(0.001, 1)) == 0.0
    assert information(2.0, 70.0, logit(2 / 72)) == 0.0


def test_what_lies_on_the_limit_is_no_evidence_however_it_was_worked_out() -> None:
    assert log_e_binomial(300 + 1e-10, 700 - 1e-10, logit(0.3), 1) == -math.inf
    assert log_e_binomial(300 + 1e-8, 700 - 1e-8, logit(0.3), 1) > -math.inf


def test_a_rate_that_is_none_cannot_fall() -> None:
    nothing = Hypothesis(side=-1, guess=0.0)
    assert log_e_two_sample(Arm(0, 9), Arm(5, 9), nothing) == -math.inf
    assert (
        log_e_two_sample(Arm(0, math.inf), Arm(5, 9), Hypothesis(side=-1, guess=0.5)) == -math.inf
    )


def test_units_that_had_nothing_expect_nothing() -> None:
    arms = [Arm(0, 0), Arm(1, 1), Arm(0, 3)]
    for batches in (of_history(arms), of_chance(arms)):
        assert [one.expected for one in batches] == [0.25, 0.75]
    assert of_history([Arm(0, 5)]) == ()
    assert of_chance([Arm(0, 5)]) == ()
    assert [one.variance for one in of_chance([Arm(1, 2)])] == [0.5]


def test_batches_with_one_common_ratio_are_as_expected() -> None:
    batches = [
        Pair(Arm(10, 100), Arm(20, 100)),
        Pair(Arm(90, 900), Arm(4, 20)),
        Pair(Arm(1, 10), Arm(60, 300)),
    ]
    told = of_counts(batches)
    assert [one.expected for one in told] == pytest.approx([10, 90, 1])
    assert [one.found for one in told] == [10, 90, 1]
    assert told[0].variance == pytest.approx(30 * (1 / 3) * (2 / 3))


def test_only_batches_with_units_in_both_arms_and_a_hit_tell_a_ratio() -> None:
    good = Pair(Arm(1, 10), Arm(3, 10))
    for other in (
        Pair(Arm(0, 0), Arm(3, 10)),
        Pair(Arm(3, 10), Arm(0, 0)),
        Pair(Arm(0, 10), Arm(0, 10)),
    ):
        assert len(of_counts([good, other])) == 1
    assert len(of_counts([good, Pair(Arm(0, 10), Arm(1, 10))])) == 2


# --- what could have been seen -------------------------------------------------------------------


def test_one_unit_may_show_a_great_change() -> None:
    rise, drop = Hypothesis(side=1, guess=0.001, rho=1.5), Hypothesis(side=-1, guess=0.9, rho=0.95)
    assert detectable_two_sample(1, 1000, rise, LITTLE) < math.inf
    assert detectable_two_sample(1000, 1, drop, LITTLE) < math.inf
    assert detectable_ratio(1, 900, 1.1, 1, LITTLE) < math.inf
    assert detectable_ratio(900, 1, 0.9, -1, LITTLE) < math.inf


def test_a_change_may_be_more_than_all_that_was() -> None:
    found = detectable_ratio(0.02, 1000.0, 1.2, 1, LITTLE)
    assert 45 < found < 46
    rise = Hypothesis(side=1, guess=0.4, rho=1.05)
    found = detectable_two_sample(6, 900, rise, Demand(null=0.5, margin=0.5))
    assert 1 < found < 1.5


def test_the_greater_of_two_needs_decides() -> None:
    easy = detectable_shift(4000, 0.5, 0.05, null=0.0, margin=5.0)
    assert detectable_shift(4000, 0.5, 0.05, null=5.0, margin=5.0) == easy
    hard = detectable_shift(4000, 0.5, 0.05, null=400.0, margin=5.0)
    assert hard > easy
    found = 0.5 - hard
    assert 4000 * kullback(found, 0.5) == pytest.approx(402.0)
    clumped = Demand(null=400.0, margin=5.0, phi=2.0)
    assert clumped.surplus(804.0, 800.0) == pytest.approx(0.0)
    assert clumped.surplus(800.0, 14.0) == pytest.approx(-2.0)


def test_a_share_that_cannot_fall_so_far_shows_nothing() -> None:
    assert detectable_shift(1e9, 0.05, 0.05, null=5.0, margin=5.0) == math.inf
    assert detectable_shift(1e9, 0.04, 0.05, null=5.0, margin=5.0) == math.inf


def test_the_worst_drop_is_all() -> None:
    """A drop to nothing is worth a hundred nats here, against need + 2 for the mixtures."""
    told = [detectable_ratio(100, 1e9, 0.9, -1, Demand(null=n, margin=1)) for n in (97.5, 98.5)]
    assert told[0] == pytest.approx(0.9994, abs=1e-4)
    assert told[1] == math.inf
