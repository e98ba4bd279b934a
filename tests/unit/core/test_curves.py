"""The curves that newton follows: each slope is the derivative, each bracket holds the crossing."""

from collections.abc import Callable
from types import ModuleType

import pytest

from rampguard.core.statistics import (
    Arm,
    Hypothesis,
    Pair,
    intervals,
    null_point,
    overdispersion,
    phi_counts,
    share_interval,
    twosample,
)
from rampguard.core.statistics.roots import Curve, newton

CLUMPED = [
    Pair(Arm(units * (3 + i % 5), 10 * units), Arm(40 + 7 * (i % 3), 100 + 9 * i))
    for i, units in enumerate((1, 2, 40, 3, 1, 90, 2, 5, 1, 7, 30, 1))
]
ASKED: dict[str, tuple[ModuleType, Callable[[], object]]] = {
    "a share": (intervals, lambda: share_interval(200, 300, 0.01)),
    "a small share": (intervals, lambda: share_interval(1, 900, 0.01, phi=1.5)),
    "nothing but hits": (intervals, lambda: share_interval(70, 0, 0.01)),
    "a common ratio": (overdispersion, lambda: phi_counts(CLUMPED)),
    "a common ratio of a small arm": (
        overdispersion,
        lambda: phi_counts([Pair(one.control, one.treatment) for one in CLUMPED]),
    ),
    "a common ratio of few who hit often": (
        overdispersion,
        lambda: phi_counts([Pair(Arm(900, 100), Arm(100, 2000))] * 12),
    ),
    "a drop with hardly a control": (
        twosample,
        lambda: null_point(0.3, 0.5, 9000, 10, Hypothesis(side=-1, guess=0.5, rho=1.2, drop=0.05)),
    ),
    "a rise with hardly a control": (
        twosample,
        lambda: null_point(0.4, 0.5, 9000, 10, Hypothesis(side=1, guess=0.5, rho=0.5, drop=-0.1)),
    ),
    "a drop": (
        twosample,
        lambda: null_point(0.3, 0.5, 700, 300, Hypothesis(side=-1, guess=0.5, drop=0.05)),
    ),
    "a drop of a ratio": (
        twosample,
        lambda: null_point(0.1, 0.6, 40, 900, Hypothesis(side=-1, guess=0.6, rho=0.9, drop=0.02)),
    ),
    "a rise": (
        twosample,
        lambda: null_point(0.9, 0.4, 200, 500, Hypothesis(side=1, guess=0.4, rho=1.1, drop=-0.1)),
    ),
}


@pytest.fixture
def curves(request, monkeypatch) -> list[tuple[Curve, float, float]]:
    """Return the curves that newton was given, with their brackets."""
    module, ask = ASKED[request.param]
    given: list[tuple[Curve, float, float]] = []

    def recording(curve: Curve, low: float, high: float) -> float:
        given.append((curve, low, high))
        return newton(curve, low, high)

    monkeypatch.setattr(module, "newton", recording)
    ask()
    return given


@pytest.mark.parametrize("curves", ASKED, indirect=True)
def test_a_slope_is_the_derivative(curves) -> None:
    assert curves
    for curve, low, high in curves:
        for part in (0.1, 0.3, 0.45, 0.7, 0.9):
            x, step = low + part * (high - low), 1e-6 * (high - low)
            after, before = curve(x + step)[0], curve(x - step)[0]
            assert curve(x)[1] == pytest.approx((after - before) / (2 * step), rel=1e-5)


@pytest.mark.parametrize("curves", ASKED, indirect=True)
def test_a_bracket_holds_the_crossing(curves) -> None:
    for curve, low, high in curves:
        near = 1e-9 * (high - low)
        assert curve(low + near)[0] < 0 <= curve(high - near)[0]
