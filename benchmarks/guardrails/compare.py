"""Shows that the twin and `core` say the same, look by look: give it a judge, it tells where not.

A judge is handed what one part of a guardrail has counted, bin by bin as the ramp's status keeps
it, and returns what ln E is against both nulls. `by_statistics` is built from the functions of
core.statistics, `by_core` asks the very function that the operator asks.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import pairwise

import numpy as np
from benchmarks.guardrails import kernels, product
from benchmarks.guardrails.arrays import Floats, cumulative
from benchmarks.guardrails.rules import (
    ERRORS,
    LOOK_S,
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
from rampguard.core.ask import (
    Arms,
    Ask,
    EnvName,
    Guardrail,
    GuardrailType,
    Metrics,
    PromQL,
    Ref,
    Target,
)
from rampguard.core.judging import judge as judge_of_core
from rampguard.core.model import Baseline, Measured, Phi, Reading, Soaking
from rampguard.core.model import Evidence as Counted
from rampguard.core.plan import Plan, Tempo, make_plan

CLOSE = 1e-9  # relative
SHARE, STARTS, HISTORY, CONCURRENT = "share", "starts", "history", "concurrent"
T0 = datetime(2026, 11, 23, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What one part of a guardrail knows at a look.

    bins: (hits, others, exposure of hits, exposure of others) of each bin, the last one open.
    before: others and their exposure before T0, of a history. tests: of which the one that is
    furthest beyond its limit counts. onsets: of the whole soak; look: the number of looks so far.
    """

    part: str
    bins: Sequence[tuple[float, float, float, float]]
    before: tuple[float, float]
    tests: tuple[Test, ...]
    phi: float
    onsets: int
    look: int


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
    counts: Floats  # of one chunk, cumulative: what the status keeps
    before: Floats
    tests: tuple[Test, ...]
    phi: Floats
    compared: Floats  # what the twin makes of counts


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
    yield _Part(SHARE, share, nothing, share_tests(0.5, 0.05, SMALL), ones, share)
    starts, rise = product.start_counts(soak), (more(0.2, ERRORS),)
    yield _Part(STARTS, starts, nothing, (fewer(0.05, SMALL),), product.start_phi(soak), starts)
    for kind in product.KINDS:
        told, raw = (product.error_parts(soak, kind, PRODUCT.gap, pooled=p) for p in (False, True))
        past, arms = told.past, told.arms
        yield _Part(HISTORY, past.counts, told.before, rise, past.phi, past.counts)
        yield _Part(CONCURRENT, raw.arms.counts, nothing, rise, arms.phi, arms.counts)


def by_statistics(facts: Facts) -> Evidence:
    """Judge by the functions of core.statistics."""
    return _worse(
        Evidence(_mixture(facts, one, one.null), _mixture(facts, one, one.margin))
        for one in facts.tests
    )


def by_core(facts: Facts) -> Evidence:
    """Judge as the operator does: by core.judging.judge, of a plan with this guardrail alone."""
    plan = _plan(facts.part)
    counts = tuple(zip(*(_readings(facts.part, one) for one in facts.bins), strict=True))
    phi = Phi(value=facts.phi, batch=timedelta(minutes=5))
    before = Baseline(
        guardrail=facts.part,
        hits=facts.before[0],
        exposure=facts.before[1],
        phi_history=phi,
        phi_arms=phi,
        armed=facts.part == CONCURRENT,
        enough=facts.part == HISTORY,
    )
    now = T0 + facts.look * timedelta(seconds=LOOK_S)
    counted = Counted(
        t0=T0,
        counted_to=now,
        counts=counts[: len(plan.families)],
        size=timedelta(seconds=LOOK_S * PRODUCT.gap),
        onsets=facts.onsets,
    )
    stage = Soaking(since=T0, step=0, evidence=counted)
    (told,) = judge_of_core(plan, stage, (before,), now, Measured(counted=counted))
    (part,) = told.parts
    return Evidence(_known(part.log_e_null), _known(part.log_e_margin))


