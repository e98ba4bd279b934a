"""Rates and times of many runs, and how sure they are."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from benchmarks.guardrails.arrays import Floats, Looks
from scipy.stats import beta


def clopper_pearson(hits: int, runs: int, level: float = 0.95) -> tuple[float, float]:
    """Return one-sided ends of a rate, each right with the chance `level`."""
    low = 0.0 if hits == 0 else float(beta.ppf(1 - level, hits, runs - hits + 1))
    high = 1.0 if hits == runs else float(beta.ppf(level, hits + 1, runs - hits))
    return low, high


def times(found: Looks, *, minutes: float = 0.5) -> Floats:
    """Return when each run was found, in minutes; infinite if it was not. found: 0 is never."""
    return np.where(found > 0, found * minutes, np.inf)


def summary(at: Floats) -> dict[str, Any]:
    """Return how many were found, and when: the median of all runs, the 90th percent of hits."""
    hits = at[np.isfinite(at)]
    median = float(np.median(at)) if len(at) else math.inf
    return {
        "hits": len(hits),
        "rate": len(hits) / len(at),
        "median_min": median if math.isfinite(median) else None,
        "p90_of_hits_min": float(np.percentile(hits, 90)) if len(hits) else None,
        "mean_min": float(hits.mean()) if len(hits) == len(at) else None,
    }


@dataclass(frozen=True, slots=True)
class Bar:
    """A documented figure: what a new run is compared with."""

    rate: float
    median_min: float | None
    runs: int

    def keeps(self, told: dict[str, Any], runs: int, alpha: float | None) -> str:
        """Return why a figure departs from its bar; nothing if it does not.

        alpha: what a harmless world may cost, where it is one.
        """
        off = told["rate"] - self.rate
        p = max(told["rate"], self.rate, 0.001)
        room = 3 * math.sqrt(p * (1 - p) * (1 / self.runs + 1 / runs)) + 1 / runs
        if abs(off) > room:
            return f"rate {told['rate']:.2%} against {self.rate:.2%}, allowed {room:.2%}"
        if alpha is not None and clopper_pearson(told["hits"], runs)[0] > alpha:
            return f"rate {told['rate']:.2%} is surely above {alpha:.0%}"
        return self._time(told["median_min"], runs)

    def _time(self, median: float | None, runs: int) -> str:
        if runs < 300 or self.median_min is None or self.rate < 0.6:
            return ""
        if median is None or abs(median - self.median_min) > max(0.15 * self.median_min, 0.5):
            return f"median {median} min against {self.median_min} min"
        return ""
