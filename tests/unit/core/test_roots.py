"""Where a curve crosses zero: found, in few looks, without ever leaving what brackets it."""

import math

import pytest

from rampguard.core.statistics.roots import STEPS, Curve, bisect, newton

Taped = tuple[Curve, list[float]]


def taped(curve: Curve) -> Taped:
    """Return a curve that writes down where it is looked at."""
    looks: list[float] = []

    def looked(x: float) -> tuple[float, float]:
        looks.append(x)
        return curve(x)

    return looked, looks


def flat(slope: float) -> Curve:
    """Return the line through 0.3 of slope 1, which says that its slope is another one."""
    return lambda x: (x - 0.3, slope)


def test_a_line_is_met_at_once() -> None:
    curve, looks = taped(lambda x: (x - 0.3, 1.0))
    assert newton(curve, 0.0, 1.0) == 0.3
    assert looks == [0.5, 0.3]


def test_the_slope_is_made_use_of() -> None:
    curve, looks = taped(lambda x: (x * x - 2, 2 * x))
    assert newton(curve, 0.0, 2.0) == pytest.approx(math.sqrt(2), rel=1e-15)
    assert looks[:3] == [1.0, 1.5, pytest.approx(17 / 12)]
    assert len(looks) <= 8


@pytest.mark.parametrize("slope", [0.0, -1.0])
def test_without_a_slope_the_bracket_is_halved(slope: float) -> None:
    curve, looks = taped(flat(slope))
    assert newton(curve, 0.0, 1.0) == pytest.approx(0.3, rel=1e-15)
    assert looks[:5] == [0.5, 0.25, 0.375, 0.3125, 0.28125]
    assert len(looks) < 60


def test_a_step_out_of_the_bracket_halves_it() -> None:
    curve, looks = taped(flat(0.01))
    assert newton(curve, 0.0, 1.0) == pytest.approx(0.3, rel=1e-15)
    assert looks[:4] == [0.5, 0.25, 0.375, 0.3125]


def test_a_step_onto_an_end_halves_the_bracket() -> None:
    curve, looks = taped(lambda x: (x - 0.25, 0.5))
    newton(curve, 0.0, 1.0)
    assert looks[:2] == [0.5, 0.25]
    curve, looks = taped(lambda x: (x - 0.75, 0.5))
    newton(curve, 0.0, 1.0)
    assert looks[:2] == [0.5, 0.75]


def test_no_end_is_looked_at() -> None:
    curve, looks = taped(lambda x: (math.log(x / (1 - x)) - 3, 1 / (x * (1 - x))))
    assert newton(curve, 0.0, 1.0) == pytest.approx(1 / (1 + math.exp(-3)), rel=1e-14)
    assert all(0 < x < 1 for x in looks)


def test_a_root_at_the_middle_needs_one_look() -> None:
    curve, looks = taped(lambda x: (x - 0.5, 1.0))
    assert newton(curve, 0.0, 1.0) == 0.5
    assert looks == [0.5]


def test_what_never_settles_ends() -> None:
    curve, looks = taped(lambda x: (math.copysign(1.0, x - 1e-300), 0.0))
    newton(curve, 0.0, 1.0)
    assert len(looks) == STEPS == 200


@pytest.mark.parametrize(("low", "high"), [(0.0, 1.0), (1.0, 0.0)])
def test_a_bracket_is_halved(low: float, high: float) -> None:
    looks: list[float] = []

    def f(x: float) -> float:
        looks.append(x)
        return (x - 0.3) * (high - low)

    found = bisect(f, low, high)
    assert found == pytest.approx(0.3, rel=1e-15)
    assert f(found) >= 0
    assert looks[:3] == [0.5, 0.25, 0.375] if low < high else looks[:2] == [0.5, 0.25]
    assert len(looks) < 60, "it ends where there is no number between the ends"


def test_the_number_of_halvings_is_kept() -> None:
    looks: list[float] = []

    def f(x: float) -> float:
        looks.append(x)
        return -1.0

    assert bisect(f, 0.0, 1.0, halvings=3) == 1.0
    assert looks == [0.5, 0.75, 0.875]


def test_a_root_belongs_to_the_upper_half() -> None:
    assert bisect(lambda x: x - 0.5, 0.0, 1.0, halvings=1) == 0.5
