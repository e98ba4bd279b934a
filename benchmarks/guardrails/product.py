"""What the product makes of a soak: four guardrails, phi from the day before, attribution.

exposure-balance within 5 pp; session-starts, a drop of 5 %, counts form; errors-5xx and errors-4xx,
a rise of 20 % against history and against the other arm, with their kill-switches.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from benchmarks.guardrails import kernels, phi
from benchmarks.guardrails.arrays import Counts, Floats, Looks, Truths, cumulative
from benchmarks.guardrails.figures import clopper_pearson
from benchmarks.guardrails.rules import (
    ERRORS,
    PRODUCT,
    SMALL,
    Config,
    Test,
    fewer,
    more,
    share_tests,
)
from benchmarks.guardrails.worlds import Soak, World, drawn

LAG = 4  # looks that session starts wait after T0
RIPE = 5 * LAG  # looks that a window must have lasted where a user starts once
EARLY = 3  # onsets up to 30 min after T0
SPELL, KILLED, PERCENT, TIMES = 4, 50, 0.05, 10  # of the kill-switch: looks, errors, rate, baseline
KINDS = ("5xx", "4xx")
RISE = more(0.2, ERRORS)
CHUNK = 250
SAYS = "product: 4 guardrails, 96 onsets, 1 %/10 %"


@dataclass(frozen=True, slots=True)
class Part:
    """What one part of an error guardrail has counted, and the phi of each run."""

    counts: Floats
    phi: Floats


@dataclass(frozen=True, slots=True)
class ErrorParts:
    """Both parts of an error guardrail, and the errors and requests of the day before."""

    past: Part
    arms: Part
    before: Floats


@dataclass(frozen=True, slots=True)
class Verdicts:
    """After how many looks each guardrail rolled a run back, and which runs were held; 0 never."""

    rolled: dict[str, Looks]
    held: Looks

    @property
    def first(self) -> Looks:
        """Return the first rollback of each run."""
        return earliest(tuple(self.rolled.values()))


def earliest(found: tuple[Looks, ...]) -> Looks:
    """Return the first of several looks of each run, where 0 is never."""
    never = np.iinfo(np.int64).max
    told = np.minimum.reduce([np.where(one > 0, one, never) for one in found])
    return np.where(told == never, 0, told)


def judged(soak: Soak, world: World, config: Config = PRODUCT) -> Verdicts:
    """Judge a chunk of ramps as their world asks for."""
    begun = once(soak, config, world) if world.once else starts(soak, config)
    rolled, holds = {"exposure-balance": share(soak, config), "session-starts": begun}, []
    for kind in KINDS:
        rolled[f"errors-{kind}"], held = errors(soak, kind, config, pooled=world.pooled)
        holds.append(held)
    return Verdicts(rolled, earliest(tuple(holds)))


def breach(
    soak: Soak, counts: Floats, test: Test, phis: Floats, config: Config, parts: int = 1
) -> Looks:
    """Return the first breach of one part."""
    found: Looks = kernels.first_breach(
        counts, soak.taken, config.gap, config.onsets, np.zeros((len(counts), 2)), test.null,
        test.margin, test.fixed, test.side, test.effects, phis, config.null(parts),
        config.margin(parts),
    )  # fmt: skip
    return found


def share(soak: Soak, config: Config) -> Looks:
    """Return when exposure-balance rolls back: a user is a unit, phi is 1."""
    counts = cumulative(soak.counts["aT"], soak.counts["aC"])
    ones = np.ones(len(counts))
    sides = share_tests(0.5, 0.05, SMALL)
    return earliest(tuple(breach(soak, counts, one, ones, config, 2) for one in sides))


def starts(soak: Soak, config: Config) -> Looks:
    """Return when session-starts rolls back: counts form, evidence from LAG on."""
    test = fewer(0.05, SMALL)
    return breach(soak, start_counts(soak), test, start_phi(soak), config)


def once(soak: Soak, config: Config, world: World) -> Looks:
    """Return when session-starts with oncePerUser rolls back: the exact test of two arms."""
    counts = start_counts(soak)[:, :, [0, 2, 1, 3]]  # hits and units of treatment, then of control
    before = soak.before["sC"].sum(axis=1) / np.maximum(soak.before["nC"].sum(axis=1), 1)
    found: Looks = kernels.first_ratio_breach(
        np.ascontiguousarray(counts), config.gap, config.onsets, np.clip(before, 0.01, 0.99), 0.95,
        -1, SMALL, np.ones(len(counts)), config.null(), config.margin(), False,
        0 if world.young else RIPE,
    )  # fmt: skip
    return found[:, 0]


def start_counts(soak: Soak) -> Floats:
    """Return starts and assignments of both arms, from LAG on."""
    told = [soak.counts[name].copy() for name in ("sT", "sC", "nT", "nC")]
    for one in told:
        one[:, :LAG] = 0
    return cumulative(*told)


def start_phi(soak: Soak) -> Floats:
    """Return phi of session starts, from the day before."""
    hits, others, used, other_used = (soak.before[name] for name in ("sT", "sC", "nT", "nC"))
    return phi.of_counts(hits, others, used, other_used, phi.ASSUMED["counts"])


def errors(soak: Soak, kind: str, config: Config, *, pooled: bool = False) -> tuple[Looks, Looks]:
    """Return when an error guardrail rolls back, and when it only holds."""
    told = error_parts(soak, kind, config.gap, pooled=pooled)
    at_once = breach(soak, told.arms.counts, RISE, told.arms.phi, config, 2)
    acts, holds = history(soak, told, config)
    killed, stopped = kill(soak, kind, told.before)
    return earliest((at_once, acts, killed)), earliest((holds, stopped))


def error_parts(soak: Soak, kind: str, gap: int, *, pooled: bool = False) -> ErrorParts:
    """Return what the parts of an error guardrail have counted, the arms within each bin."""
    t, c, rt, rc = (soak.counts[name] for name in (f"{kind}T", f"{kind}C", "rT", "rC"))
    b_t, b_c, b_rt, b_rc = (soak.before[name] for name in (f"{kind}T", f"{kind}C", "rT", "rC"))
    zero, assumed = np.zeros_like(t), phi.ASSUMED["errors"]
    failed, requests = b_t + b_c, b_rt + b_rc
    arms = cumulative(t, c, rt, rc)
    return ErrorParts(
        past=Part(
            cumulative(t + c, zero, rt + rc, zero), phi.of_history(failed, requests, assumed)
        ),
        arms=Part(
            arms if pooled else kernels.matched(arms, gap),
            phi.of_counts(b_t, b_c, b_rt, b_rc, assumed),
        ),
        before=np.column_stack((failed.sum(axis=1), requests.sum(axis=1))).astype(float),
    )


def history(soak: Soak, told: ErrorParts, config: Config) -> tuple[Looks, Looks]:
    """Return when the history part acts, and when it only holds, for want of attribution."""
    past, arms = told.past, told.arms
    acts, holds = kernels.first_history_breach(
        past.counts, arms.counts, soak.taken, config.gap, config.onsets, told.before, RISE.null,
        RISE.margin, RISE.effects, past.phi, arms.phi, config.null(2), config.margin(2), EARLY,
    )  # fmt: skip
    return acts, holds


def kill(soak: Soak, kind: str, before: Floats) -> tuple[Looks, Looks]:
    """Return when the kill-switch rolls back, and when it comes too late to be the ramp's."""
    errors_now, requests_now = (
        _last(soak.counts[f"{name}T"] + soak.counts[f"{name}C"]) for name in (kind, "r")
    )
    limit = np.maximum(PERCENT, TIMES * before[:, 0] / np.maximum(before[:, 1], 1))
    bad = soak.taken & (errors_now >= KILLED) & (errors_now > limit[:, None] * requests_now)
    twice = bad.copy()
    twice[:, 1:] &= bad[:, :-1]
    twice[:, 0] = False
    latest = 30 * (EARLY - 1) + SPELL  # its onset is when the spell began
    early, late = twice.copy(), twice.copy()
    early[:, latest:] = False
    late[:, :latest] = False
    return _first(early), _first(late)


