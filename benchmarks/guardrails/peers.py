"""Rules of others, written anew from how their sources decide; none is a run of the product.

argo: Argo Rollouts 1.10, analysis/analysis.go. flagger: Flagger 1.44, pkg/controller/scheduler.go.
growthbook: the sequential interval that GrowthBook documents, with its default tuning.
"""

import math
from dataclasses import dataclass

import numpy as np
from benchmarks.guardrails.arrays import Floats, Looks, Truths

NEVER = -1  # index of a look that never comes
TUNING = 5000.0  # GrowthBook's default: users at which its interval is tightest


def argo(bad: Truths, failure_limit: int) -> Looks:
    """Return the index of the look that fails each run.

    Failures are counted since the start and never forgotten; one more than the limit ends it.
    """
    failed = np.cumsum(bad, axis=1) > failure_limit
    return np.where(failed.any(axis=1), failed.argmax(axis=1), NEVER)


def flagger(bad: Truths, threshold: int, iterations: int) -> Looks:
    """Return the index of the tick that rolls each run back: the one after the last failed check.

    A failed tick is never forgiven, and does not count as one of the iterations to go.
    """
    runs, ticks = bad.shape
    failed, passed = np.zeros(runs, int), np.zeros(runs, int)
    found, over = np.full(runs, NEVER), np.zeros(runs, bool)
    for tick in range(ticks):
        rolls = ~over & (failed >= threshold)
        found[rolls] = tick
        over |= rolls
        failed += ~over & bad[:, tick]
        passed += ~over & ~bad[:, tick]
        over |= passed >= iterations
    return found


def failing_looks(bad: Truths, most: int) -> Looks:
    """Return (runs, most): the index of the first, second ... bad look of each run."""
    told = np.full((len(bad), most), NEVER)
    for r, row in enumerate(bad):
        at = np.flatnonzero(row)[:most]
        told[r, : len(at)] = at
    return told


@dataclass(frozen=True, slots=True)
class Arms:
    """Hits and trials of both arms, up to some looks: (runs, looks) each."""

    hits: Floats
    trials: Floats
    other_hits: Floats
    other_trials: Floats

    def relative(self) -> Floats:
        """Return the relative difference of the rates; nan where there is none."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return self.hits / self.trials / (self.other_hits / self.other_trials) - 1

    def variance(self) -> Floats:
        """Return the variance of the relative difference, by the delta method."""
        with np.errstate(divide="ignore", invalid="ignore"):
            p, q = self.hits / self.trials, self.other_hits / self.other_trials
            return (p / q) ** 2 * ((1 - p) / self.hits + (1 - q) / self.other_hits)


def sequential_halfwidth(per_unit: Floats, units: Floats, alpha: float) -> Floats:
    """Return the half-width of an always-valid interval.

    per_unit: the variance that one unit contributes. Source: Waudby-Smith et al., Time-uniform
    central limit theory and asymptotic confidence sequences, arXiv:2103.06476, eq. 9 and 161.
    """
    squared = (-2 * math.log(alpha) + math.log(-2 * math.log(alpha) + 1)) / TUNING
    grown = units * squared + 1
    with np.errstate(divide="ignore", invalid="ignore"):
        spread = 2 * grown * np.log(np.sqrt(grown) / alpha) / (units**2 * squared)
        return np.sqrt(per_unit * spread)


def growthbook(arms: Arms, alpha: float, margin: float = 0.0) -> Truths:
    """Return at which looks the interval of the relative difference lies below -margin."""
    units = arms.trials + arms.other_trials
    half = sequential_halfwidth(arms.variance() * units, units, alpha)
    return np.nan_to_num(arms.relative() + half, nan=1.0, posinf=1.0) < -margin


def fixed_test(arms: Arms, z: float) -> Truths:
    """Return at which looks a test for a fixed sample size finds a drop, if it is asked there."""
    p = (arms.hits + arms.other_hits) / np.maximum(arms.trials + arms.other_trials, 1)
    with np.errstate(divide="ignore", invalid="ignore"):
        off = arms.hits / arms.trials - arms.other_hits / arms.other_trials
        told = off / np.sqrt(p * (1 - p) * (1 / arms.trials + 1 / arms.other_trials))
    return np.nan_to_num(told, nan=0.0) < -z


def first(bad: Truths) -> Looks:
    """Return the index of the first bad look of each run."""
    return argo(bad, 0)
