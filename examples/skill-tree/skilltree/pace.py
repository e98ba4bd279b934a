"""How many requests are due: the day's swing, and bursts around it."""

import math
import random

from skilltree.knobs import Knobs

SWING = 0.6  # of the rate, up by day and down by night
MOST_SAVED = 2.0  # seconds of requests that a stall may leave behind


def rate(knobs: Knobs, at: float) -> float:
    """Return the requests per second that the profile wants, at seconds since the start."""
    if knobs.profile == "steady":
        return knobs.rps
    return knobs.rps * (1 + SWING * math.sin(2 * math.pi * at / knobs.diurnal_period))


class Pace:
    """Saves up what the rate allows; spending may go below 0, so that the mean is met."""

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance
        self._saved = 0.0
        self._second = -1
        self._burst = 1.0

    def advance(self, knobs: Knobs, at: float, seconds: float) -> None:
        """Let time pass up to an instant."""
        wanted = rate(knobs, at) * self._burst_of(knobs, int(at))
        self._saved = min(self._saved + wanted * seconds, MOST_SAVED * wanted + 1)

    def affords(self) -> bool:
        """Say whether a request is due."""
        return self._saved >= 1

    def spend(self, requests: int) -> None:
        """Take what a visit will need."""
        self._saved -= requests

    def _burst_of(self, knobs: Knobs, second: int) -> float:
        if second != self._second:
            self._second = second
            self._burst = self._draw(knobs.burstiness)
        return self._burst

    def _draw(self, deviation: float) -> float:
        if deviation == 0:
            return 1.0
        return self._chance.gammavariate(1 / deviation**2, deviation**2)
