"""Shows that the twin and `core` say the same, look by look: give it a judge, it tells where not.

A judge is handed what one part of a guardrail has counted, bin by bin as the ramp's status keeps
it, and returns what ln E is against both nulls. `by_statistics` is one, built from the functions of
core.statistics; another one calls core's judging functions with the same facts.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from benchmarks.guardrails import kernels, product
from benchmarks.guardrails.arrays import Floats, cumulative
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

from rampguard.core import statistics

CLOSE = 1e-9  # relative


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What one part of a guardrail knows at a look.

    bins: (hits, others, exposure of hits, exposure of others) of each bin, the last one open.
    before: others and their exposure before T0, of a history. onsets: of the whole soak.
    """

    part: str
    bins: Sequence[tuple[float, float, float, float]]
    before: tuple[float, float]
    test: Test
    phi: float
    onsets: int


@dataclass(frozen=True, slots=True)
class Evidence:
    """ln E against `nothing is wrong`, and against the tolerance's limit."""

    null: float
    margin: float


Judge = Callable[[Facts], Evidence]


@dataclass(frozen=True, slots=True)
class Difference:
    """Where two judges do not agree."""

    run: int
    look: int
    part: str
    ours: Evidence
    theirs: Evidence


@dataclass(frozen=True, slots=True)
class _Part:
    name: str
    counts: Floats  # of one chunk, cumulative
    before: Floats
    test: Test
    phi: Floats


def differences(
    judge: Judge, world: World, *, runs: int, looks: Sequence[int], q: int = 10, seed: int = 1
) -> Iterator[Difference]:
    """Yield where the judge's evidence is not the twin's, over all parts of all guardrails."""
    soak = drawn(np.random.default_rng(seed), world, q, runs)
    for part in parts(soak):
        for run in range(runs):
            for look in looks:
                ours, theirs = _twin(part, run, look), judge(_facts(part, run, look))
                if not _same(ours, theirs):
                    yield Difference(run, look, part.name, ours, theirs)


def parts(soak: Soak) -> Iterator[_Part]:
    """Yield all parts of the product's guardrails that are tested by counts."""
    counts, runs = soak.counts, len(soak.taken)
    nothing, ones = np.zeros((runs, 2)), np.ones(runs)
    share = np.concatenate(
        (cumulative(counts["aT"], counts["aC"]), np.zeros((runs, soak.taken.shape[1] + 1, 2))),
        axis=2,
    )
    for name, test in zip(("upper", "lower"), share_tests(0.5, 0.05, SMALL), strict=True):
        yield _Part(f"share, {name}", share, nothing, test, ones)
    yield _Part(
        "starts", product.start_counts(soak), nothing, fewer(0.05, SMALL), product.start_phi(soak)
    )
    for kind in product.KINDS:
        told = product.error_parts(soak, kind)
        yield _Part(
            f"{kind}, history", told.past.counts, told.before, more(0.2, ERRORS), told.past.phi
        )
        yield _Part(
            f"{kind}, concurrent", told.arms.counts, nothing, more(0.2, ERRORS), told.arms.phi
        )


def by_statistics(facts: Facts) -> Evidence:
    """Judge by the functions of core.statistics."""
    return Evidence(_mixture(facts, facts.test.null), _mixture(facts, facts.test.margin))


def _mixture(facts: Facts, factor: float) -> float:
    hits, others, exposure, other_exposure = 0.0, *facts.before[:1], 0.0, facts.before[1]
    logs: list[float] = []
    for hit, other, used, other_used in reversed(facts.bins):
        hits, others = hits + hit, others + other
        exposure, other_exposure = exposure + used, other_exposure + other_used
        odds = factor
        if not facts.test.fixed:
            if exposure <= 0 or other_exposure <= 0:
                logs.append(-math.inf)
                continue
            odds = factor * exposure / other_exposure
        logs.append(
            statistics.log_e_binomial(
                hits,
                others,
                math.log(odds),
                facts.test.side,
                effects=tuple(facts.test.effects),
                phi=facts.phi,
            )
        )
    return statistics.onset_mixture(logs[::-1], facts.onsets)


def _facts(part: _Part, run: int, look: int, config: Config = PRODUCT) -> Facts:
    counted = part.counts[run]
    edges = [*range(0, look, config.gap), look]
    bins = [tuple(counted[b] - counted[a]) for a, b in pairwise(edges)]
    return Facts(
        part=part.name,
        bins=bins,
        before=(float(part.before[run, 0]), float(part.before[run, 1])),
        test=part.test,
        phi=float(part.phi[run]),
        onsets=config.onsets,
    )


def _twin(part: _Part, run: int, look: int, config: Config = PRODUCT) -> Evidence:
    logs = np.empty(config.onsets)
    told = [
        kernels.log_e_at(
            part.counts[run], look, config.gap, config.onsets, part.before[run], factor,
            part.test.fixed, part.test.side, part.test.effects, part.phi[run], logs,
        )
        for factor in (part.test.null, part.test.margin)
    ]  # fmt: skip
    return Evidence(*told)


def _same(ours: Evidence, theirs: Evidence) -> bool:
    """Return whether two judges agree.

    A window exactly on the limit falls on one side of it or the other by the last bit, and is no
    evidence on either: there, -inf and what is not above 0 are the same.
    """
    return all(
        a == b
        or math.isclose(a, b, rel_tol=CLOSE, abs_tol=CLOSE)
        or (-math.inf in {a, b} and max(a, b) <= 0)
        for a, b in ((ours.null, theirs.null), (ours.margin, theirs.margin))
    )
