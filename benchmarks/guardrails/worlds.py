"""Harmless worlds that the mathematics does not assume, and what the product does in them.

Nothing is wrong with the new value in any of them: each rollback is a false one. A day at 50 % of
treatment after a day at 10 %, looks each 30 s, traffic that swings by 40 %, lowest at the start.
"""

from dataclasses import dataclass

import numpy as np
from benchmarks.guardrails.arrays import Counts, Floats, Truths
from benchmarks.guardrails.rules import LOOK_S, LOOKS, traffic

Draw = np.random.Generator
FROM, TO = 0.1, 0.5
STARTS, RATES = 0.6, {"5xx": 0.005, "4xx": 0.02}
EARLIER = 120  # looks before T0 that are drawn, for what arrives late from them
SLICE = 10  # looks of a slice of five minutes
DELAYS = (0.5, 0.3, 0.15, 0.05)  # of a start behind its assignment, in looks
LATER = {10: 0.25, 30: 0.25, 60: 0.25, 120: 0.25}  # of repeats that come back, in looks
RETRIES = {0: 0.5, 1: 0.2, 3: 0.2, 10: 0.1}  # of the rest of a burst, in looks
TREBLED, SPIKE = 3.0, 40  # a bad deploy: errors times this, for so many looks
PODS = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """What differs from the plain world, where users and errors are independent."""

    name: str
    says: str
    repeats: tuple[float, int] = (0.0, 1)  # part of the users that start, and how often they do
    return_later: bool = False  # repeats come minutes to an hour later, counted as if at once
    burst: float = 1.0  # mean size of a burst of errors of one client
    shared: float = 0.0  # variance of the errors' rate between slices, in both arms
    swing: float = 0.0  # of the errors' rate over the day
    deploy: tuple[int, int] = (0, 0)  # looks between which somebody else's deploy lies
    stays: bool = False  # its errors, for the rest of the day
    gaps: bool = False  # lost scrapes, blind minutes, restarts of pods
    sticky: float = 0.0  # part of the requests at T0 with a cookie of the 10 % phase
    all_exposures: bool = False  # the share is taken of all exposures, against the product's rule
    proof: int = 0  # looks that the proof took, the share rising meanwhile
    unproven: bool = False  # evidence starts with the first patch, against the product's rule
    pooled: bool = False  # errors of the arms are compared over whole windows, against the rule
    once: bool = False  # session-starts has oncePerUser
    young: bool = False  # its windows count from their first look, against the rule
    drop: float = 0.0  # a true harm: of the starts in treatment, from T0 on
    errors_times: float = 1.0  # a true harm: by what errors of both arms grow at T0
    limit: bool = False  # beyond what is promised: it shows what goes wrong outside


@dataclass(frozen=True, slots=True, kw_only=True)
class Soak:
    """What a chunk of ramps would have counted: (runs, looks) of the soak, (runs, slices) before.

    counts, before: by family; a family of two arms has `name`+`T` and `name`+`C`.
    """

    counts: dict[str, Counts]
    before: dict[str, Counts]
    taken: Truths  # looks that could be taken


def drawn(draw: Draw, world: World, q: int, runs: int) -> Soak:
    """Draw a chunk of ramps in a world, at q requests a second."""
    flow = traffic()
    busy = np.concatenate((flow[-EARLIER:], flow))
    share = np.full(len(busy), TO)
    share[:EARLIER] = FROM
    if world.proof:
        share[EARLIER - world.proof : EARLIER] = np.linspace(FROM, TO, world.proof)
    factor = _error_factor(draw, world, runs, len(busy))
    told = _users(draw, world, q, runs, busy, share) | _requests(draw, world, q, runs, busy, factor)
    taken = np.ones((runs, LOOKS), bool)
    begin = EARLIER - (world.proof if world.unproven else 0)
    told = {name: one[:, begin : begin + LOOKS] for name, one in told.items()}
    if world.gaps:
        told, taken = _with_gaps(draw, told, taken)
    return Soak(counts=told, before=_before(draw, world, q, runs), taken=taken)