@cache
def _plan(part: str) -> Plan:
    """Return the plan of a day at 50 % of treatment; the guardrail is named as the part."""
    hits, units = PromQL("hits_total"), PromQL("units_total")
    rule = {
        SHARE: Guardrail(name=part, type=GuardrailType.EXPOSURE_BALANCE, tolerance=5.0),
        STARTS: Guardrail(name=part, type=GuardrailType.RELATIVE_DROP, tolerance=5.0, metric=hits),
    }
    errors = Guardrail(
        name=part, type=GuardrailType.ERROR_RATE, tolerance=20.0, metric=hits, requests=units
    )
    ask = Ask(
        ref=Ref("bench", part),
        uid=part,
        generation=1,
        created_at=T0,
        experiment="bench",
        env=EnvName("ROLLOUT"),
        targets=(Target("api"),),
        origin=10,
        to=50,
        arms=Arms("C", "T"),
        metrics=Metrics(assignments=units),
        guardrails=(rule.get(part, errors),),
    )
    return make_plan(ask, Tempo())


def _readings(part: str, one: tuple[float, float, float, float]) -> tuple[Reading, Reading]:
    """Return what a bin counted: hits, then units; of a history nobody knows the arm."""
    hits, others, exposure, other_exposure = one
    if part == HISTORY:
        return Reading(other=hits), Reading(other=exposure)
    return Reading(others, hits), Reading(other_exposure, exposure)


def _known(log_e: float | None) -> float:
    return math.nan if log_e is None else log_e


def _worse(told: Iterable[Evidence]) -> Evidence:
    return max(told, key=lambda one: one.margin)


def _mixture(facts: Facts, test: Test, factor: float) -> float:
    hits, others, exposure, other_exposure = 0.0, *facts.before[:1], 0.0, facts.before[1]
    logs: list[float] = []
    bins = map(_matched, facts.bins) if facts.part == CONCURRENT else facts.bins
    for hit, other, used, other_used in reversed(tuple(bins)):
        hits, others = hits + hit, others + other
        exposure, other_exposure = exposure + used, other_exposure + other_used
        odds = factor
        if not test.fixed:
            if exposure <= 0 or other_exposure <= 0:
                logs.append(-math.inf)
                continue
            odds = factor * exposure / other_exposure
        logs.append(
            statistics.log_e_binomial(
                hits,
                others,
                math.log(odds),
                test.side,
                effects=tuple(test.effects),
                phi=facts.phi,
            )
        )
    return statistics.onset_mixture(logs[::-1], facts.onsets)


def _matched(one: tuple[float, float, float, float]) -> tuple[float, float, float, float]:
    hit, other, used, other_used = one
    told = statistics.matched(
        statistics.Pair(statistics.Arm(hit, used), statistics.Arm(other, other_used))
    )
    treatment, control = told.treatment, told.control
    return treatment.hits, control.hits, treatment.units, control.units


def _facts(part: _Part, run: int, look: int, config: Config = PRODUCT) -> Facts:
    counted = part.counts[run]
    edges = [*range(0, look, config.gap), look]
    bins = [tuple(counted[b] - counted[a]) for a, b in pairwise(edges)]
    return Facts(
        part=part.name,
        bins=bins,
        before=(float(part.before[run, 0]), float(part.before[run, 1])),
        tests=part.tests,
        phi=float(part.phi[run]),
        onsets=config.onsets,
        look=look,
    )


def _twin(part: _Part, run: int, look: int, config: Config = PRODUCT) -> Evidence:
    logs = np.empty(config.onsets)

    def log_e(test: Test, factor: float) -> float:
        found: float = kernels.log_e_at(
            part.compared[run], look, config.gap, config.onsets, part.before[run], factor,
            test.fixed, test.side, test.effects, part.phi[run], logs,
        )  # fmt: skip
        return found

    return _worse(Evidence(log_e(one, one.null), log_e(one, one.margin)) for one in part.tests)


def _same(ours: Evidence, theirs: Evidence) -> bool:
    pairs = ((ours.null, theirs.null), (ours.margin, theirs.margin))
    return all(a == b or math.isclose(a, b, rel_tol=CLOSE, abs_tol=CLOSE) for a, b in pairs)