def _last(counts: Counts) -> Counts:
    """Return what the last two minutes had at each look."""
    sums = np.cumsum(counts, axis=1)
    told = sums.copy()
    told[:, SPELL:] -= sums[:, :-SPELL]
    return told


def _first(bad: Truths) -> Looks:
    return np.where(bad.any(axis=1), bad.argmax(axis=1) + 1, 0)


def measure(
    world: World, q: int, runs: int, seed: int, advance: Callable[[int], None]
) -> dict[str, Any]:
    """Return how many harmless ramps of a world are rolled back or held."""
    draw, told = np.random.default_rng(seed), Counter[str]()
    for begin in range(0, runs, CHUNK):
        wanted = min(CHUNK, runs - begin)
        told.update(_counted(judged(drawn(draw, world, q, wanted), world)))
        advance(wanted)
    return _figures(told, runs)


def _counted(verdicts: Verdicts) -> dict[str, int]:
    first = verdicts.first
    told = {name: int((found > 0).sum()) for name, found in verdicts.rolled.items()}
    return told | {
        "rolled": int((first > 0).sum()),
        "held": int(((verdicts.held > 0) & (first == 0)).sum()),
    }


def _figures(counted: Counter[str], runs: int) -> dict[str, Any]:
    rolled = counted["rolled"]
    return {**counted, "rate": rolled / runs, "upper_95": clopper_pearson(rolled, runs)[1]}
