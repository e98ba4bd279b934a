"""How far our times are from the best that any such test could do, and bars of the counts form.

Wald's bound: a test that is wrong with at most alpha and never gives up needs, on average, at least
ln(1/alpha) / I units to find a harm, where I is the divergence of one unit of the harmful world
from the nearest allowed one. Source: Wald 1945, Ann. Math. Stat. 16, 117-186.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from benchmarks.guardrails import bars, kernels, product
from benchmarks.guardrails.arrays import Effects, Floats, cumulative
from benchmarks.guardrails.figures import summary, times
from benchmarks.guardrails.rules import (
    ALONE,
    ERRORS,
    LOOK_S,
    SMALL,
    WIDE,
    fewer,
    more,
    share_tests,
    traffic,
)
from benchmarks.guardrails.worlds import World, drawn

Advance = Callable[[int], None]
CHUNK = 250
MARGIN = 0.05


def kullback(p: float, q: float) -> float:
    """Return the divergence of two coins, both in (0, 1)."""
    return p * math.log(p / q) + (1 - p) * math.log((1 - p) / (1 - q))


def bound_minutes(information: float, per_second: float, alpha: float) -> float:
    """Return when the units that Wald's bound asks for have come, from the start of the day on.

    information: of one unit, in nats; per_second: units on average over the day.
    """
    units = np.cumsum(per_second * LOOK_S * traffic())
    needed = math.log(1 / alpha) / information
    look = int(np.searchsorted(units, needed))
    before = units[look - 1] if look else 0.0
    return float((look + (needed - before) / (units[look] - before)) * LOOK_S / 60)


def pair_information(drop: float, margin: float) -> float:
    """Return what one assignment tells of a drop of starts, where a user starts once at most."""
    hit, base, rho = bars.STARTS * (1 - drop), bars.STARTS, 1 - margin
    told = nearest_allowed(hit, base, rho)
    return 0.5 * kullback(hit, rho * told) + 0.5 * kullback(base, told)


def nearest_allowed(a: float, b: float, rho: float) -> float:
    """Return the rate of control of the allowed world nearest to (a, b), arms of equal size."""
    line = (rho + a) + (1 + rho * b)
    return float((line - math.sqrt(line * line - 8 * rho * (a + b))) / (4 * rho))


def counts_information(drop: float, margin: float) -> float:
    """Return what one assignment tells by the split of the starts alone."""
    true, allowed = (1 - drop) / (2 - drop), (1 - margin) / (2 - margin)
    return bars.STARTS * (2 - drop) / 2 * kullback(true, allowed)


def rate_information(rate: float, allowed: float) -> float:
    """Return what one request tells of a rate of errors, against a rate that is known."""
    return rate * math.log(rate / allowed) - rate + allowed


@dataclass(frozen=True, slots=True)
class Case:
    """One immediate harm: how it is found, and the least time that any test needs."""

    name: str
    bound: Callable[[int], float]  # minutes, by requests a second
    measure: Callable[[np.random.Generator, int, int], Floats]  # minutes of each run


def _share(draw: np.random.Generator, q: int, runs: int, effects: Effects = SMALL) -> Floats:
    treated, control = bars.assignments(draw, q, 0.3, runs)
    counts, befores = cumulative(treated, control), np.zeros((runs, 2))
    sides = share_tests(0.5, 0.05, effects)
    told = [bars.binomial_rules(counts, befores, one, 2, False, ALONE)["strict"] for one in sides]
    return np.minimum(*told)


def _once(draw: np.random.Generator, q: int, runs: int) -> Floats:
    arms, guesses = bars.started(draw, q, 0.8, runs)
    found = kernels.first_ratio_breach(
        arms, ALONE.gap, ALONE.onsets, guesses, 1 - MARGIN, -1, SMALL, np.ones(runs), ALONE.null(),
        ALONE.null(), False, product.RIPE,
    )  # fmt: skip
    return times(found[:, 1])


def _counts(draw: np.random.Generator, q: int, runs: int) -> Floats:
    soak = drawn(draw, World(name="", says="", drop=0.2), q, runs)
    counts, test = product.start_counts(soak), fewer(MARGIN, SMALL)
    found = kernels.first_breach(
        counts, soak.taken, ALONE.gap, ALONE.onsets, np.zeros((runs, 2)), test.null, test.margin,
        test.fixed, test.side, test.effects, product.start_phi(soak), -np.inf, ALONE.null(),
    )  # fmt: skip
    return times(found)


def _errors(draw: np.random.Generator, q: int, runs: int) -> Floats:
    requests = draw.poisson(q * LOOK_S * traffic(), (runs, len(traffic())))
    before = draw.poisson(q * 86400, runs)
    failed = draw.binomial(requests, 2 * bars.BASE_ERRORS)
    failed_before = draw.poisson(before * bars.BASE_ERRORS)
    nothing = np.zeros_like(failed)
    counts = cumulative(failed, nothing, requests, nothing)
    befores = np.column_stack((failed_before, before)).astype(float)
    return bars.binomial_rules(counts, befores, more(0.2, ERRORS), 1, False, ALONE)["strict"]


CASES = (
    Case(
        "share 30 % instead of 50 %",
        lambda q: bound_minutes(kullback(0.3, 0.45), q * 0.1, ALONE.alpha / 2),
        _share,
    ),
    Case(
        "share 30 % instead of 50 %, wide grid",
        lambda q: bound_minutes(kullback(0.3, 0.45), q * 0.1, ALONE.alpha / 2),
        lambda draw, q, runs: _share(draw, q, runs, WIDE),
    ),
    Case(
        "starts -20 %, once per user",
        lambda q: bound_minutes(pair_information(0.2, MARGIN), q * 0.1, ALONE.alpha),
        _once,
    ),
    Case(
        "starts -20 %, counts form",
        lambda q: bound_minutes(counts_information(0.2, MARGIN), q * 0.1, ALONE.alpha),
        _counts,
    ),
    Case(
        "errors twice, by history",
        lambda q: bound_minutes(
            rate_information(2 * bars.BASE_ERRORS, 1.2 * bars.BASE_ERRORS), q, ALONE.alpha
        ),
        _errors,
    ),
)


def measure(case: Case, q: int, runs: int, seed: int, advance: Advance) -> dict[str, Any]:
    """Return the median time of the strict rule, Wald's bound, and their ratio."""
    draw = np.random.default_rng(seed)
    told = []
    for begin in range(0, runs, CHUNK):
        wanted = min(CHUNK, runs - begin)
        told.append(case.measure(draw, q, wanted))
        advance(wanted)
    found, bound = summary(np.concatenate(told)), case.bound(q)
    median = found["median_min"]
    return found | {"bound_min": bound, "ratio": None if median is None else median / bound}