def _users(
    draw: Draw, world: World, q: int, runs: int, busy: Floats, share: Floats
) -> dict[str, Counts]:
    """Draw assignments and starts; of all exposures where the world asks for it."""
    assigned = draw.poisson(q * 0.1 * LOOK_S * busy, (runs, len(busy)))
    treated = draw.binomial(assigned, share)
    told = {"nT": treated, "nC": assigned - treated}
    harmed = np.full(len(busy), STARTS)
    harmed[EARLIER:] *= 1 - world.drop
    told["sT"] = _starts(draw, world, told["nT"], harmed)
    told["sC"] = _starts(draw, world, told["nC"], np.full(len(busy), STARTS))
    told |= {"aT": told["nT"], "aC": told["nC"]}
    if world.all_exposures:
        exposures = draw.poisson(q * 0.3 * LOOK_S * busy, (runs, len(busy)))
        told["aT"] = draw.binomial(exposures, _request_share(world, len(busy)))
        told["aC"] = exposures - told["aT"]
    return told


def _starts(draw: Draw, world: World, assigned: Counts, part_starting: Floats) -> Counts:
    """Draw the starts of those who are assigned in each look: some of them several, all late."""
    starting = draw.binomial(assigned, part_starting)
    told = _spread(draw, starting, dict(enumerate(DELAYS)))
    part, times = world.repeats
    if part:
        repeating = draw.binomial(starting, part)
        for _ in range(times - 1):
            delays = LATER if world.return_later else dict(enumerate(DELAYS))
            told += _spread(draw, repeating, delays)
    return told


def _spread(draw: Draw, counts: Counts, delays: dict[int, float]) -> Counts:
    """Return when the events arrive: each with a delay of its own."""
    told, left, rest = np.zeros_like(counts), counts, 1.0
    for delay, chance in delays.items():
        some = draw.binomial(left, min(1.0, chance / rest))
        told[:, delay:] += some[:, : counts.shape[1] - delay]
        left, rest = left - some, max(rest - chance, 1e-12)
    return told


def _requests(
    draw: Draw, world: World, q: int, runs: int, busy: Floats, factor: Floats
) -> dict[str, Counts]:
    """Draw requests and errors of both arms."""
    requests = draw.poisson(q * LOOK_S * busy, (runs, len(busy)))
    treated = draw.binomial(requests, _request_share(world, len(busy)))
    told = {"rT": treated, "rC": requests - treated}
    for kind, rate in RATES.items():
        for arm in "TC":
            told[f"{kind}{arm}"] = _errors(draw, world, told[f"r{arm}"], rate * factor)
    return told


def _errors(draw: Draw, world: World, requests: Counts, rate: Floats) -> Counts:
    """Draw errors: of single requests, or in bursts of one client that go on for some minutes."""
    if world.burst <= 1:
        return draw.binomial(requests, np.minimum(rate, 1))
    bursts = draw.poisson(requests * rate / world.burst)
    more = draw.negative_binomial(np.maximum(bursts, 1), 1 / world.burst)
    return bursts + _spread(draw, np.where(bursts > 0, more, 0), RETRIES)


def _request_share(world: World, looks: int) -> Floats:
    """Return which part of the requests comes from treatment: old cookies keep the old share."""
    hours = np.maximum(np.arange(looks) - EARLIER, 0) * LOOK_S / 3600
    old = world.sticky * np.exp(-hours / 12)
    told = TO * (1 - old) + FROM * old
    told[:EARLIER] = FROM
    return told


