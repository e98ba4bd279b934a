"""Pictures of a ramp's curves: what is drawn of how much was measured."""

from datetime import UTC, datetime, timedelta

import pytest

from rampguard.cli.report.course import Curve, Point
from rampguard.cli.report.plots import picture
from rampguard.core.ask import GuardrailType

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


def drawn(*values: float | None) -> str:
    points = tuple(
        Point(
            at=NOON + n * timedelta(minutes=1),
            value=value,
            low=None if value is None else value - 0.1,
            high=None if value is None else value + 0.1,
            floor=0.45,
            ceiling=0.55,
        )
        for n, value in enumerate(values)
    )
    curve = Curve(guardrail="share", part="", type=GuardrailType.EXPOSURE_BALANCE, points=points)
    return picture(curve, (), (), "p")


@pytest.mark.parametrize("values", [(0.5,), (0.5, None), (None, 0.5, None)])
def test_the_only_point_is_seen_with_its_interval_and_both_limits(
    values: tuple[float | None, ...],
) -> None:
    """A breach in the first look leaves no more: it is the picture that people look at."""
    svg = drawn(*values)
    assert "LineCollection" in svg
    line = drawn(0.5, 0.5)
    assert svg.count("stroke-dasharray") == line.count("stroke-dasharray") + 2
    assert svg.count("<use ") > line.count("<use ")


def test_a_line_needs_no_points() -> None:
    assert "LineCollection" not in drawn(0.5, 0.5)
    assert "LineCollection" not in drawn(None, None)
