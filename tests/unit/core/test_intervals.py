"""Intervals against exact vectors, and at the edges."""

import math

import pytest

from exact import VECTORS, close
from rampguard.core.statistics import (
    Arm,
    Hypothesis,
    Interval,
    log_e_two_sample,
    ratio_interval,
    share_interval,
    two_sample_difference,
    two_sample_ratio,
)

ROWS = {row["id"]: row for row in VECTORS["intervals"]}


def matches(found: Interval, row: dict) -> bool:
    return (found.low, found.high) == (close(row["low"]), close(row["high"]))


def arms(row: dict) -> tuple[Arm, Arm]:
    return Arm(row["kT"], row["nT"]), Arm(row["kC"], row["nC"])


def test_the_interval_of_a_share() -> None:
    row = ROWS["I1"]
    assert matches(share_interval(row["k"], row["n"] - row["k"], row["alpha"]), row)


@pytest.mark.parametrize("row", [ROWS["I2"], ROWS["I3"]], ids=["independent", "clustered"])
def test_the_interval_of_a_ratio_of_counts(row: dict) -> None:
    assert matches(ratio_interval(*arms(row), row["alpha"], phi=row["phi"]), row)


def test_the_interval_of_a_ratio_of_chances() -> None:
    row = ROWS["I4"]
    assert matches(two_sample_ratio(*arms(row), row["b"], row["alpha"]), row)


def test_phi_is_fewer_counts() -> None:
    assert share_interval(200, 300, 0.01, phi=4.0) == share_interval(50, 75, 0.01)


@pytest.mark.parametrize(
    ("hits", "others", "expected"),
    [(0, 0, Interval(0.0, 1.0)), (1, 0, None), (0, 1, None)],
)
def test_the_interval_of_little(hits: int, others: int, expected: Interval | None) -> None:
    found = share_interval(hits, others, 0.01)
    assert 0 <= found.low <= found.high <= 1
    assert expected is None or found == expected
    assert found.high == 1.0 or not hits
    assert found.low == 0.0 or hits


ANY = Interval(0.0, math.inf)


@pytest.mark.parametrize(
    ("treatment", "control"),
    [(Arm(), Arm(1, 9)), (Arm(1, 9), Arm()), (Arm(0, 9), Arm(0, 9)), (Arm(9, 9), Arm(0, 9))],
    ids=["no treatment", "no control", "no hits", "no hits in control"],
)
def test_a_ratio_of_nothing_may_be_any(treatment: Arm, control: Arm) -> None:
    assert ratio_interval(treatment, control, 0.01).high == math.inf
    assert two_sample_ratio(treatment, control, 0.5, 0.01) == ANY


def test_a_ratio_without_hits_in_treatment_has_only_an_upper_end() -> None:
    for found in (
        ratio_interval(Arm(0, 900), Arm(90, 900), 0.01),
        two_sample_ratio(Arm(0, 900), Arm(90, 900), 0.1, 0.01),
    ):
        assert found.low == 0.0
        assert 0 < found.high < 0.3


def test_one_hit_is_little_against_a_large_ratio() -> None:
    found = two_sample_ratio(Arm(1, 2), Arm(1, 2), 0.5, 0.01)
    assert found.low < 0.1
    assert found.high > 10


def test_the_interval_of_a_difference() -> None:
    found = two_sample_difference(Arm(1720, 2510), Arm(1890, 2490), 0.75, 0.01)
    assert -0.14 < found.low < 1720 / 2510 - 1890 / 2490 < found.high < -0.02
    assert two_sample_difference(Arm(0, 0), Arm(1, 2), 0.5, 0.01) == Interval(-1.0, 1.0)
    assert two_sample_difference(Arm(1, 2), Arm(0, 0), 0.5, 0.01) == Interval(-1.0, 1.0)


ENDS = {
    "like rates": (Arm(500, 1000), Arm(500, 1000), 0.5),
    "a rise": (Arm(750, 1000), Arm(500, 1000), 0.5),
    "few hits": (Arm(5, 50), Arm(5, 50), 0.1),
    "one hit in each arm, so that a ratio of hundreds may be": (Arm(1, 5), Arm(1, 5), 0.2),
}


@pytest.mark.parametrize(("treatment", "control", "guess"), ENDS.values(), ids=ENDS)
def test_a_ratio_ends_where_evidence_reaches_alpha(treatment, control, guess) -> None:
    found = two_sample_ratio(treatment, control, guess, 0.01)
    assert found.low < treatment.rate / control.rate < found.high
    for side, rho in ((1, found.low), (-1, found.high)):
        null = Hypothesis(side=side, guess=guess, rho=rho)
        reached = log_e_two_sample(treatment, control, null)
        assert reached == pytest.approx(math.log(100), rel=1e-4)


@pytest.mark.parametrize(("treatment", "control", "guess"), list(ENDS.values())[:3])
def test_a_difference_ends_where_evidence_reaches_alpha(treatment, control, guess) -> None:
    found = two_sample_difference(treatment, control, guess, 0.01)
    assert found.low < treatment.rate - control.rate < found.high
    for side, more in ((1, found.low), (-1, found.high)):
        null = Hypothesis(side=side, guess=guess, drop=-more)
        reached = log_e_two_sample(treatment, control, null)
        assert reached == pytest.approx(math.log(100), rel=1e-4)


def test_a_single_unit_bounds_a_ratio() -> None:
    assert two_sample_ratio(Arm(1, 1), Arm(1, 9000), 0.0002, 0.9).low > 1000
    assert two_sample_ratio(Arm(0, 9000), Arm(1, 1), 0.999, 0.9).high < 0.001


def test_a_share_of_almost_none_is_none() -> None:
    assert share_interval(1e-199, 300, 0.01).low == 0.0
    assert share_interval(1, 0, 0.01).low == pytest.approx(0.005)  # p^1 * 2 = alpha


@pytest.mark.parametrize(("hits", "others"), [(2, 8), (3, 8)])
def test_half_an_event_counts(hits: int, others: int) -> None:
    less, more = (
        share_interval(n, others + m, 0.01, phi=2.0) for n, m in ((hits, 0), (hits + 1, 0))
    )
    assert less.low < more.low
    assert less.high < more.high
    fewer = share_interval(hits, others + 1, 0.01, phi=2.0)
    assert (fewer.low, fewer.high) < (less.low, less.high)