def _error_factor(draw: Draw, world: World, runs: int, looks: int) -> Floats:
    """Return (runs, looks): by what the errors' rate differs from its mean, in both arms."""
    since = (np.arange(looks) - EARLIER) * LOOK_S
    told = np.tile(1 + world.swing * np.sin(2 * np.pi * since / 86400), (runs, 1))
    told[:, EARLIER:] *= world.errors_times
    if world.shared:
        told *= np.repeat(_gamma(draw, world, (runs, -(-looks // SLICE))), SLICE, axis=1)[:, :looks]
    if world.deploy[1]:
        at = EARLIER + draw.integers(*world.deploy, runs)[:, None]
        until = looks if world.stays else at + SPIKE
        now = np.arange(looks)[None, :]
        told = np.where((now >= at) & (now < until), told * TREBLED, told)
    return told


def _gamma(draw: Draw, world: World, shape: tuple[int, int]) -> Floats:
    return draw.gamma(1 / world.shared, world.shared, shape)


def _before(draw: Draw, world: World, q: int, runs: int) -> dict[str, Counts]:
    """Draw the day before the first patch, in slices of five minutes.

    What is spread over minutes is drawn slice by slice: it blurs by less than a slice.
    """
    busy = traffic().reshape(-1, SLICE).mean(axis=1)
    slices = len(busy)
    since = (np.arange(slices) + 0.5) * SLICE * LOOK_S
    factor = np.tile(1 + world.swing * np.sin(2 * np.pi * since / 86400), (runs, 1))
    if world.shared:
        factor *= _gamma(draw, world, (runs, slices))
    assigned = draw.poisson(q * 0.1 * LOOK_S * SLICE * busy, (runs, slices))
    requests = draw.poisson(q * LOOK_S * SLICE * busy, (runs, slices))
    told = {"nT": draw.binomial(assigned, FROM), "rT": draw.binomial(requests, FROM)}
    told |= {"nC": assigned - told["nT"], "rC": requests - told["rT"]}
    for arm in "TC":
        told[f"s{arm}"] = _starts_before(draw, world, told[f"n{arm}"])
        for kind, rate in RATES.items():
            told[f"{kind}{arm}"] = _errors_before(draw, world, told[f"r{arm}"], rate * factor)
    return told


def _starts_before(draw: Draw, world: World, assigned: Counts) -> Counts:
    starting = draw.binomial(assigned, STARTS)
    part, times = world.repeats
    told = starting.copy()
    if part:
        repeating = draw.binomial(starting, part)
        delays = {d // SLICE: p for d, p in LATER.items()} if world.return_later else {0: 1.0}
        for _ in range(times - 1):
            told += _spread(draw, repeating, delays)
    return told


def _errors_before(draw: Draw, world: World, requests: Counts, rate: Floats) -> Counts:
    if world.burst <= 1:
        return draw.binomial(requests, np.minimum(rate, 1))
    bursts = draw.poisson(requests * rate / world.burst)
    more = draw.negative_binomial(np.maximum(bursts, 1), 1 / world.burst)
    return bursts + _spread(draw, np.where(bursts > 0, more, 0), {0: 0.9, 1: 0.1})


def _with_gaps(
    draw: Draw, counts: dict[str, Counts], taken: Truths
) -> tuple[dict[str, Counts], Truths]:
    """Lose scrapes, restart pods, hide pods: counters catch up, except for what a restart loses."""
    runs, looks = taken.shape
    taken = taken & (draw.random((runs, looks)) > 0.05)
    for _ in range(3):
        at = draw.integers(0, looks - 20, runs)
        now = np.arange(looks)[None, :]
        taken &= ~((now >= at[:, None]) & (now < at[:, None] + draw.integers(5, 13, (runs, 1))))
    told = {name: one.copy() for name, one in counts.items()}
    each = np.arange(runs)
    for _ in range(20):  # restarts: up to one scrape interval of one pod is lost, in all families
        at, lost = draw.integers(0, looks, runs), draw.random(runs) / PODS
        for one in told.values():
            one[each, at] -= draw.binomial(one[each, at], lost)
    for _ in range(20):  # one pod unseen for five minutes, then it catches up
        at = draw.integers(0, looks - 11, runs)
        for one in told.values():
            for shift in range(10):
                late = draw.binomial(one[each, at + shift], 1 / PODS)
                one[each, at + shift] -= late
                one[each, at + 10] += late
    return told, taken


HOUR = 120  # looks
WORLDS = (
    World(name="plain", says="users and errors are independent; traffic swings by 40 %"),
    World(
        name="several starts",
        says="20 % of those who start do so 3 times in one visit",
        repeats=(0.2, 3),
    ),
    World(
        name="many starts",
        says="10 % of those who start do so 6 times in one visit",
        repeats=(0.1, 6),
    ),
    World(
        name="once per user",
        says="a user starts once, up to 2 min after the assignment; the guardrail has oncePerUser",
        once=True,
    ),
    World(name="bursts", says="errors come in bursts of one client, phi 5 in truth", burst=3.0),
    World(
        name="shared bursts",
        says="the errors' rate of both arms jumps every 5 min (variance 0.5 of mean 1)",
        shared=0.5,
    ),
    World(name="daily drift", says="the errors' rate swings by 30 % over the day", swing=0.3),
    World(
        name="foreign spike",
        says="somebody else's deploy trebles errors of both arms for 20 min, 1 h to 20 h after T0",
        deploy=(HOUR, 20 * HOUR),
    ),
    World(
        name="foreign deploy",
        says="somebody else's deploy trebles errors of both arms for good, 1 h to 20 h after T0",
        deploy=(HOUR, 20 * HOUR),
        stays=True,
    ),
    World(
        name="gaps and restarts",
        says="5 % of the looks lost, 3 blind spells, 20 restarts and 20 unseen pods a day",
        gaps=True,
    ),
    World(
        name="sticky cookies",
        says="90 % of the requests at T0 carry a cookie of the 10 % phase, fading over 12 h",
        sticky=0.9,
    ),
    World(
        name="sticky, drift",
        says="sticky cookies, and errors that swing by 30 % over the day",
        sticky=0.9,
        swing=0.3,
    ),
    World(
        name="sticky, foreign deploy",
        says="sticky cookies, and somebody else's deploy that stays",
        sticky=0.9,
        deploy=(HOUR, 20 * HOUR),
        stays=True,
    ),
    World(name="slow proof", says="the share rises for 20 min before T0", proof=40),
    World(
        name="all at once",
        says="starts repeat, errors burst and drift, scrapes are lost, cookies stick, slow proof",
        repeats=(0.2, 3),
        burst=3.0,
        swing=0.3,
        gaps=True,
        sticky=0.9,
        proof=40,
    ),
    World(
        name="against the rule: all exposures",
        says="the share is taken of all exposures, old cookies among them (90 % at T0)",
        sticky=0.9,
        all_exposures=True,
        limit=True,
    ),
    World(
        name="against the rule: pooled arms",
        says="as sticky, foreign deploy; errors of the arms are added up over bins, then compared",
        sticky=0.9,
        deploy=(HOUR, 20 * HOUR),
        stays=True,
        pooled=True,
        limit=True,
    ),
    World(
        name="against the rule: young windows",
        says="as once per user; windows count from their first look on",
        once=True,
        young=True,
        limit=True,
    ),
    World(
        name="against the rule: unproven",
        says="evidence starts with the first patch, 20 min before the proof",
        proof=40,
        unproven=True,
        limit=True,
    ),
    World(
        name="against the rule: returns",
        says="repeated starts come up to an hour later and count, those of the 10 % phase too",
        repeats=(0.2, 3),
        return_later=True,
        limit=True,
    ),
    World(
        name="beyond the promise: early deploy",
        says="somebody else's bad deploy lies within 30 min after T0",
        deploy=(10, 60),
        stays=True,
        limit=True,
    ),
)
