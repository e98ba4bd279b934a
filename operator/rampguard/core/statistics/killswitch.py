"""The kill-switch: so many errors that no statistics are needed, outside the budget of alpha."""

from collections.abc import Sequence
from datetime import timedelta

from rampguard.core.statistics.counts import Arm

SPAN = timedelta(seconds=120)  # what one look sums up
FEWEST = 50  # errors; where 5 are expected, the chance of 50 is below 1e-31
AT_LEAST, FACTOR = 0.05, 10.0  # of the limit where none is asked for: a rate, times the baseline
LOOKS = 2  # running


def kill_limit(baseline: float, asked: float | None = None) -> float:
    """Return the error rate above which a kill-switch trips; a set one rules alone.

    baseline, asked: rates, not percent. A limit of 1 or more never trips.
    """
    return max(AT_LEAST, FACTOR * baseline) if asked is None else asked


def kill_refused(baseline: float, limit: float) -> bool:
    """Whether a limit lies too near the baseline to be a kill-switch."""
    return baseline > limit / 2


def kill_trips(errors: Arm, limit: float) -> bool:
    """Whether the errors of the last 120 s are beyond the limit at this look."""
    return errors.hits >= FEWEST and errors.hits > limit * errors.units


def killed(looks: Sequence[Arm], limit: float) -> bool:
    """Whether the last two looks both trip; looks: errors of the 120 s before each, in order."""
    last = looks[-LOOKS:]
    return len(last) == LOOKS and all(kill_trips(one, limit) for one in last)
