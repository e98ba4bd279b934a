"""The rules of others, on sequences that one can count by hand."""

import numpy as np
import pytest

pytest.importorskip("numba", reason="numba is in the dependency group `bench`: make setup")

from benchmarks.guardrails import peers, sides

NEVER = peers.NEVER


def looks(*rows: str) -> np.ndarray:
    """Return looks: x is bad, . is good."""
    return np.array([[mark == "x" for mark in row] for row in rows])


@pytest.mark.parametrize(
    ("row", "limit", "ends"),
    [
        ("x....", 0, 0),
        ("x....", 1, NEVER),
        ("x...x", 1, 4),  # nothing is forgotten between failures
        ("xxxx.", 3, 3),
        ("xxx..", 3, NEVER),
    ],
)
def test_argo_fails_when_failures_exceed_the_limit(row: str, limit: int, ends: int) -> None:
    assert peers.argo(looks(row), limit).tolist() == [ends]


@pytest.mark.parametrize(
    ("row", "threshold", "iterations", "ends"),
    [
        ("x....", 1, 9, 1),  # the tick after the failed check
        ("....x", 1, 9, NEVER),  # that tick never comes
        ("xx...", 3, 9, NEVER),
        ("x.x.x.", 3, 9, 5),
        ("..x..", 1, 2, NEVER),  # promoted before
        ("x.xx.", 3, 2, 4),  # a failed tick delays the end
    ],
)
def test_flagger_rolls_back_one_tick_late(
    row: str, threshold: int, iterations: int, ends: int
) -> None:
    assert peers.flagger(looks(row), threshold, iterations).tolist() == [ends]


def test_each_bad_look_is_listed_once() -> None:
    told = peers.failing_looks(looks(".x.xx", "....."), 2)
    assert told.tolist() == [[1, 3], [NEVER, NEVER]]


def test_the_sweep_is_the_rules_themselves() -> None:
    draw = np.random.default_rng(1)
    bad = draw.random((40, 300)) < 0.2
    swept = {(whose, limit): ends for limit, whose, ends in sides.counted(bad, 10, 2)}
    for limit in (0, 3, 30):
        assert np.array_equal(
            swept["Argo Rollouts", limit], sides.after(peers.argo(bad, limit), 10, 2)
        )
        flagger = sides.after(peers.flagger(bad, limit + 1, 10**6), 10, 2)
        seen = np.isfinite(flagger)  # a tick beyond the looks is not seen there
        assert np.array_equal(swept["Flagger", limit + 1][seen], flagger[seen])


def test_the_sequential_interval_is_the_published_one() -> None:
    # alpha 5 %, tuned to 5000: rho^2 = (5.99146 + ln 6.99146) / 5000 = 0.0015872.
    half = peers.sequential_halfwidth(np.array([1.0]), np.array([5000.0]), 0.05)
    n, squared = 5000.0, (5.991464547 + np.log(6.991464547)) / 5000
    grown = n * squared + 1
    wanted = np.sqrt(2 * grown * np.log(np.sqrt(grown) / 0.05)) / (n * np.sqrt(squared))
    assert half == pytest.approx([wanted], rel=1e-9)
    assert 1.4 < float(half[0]) / (1.96 / np.sqrt(n)) < 1.9  # wider than an interval for one look


def test_growthbook_needs_the_whole_interval_below_the_margin() -> None:
    arms = peers.Arms(*(np.array([[float(x)]]) for x in (4400, 10000, 6000, 10000)))
    assert peers.growthbook(arms, 0.05)[0, 0]
    assert not peers.growthbook(arms, 0.05, margin=0.25)[0, 0]


def test_an_empty_arm_is_no_proof() -> None:
    arms = peers.Arms(*(np.array([[float(x)]]) for x in (0, 0, 5, 9)))
    assert not peers.growthbook(arms, 0.05).any()
    assert not peers.fixed_test(arms, 1.645).any()


def test_a_front_keeps_what_nothing_beats() -> None:
    points = [sides.Point("r", name, 0, rate, time, 1.0) for name, rate, time in (
        ("good", 0.1, 10.0), ("beaten", 0.2, 11.0), ("quick", 0.5, 2.0), ("late", 0.0, 90.0),
        ("never", 0.0, None),
    )]  # fmt: skip
    assert [p.setting for p in sides.front(points)] == ["late", "good", "quick"]
