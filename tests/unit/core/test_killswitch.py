"""When errors are so many that no statistics are needed."""

import pytest

from exact import rows
from rampguard.core.statistics import Arm, kill_limit, kill_refused, kill_trips, killed, killswitch

BAD, GOOD = Arm(60, 1000), Arm(50, 1000)


@rows("kill_switch")
def test_the_kill_switch_trips(row: dict) -> None:
    asked = None if row["percent"] is None else row["percent"] / 100
    limit = kill_limit(row["baseline_rate"], asked)
    assert kill_trips(Arm(row["errors"], row["requests"]), limit) is row["trips"]


@pytest.mark.parametrize("looks", [(BAD, BAD), (GOOD, BAD, BAD)])
def test_two_looks_running_trip_it(looks: tuple[Arm, ...]) -> None:
    assert killed(looks, 0.05)


@pytest.mark.parametrize(
    "looks", [(), (BAD,), (BAD, GOOD), (GOOD, BAD), (BAD, GOOD, BAD), (BAD, BAD, GOOD)]
)
def test_one_look_does_not(looks: tuple[Arm, ...]) -> None:
    assert not killed(looks, 0.05)


def test_fifty_errors_and_more_than_the_limit() -> None:
    assert kill_trips(Arm(50, 999), 0.05)
    assert not kill_trips(Arm(50, 1000), 0.05)
    assert not kill_trips(Arm(49, 49), 0.05)
    assert kill_trips(Arm(50, 0), 0.05)  # errors without a request counted yet


def test_a_limit_near_the_baseline_is_refused() -> None:
    assert kill_refused(0.06, 0.1)
    assert not kill_refused(0.05, 0.1)


def test_a_look_is_of_two_minutes() -> None:
    assert killswitch.SPAN.total_seconds() == 120
