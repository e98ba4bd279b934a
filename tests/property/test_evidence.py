"""What the statistics promise: seldom a false alarm, and an interval that holds the truth."""

import random
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rampguard.core.guardrails import SEVERITY, judge_exposure, worst
from rampguard.core.model import Evidence, Reading, Verdict
from rampguard.core.plan import Plan
from rampguard.core.statistics import share_interval
from scenes import HOUR, SHARE, T, judged, plan

VERDICTS = st.lists(st.sampled_from(Verdict), max_size=6)
RAMPS, BINS, USERS = 300, 24, 40
PLAN = plan(guardrails=(SHARE,), soak=2 * HOUR, alpha=0.05)


@given(VERDICTS)
def test_the_worst_is_one_of_them_and_none_is_worse(verdicts) -> None:
    found = worst(judged(one) for one in verdicts)
    if not verdicts:
        assert found is Verdict.NO_DATA
        return
    assert found in verdicts
    assert all(SEVERITY.index(one) <= SEVERITY.index(found) for one in verdicts)


def test_every_verdict_has_its_severity_and_a_breach_is_the_worst() -> None:
    assert set(SEVERITY) == set(Verdict)
    assert SEVERITY[-2:] == (Verdict.NO_DATA, Verdict.BREACHED)
    for some in permutations(Verdict, 2):
        assert worst(map(judged, some)) == worst(map(judged, reversed(some)))


def drawn(dice: random.Random, share: float) -> Reading:
    treated = sum(dice.random() < share for _ in range(USERS))
    return Reading(control=USERS - treated, treatment=treated)


def breached(dice: random.Random, share: float, our: Plan) -> bool:
    """Say whether any look at one soak breaches."""
    bins: tuple[Reading, ...] = ()
    for _ in range(BINS):
        bins = (*bins, drawn(dice, share))
        evidence = Evidence(t0=T, counted_to=T, counts=(bins,))
        if judge_exposure(our, 0, SHARE, evidence).verdict is Verdict.BREACHED:
            return True
    return False


@pytest.mark.parametrize("share", [0.5, 0.45, 0.55], ids=["fair", "low edge", "high edge"])
def test_a_share_within_tolerance_is_seldom_rolled_back(share: float) -> None:
    dice = random.Random(7)  # noqa: S311 - a simulation
    false = sum(breached(dice, share, PLAN) for _ in range(RAMPS // 3))
    allowed = 0.05 if share == 0.5 else 0.10
    assert false <= RAMPS // 3 * allowed


def test_a_large_harm_is_found() -> None:
    dice = random.Random(7)  # noqa: S311 - a simulation
    assert sum(breached(dice, 0.25, PLAN) for _ in range(30)) >= 28


@pytest.mark.parametrize("share", [0.02, 0.1, 0.5, 0.9])
def test_the_interval_holds_the_share_at_all_looks_at_once(share: float) -> None:
    dice = random.Random(11)  # noqa: S311 - a simulation
    outside = 0
    for _ in range(RAMPS):
        total = Reading()
        looks = []
        for _ in range(12):
            total = total.plus(drawn(dice, share))
            looks.append(share_interval(total.treatment, total.control, 0.05))
        outside += any(not one.low <= share <= one.high for one in looks)
    assert outside <= RAMPS * 0.05


@given(st.integers(0, 10**7), st.integers(0, 10**7), st.floats(0.001, 0.5))
def test_an_interval_lies_around_what_was_seen(hits, others, alpha) -> None:
    found = share_interval(hits, others, alpha)
    assert 0 <= found.low <= found.high <= 1
    if hits + others:
        assert found.low <= hits / (hits + others) <= found.high
