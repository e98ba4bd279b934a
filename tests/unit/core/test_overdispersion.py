"""Phi against exact vectors, which batches can be used, and what is assumed where none can."""

import math
from datetime import timedelta

import pytest

from exact import VECTORS, close
from rampguard.core.statistics import (
    Arm,
    Pair,
    overdispersion,
    phi_counts,
    phi_history,
    phi_two_sample,
)
from rampguard.core.statistics.overdispersion import BATCH

ROWS = {row["id"]: row for row in VECTORS["phi"]}
HOUR = timedelta(hours=1)
STEADY = (Pair(Arm(12, 40), Arm(20, 60)), Pair(Arm(8, 40), Arm(16, 60)))
COUNTED = tuple(
    Pair(Arm(k, math.exp(offset)), Arm(c, 1.0)) for k, c, offset in ROWS["F1"]["batches"]
)
ERRORS = tuple(map(Arm, ROWS["F2"]["errors"], ROWS["F2"]["requests"]))


def test_phi_of_counts() -> None:
    (told,) = phi_counts(COUNTED).by_length
    assert (told.length, told.batches) == (BATCH, 12)
    assert (told.phi, told.upper) == (close(ROWS["F1"]["phi_L"]), close(ROWS["F1"]["phi_upper"]))
    assert phi_counts(COUNTED).phi == told.upper


def test_phi_of_history() -> None:
    (told,) = phi_history(ERRORS).by_length
    assert (told.phi, told.upper) == (close(ROWS["F2"]["phi_L"]), close(ROWS["F2"]["phi_upper"]))


def test_phi_of_two_samples_is_of_the_larger_arm() -> None:
    hits = [(5, 9), (9, 9), (2, 9)] * 4
    small = tuple(Pair(Arm(1, 4), Arm(*one)) for one in hits)
    large = tuple(Pair(Arm(*one), Arm(1, 4)) for one in hits)
    p = 16 / 27
    expected = 4 * sum((k - 9 * p) ** 2 / (9 * p * (1 - p)) for k in (5, 9, 2)) / 11
    for batches in (small, large):
        assert phi_two_sample(batches).by_length[0].phi == pytest.approx(expected)


def test_phi_is_never_below_one() -> None:
    even = (Pair(Arm(50, 100), Arm(50, 100)),) * 400
    for told in (phi_counts(even), phi_two_sample(even), phi_history([Arm(50, 100)] * 400)):
        assert told.phi == 1.0
        assert not told.assumed


def test_the_length_that_scatters_most_counts() -> None:
    """Clusters that last for an hour show in hourly batches only."""
    hours = [Arm(30, 100)] * 12 + [Arm(10, 100)] * 12
    told = phi_history(hours * 12)
    assert [one.length for one in told.by_length] == [BATCH, 3 * BATCH, HOUR]
    assert [one.batches for one in told.by_length] == [288, 96, 24]
    assert told.batch == HOUR
    assert told.phi == max(one.upper for one in told.by_length)


def test_what_does_not_fill_a_longer_batch_is_left_out() -> None:
    told = phi_history([Arm(10, 100)] * 32 + [Arm(1000, 100)])
    assert told.by_length[1].batches == 11
    assert phi_history([Arm(10, 100)] * 32).by_length[1].batches == 10


UNUSABLE = {
    "no batch": (),
    "nine batches": STEADY * 4 + STEADY[:1],
    "ten batches, one empty": STEADY * 4 + STEADY[:1] + (Pair(),),
    "less than one hit expected": (Pair(Arm(0, 90), Arm(9, 90)),) * 19
    + (Pair(Arm(9, 90), Arm(9, 90)),),
    "treatment was off": (Pair(Arm(0, 0), Arm(9, 90)),) * 300,
    "no hits in treatment": (Pair(Arm(0, 9), Arm(9, 90)),) * 300,
    "no hits in control": (Pair(Arm(9, 90), Arm(0, 9)),) * 300,
}


@pytest.mark.parametrize("batches", UNUSABLE.values(), ids=UNUSABLE)
def test_where_too_little_was_counted_phi_is_assumed(batches: tuple[Pair, ...]) -> None:
    told = phi_counts(batches)
    assert (told.phi, told.batch, told.by_length, told.assumed) == (2.0, None, (), True)
    assert phi_counts(batches, assumed=5.0).phi == 5.0


def test_ten_batches_with_a_hit_each_are_enough() -> None:
    assert not phi_counts(STEADY * 5).assumed
    assert not phi_history([Arm(1, 100)] * 10).assumed
    assert phi_history([Arm(1, 100)] * 9 + [Arm(0, 100)]).assumed


@pytest.mark.parametrize("one", [Arm(), Arm(0, 9)], ids=["empty", "no errors"])
def test_errors_that_never_were_are_assumed_to_cluster(one: Arm) -> None:
    assert phi_history([one] * 300).phi == 5.0


@pytest.mark.parametrize("one", [Arm(0, 9), Arm(9, 9), Arm(10, 9)], ids=["none", "all", "more"])
def test_a_chance_of_none_or_all_does_not_scatter(one: Arm) -> None:
    assert phi_two_sample([Pair(one, Arm())] * 300).assumed


def test_scatter_that_nobody_measured_is_two() -> None:
    assert overdispersion.ASSUMED == phi_counts(()).phi == 2.0
