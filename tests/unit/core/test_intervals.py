"""Intervals against exact vectors, and at the edges."""

import math

import pytest

from exact import VECTORS, close
from rampguard.core.statistics import (
    Arm,
    Interval,
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