DROPS = (0.0, 0.03, 0.05, 0.08, 0.1, 0.2, 0.5)


def measure_counts(drop: float, q: int, runs: int, seed: int, advance: Advance) -> dict[str, Any]:
    """Return how the counts form of the session test does, alone, at a true drop."""
    draw = np.random.default_rng(seed)
    told: list[Floats] = []
    for begin in range(0, runs, CHUNK):
        wanted = min(CHUNK, runs - begin)
        soak = drawn(draw, World(name="", says="", drop=drop), q, wanted)
        told.append(times(product.starts(soak, ALONE)))
        advance(wanted)
    return summary(np.concatenate(told))


TIMES = (1.5, 2.0, 4.0)


def measure_attribution(more_by: float, q: int, runs: int, seed: int, advance: Advance) -> Any:
    """Return how often errors that grow in both arms at T0 are rolled back, held, or missed.

    Only history sees them. Where the clearest onset lies late, the ramp is held for a person.
    """
    draw = np.random.default_rng(seed)
    acts, holds = [], []
    for begin in range(0, runs, CHUNK):
        wanted = min(CHUNK, runs - begin)
        soak = drawn(draw, World(name="", says="", errors_times=more_by), q, wanted)
        told = product.errors(soak, "5xx", ALONE)
        acts.append(told[0])
        holds.append(told[1])
        advance(wanted)
    acted, held = np.concatenate(acts), np.concatenate(holds)
    return {
        "rolled_back": summary(times(acted)),
        "stopped": summary(times(product.earliest((acted, held)))),
    }
