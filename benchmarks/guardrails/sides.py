"""The rules of others beside ours: how often they undo a harmless ramp, and how late a real harm.

Each rule is swept over what its user can set. Everybody sees the same days: 10 requests a second,
1 new assignment a second, 60 % of users start, 0.5 % of requests fail. The others are given what
they do not have by themselves: looks begin when their window is full, counts begin when ours do,
and they know the errors' rate before the ramp exactly.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from benchmarks.guardrails import kernels, peers, product
from benchmarks.guardrails.arrays import Counts, Floats, Looks, Truths, cumulative
from benchmarks.guardrails.bars import rolling
from benchmarks.guardrails.figures import clopper_pearson, times
from benchmarks.guardrails.rules import LOOK_S, LOOKS, SMALL, Config, fewer
from benchmarks.guardrails.worlds import RATES, Soak, World, drawn
from scipy.stats import norm

CHUNK = 250
WINDOWS = {"5 min": 10, "1 h": 120, "6 h": 720}
INTERVALS = {"1 min": 2, "5 min": 10}
MOST = 160  # failures that may be allowed
DROP_LIMITS, RATIO_LIMITS = (0.05, 0.10, 0.15), (1.2, 1.5, 1.8)
SCORES = (1.645, 2.326, 3.09, 3.719, 4.265)
ALPHAS = (0.0001, 0.001, 0.01, 0.05, 0.2)
DAY_MIN = LOOKS * LOOK_S / 60
FEWEST_STARTS = 150  # GrowthBook shows no result before so many


def _world(*, drop: float = 0.0, times: float = 1.0) -> World:
    return World(name="", says="", drop=drop, errors_times=times)


NO_HARM = _world()
HARMS = {"starts": _world(drop=0.2), "errors": _world(times=2.0)}
SMALLER = {"starts": _world(drop=0.1), "errors": _world(times=1.5)}
CLUMPED = {
    "starts": World(name="", says="", repeats=(0.1, 6)),
    "errors": World(name="", says="", burst=3.0),
}
ALLOWED = {"starts": _world(drop=0.03), "errors": _world(times=1.1)}
Advance = Callable[[int], None]
Setting = tuple[str, str]  # whose rule, and how it is set
Ends = dict[Setting, Floats]  # minutes of each run, infinite if it is not ended


@dataclass(frozen=True, slots=True)
class Point:
    """One rule with its settings: what it costs and what it gives."""

    rule: str
    setting: str
    false_hits: int
    false_rate: float
    median_min: float | None
    found: float

    def told(self, others: dict[str, float]) -> dict[str, Any]:
        """Return it as the results keep it. others: how often it ends the runs of other worlds."""
        return {name: getattr(self, name) for name in self.__slots__} | others


def after(looks: Looks, first: int, each: int) -> Floats:
    """Return minutes at which a look by index ends a run; infinite for an index below 0."""
    return np.where(looks >= 0, (first + looks * each) * LOOK_S / 60, math.inf)


def counted(bad: Truths, window: int, each: int) -> Iterator[tuple[int, str, Floats]]:
    """Yield when counters of failures end the runs: allowed, whose, minutes."""
    failing = peers.failing_looks(bad, MOST + 1)
    ends = after(failing, window, each)
    for limit in range(MOST + 1):
        yield limit, "Argo Rollouts", ends[:, limit]
        # Its threshold of n acts one tick after the n-th failure.
        late = ends[:, limit] + each * LOOK_S / 60
        yield limit + 1, "Flagger", np.where(late <= DAY_MIN, late, math.inf)


def sweep(looks: Callable[[int], Iterator[tuple[str, Truths]]]) -> Ends:
    """Return when each setting of the counting rules ends the runs.

    looks: by window, which of its looks are bad under each limit, every 30 s.
    """
    told: Ends = {}
    for window_name, window in WINDOWS.items():
        for limit_name, bad in looks(window):
            for each_name, each in INTERVALS.items():
                where = f"{limit_name}, window {window_name}, each {each_name}"
                for allowed, whose, ends in counted(bad[:, ::each], window, each):
                    word = "failureLimit" if whose == "Argo Rollouts" else "threshold"
                    if "z " not in limit_name:
                        told[whose, f"{where}, {word} {allowed}"] = ends
                    elif whose == "Argo Rollouts":
                        told["Argo Rollouts, z-score", f"{where}, {word} {allowed}"] = ends
    return told


def window_arms(soak: Soak, window: int) -> peers.Arms:
    """Return starts and assignments of the last so many looks."""
    return peers.Arms(*(rolling(one, window).astype(float) for one in _arms(soak)))


def _arms(soak: Soak) -> list[Counts]:
    """Return starts and assignments of both arms: nobody counts before our lag is over."""
    told = [soak.counts[name].copy() for name in ("sT", "nT", "sC", "nC")]
    for one in told:
        one[:, : product.LAG] = 0
    return told


def start_looks(soak: Soak, window: int) -> Iterator[tuple[str, Truths]]:
    """Yield which looks see too few starts, by limit."""
    arms = window_arms(soak, window)
    relative = np.nan_to_num(arms.relative(), nan=0.0, posinf=0.0)
    for limit in DROP_LIMITS:
        yield f"limit -{limit:.0%}", relative < -limit
    for z in SCORES[:3]:
        yield f"z {z}", peers.fixed_test(arms, z)


def error_looks(soak: Soak, window: int) -> Iterator[tuple[str, Truths]]:
    """Yield which looks see too many errors, by limit; the baseline is known exactly."""
    failed, requests = (
        rolling(soak.counts[f"{name}T"] + soak.counts[f"{name}C"], window).astype(float)
        for name in ("5xx", "r")
    )
    expected = np.maximum(requests, 1) * RATES["5xx"]
    for limit in RATIO_LIMITS:
        yield f"limit x{limit}", failed > limit * expected
    for z in SCORES[:3]:
        yield f"z {z}", (failed - expected) / np.sqrt(expected) > z


def start_ends(soak: Soak) -> Ends:
    """Return when each rule ends each run, watching session starts alone."""
    told = sweep(lambda window: start_looks(soak, window))
    arms = peers.Arms(*(np.cumsum(one, axis=1).astype(float) for one in _arms(soak)))
    enough = arms.hits + arms.other_hits >= FEWEST_STARTS
    for z in SCORES:
        at = peers.first(peers.fixed_test(arms, z))
        told["fixed-sample test, each look", f"p < {norm.sf(z):.2g}"] = after(at, 1, 1)
    for alpha in (0.05, 0.01, 0.001):
        for margin in (0.0, 0.05):
            at = peers.first(enough & peers.growthbook(arms, alpha, margin))
            name = "GrowthBook" if margin == 0 else "GrowthBook, margin 5 %"
            told[name, f"alpha {alpha:g}"] = after(at, 1, 1)
    counts, phis, test = product.start_counts(soak), product.start_phi(soak), fewer(0.05, SMALL)
    per_user, guesses = _per_user(soak)
    for alpha, config in _configs():
        found = product.breach(soak, counts, test, phis, config)
        told["Rampguard", f"alpha {alpha:g}"] = times(found)
        once = kernels.first_ratio_breach(
            per_user, config.gap, config.onsets, guesses, 0.95, -1, SMALL, np.ones(len(guesses)),
            config.null(), config.margin(), False, product.RIPE,
        )  # fmt: skip
        told["Rampguard, once per user", f"alpha {alpha:g}"] = times(once[:, 0])
    return told


def _per_user(soak: Soak) -> tuple[Floats, Floats]:
    """Return starts and assignments of both arms, cumulative, and control's rate the day before."""
    hits, assigned, other_hits, others = _arms(soak)
    before = soak.before["sC"].sum(axis=1) / np.maximum(soak.before["nC"].sum(axis=1), 1)
    return cumulative(hits, assigned, other_hits, others), np.clip(before, 0.01, 0.99)


def error_ends(soak: Soak) -> Ends:
    """Return when each rule ends each run, watching errors alone."""
    told = sweep(lambda window: error_looks(soak, window))
    failed, requests = (
        np.cumsum(soak.counts[f"{name}T"] + soak.counts[f"{name}C"], axis=1)
        for name in ("5xx", "r")
    )
    expected = np.maximum(requests, 1) * RATES["5xx"]
    for z in SCORES:
        at = peers.first((failed - expected) / np.sqrt(expected) > z)
        told["fixed-sample test, each look", f"p < {norm.sf(z):.2g}"] = after(at, 1, 1)
    for alpha, config in _configs():
        acts, _ = product.errors(soak, "5xx", config)
        told["Rampguard", f"alpha {alpha:g}"] = times(acts)
    return told


ENDS = {"starts": start_ends, "errors": error_ends}


def _configs() -> Iterator[tuple[float, Config]]:
    for alpha in ALPHAS:
        yield alpha, Config(gap=30, alpha=alpha, within=min(10 * alpha, 0.5))


def ends(world: World, watched: str, q: int, runs: int, seed: int, advance: Advance) -> Ends:
    """Return when each rule ends each run of a world."""
    draw = np.random.default_rng(seed)
    parts: dict[Setting, list[Floats]] = {}
    for begin in range(0, runs, CHUNK):
        wanted = min(CHUNK, runs - begin)
        for setting, at in ENDS[watched](drawn(draw, world, q, wanted)).items():
            parts.setdefault(setting, []).append(at.astype(np.float32))
        advance(wanted)
    return {setting: np.concatenate(at) for setting, at in parts.items()}


def measure(watched: str, runs: int, seed: int, advance: Advance) -> dict[str, Any]:
    """Return all points that matter: those that nothing of their own rule beats, and known ones."""
    harmless = ends(NO_HARM, watched, 10, runs, seed, advance)
    harmful = ends(HARMS[watched], watched, 10, runs, seed + 1, advance)
    points = [_point(setting, harmless[setting], harmful[setting]) for setting in harmless]
    rules = sorted({p.rule for p in points})
    kept = {p for p in points if _known(p)}
    for rule in rules:
        kept |= set(front([p for p in points if p.rule == rule]))
    others = {
        "allowed": ends(ALLOWED[watched], watched, 10, runs, seed + 2, advance),
        "smaller": ends(SMALLER[watched], watched, 10, runs, seed + 3, advance),
        "quiet": ends(NO_HARM, watched, 1, runs, seed + 4, advance),
        "clumped": ends(CLUMPED[watched], watched, 10, runs, seed + 5, advance),
    }
    return {
        "settings": {rule: sum(p.rule == rule for p in points) for rule in rules},
        "none_upper_95": clopper_pearson(0, runs)[1],
        "points": [p.told(_ended(p, others)) for p in points if p in kept],
    }


def _ended(point: Point, worlds: dict[str, Ends]) -> dict[str, float]:
    return {
        name: float(np.isfinite(ends[point.rule, point.setting]).mean())
        for name, ends in worlds.items()
    }


def _point(setting: Setting, harmless: Floats, harmful: Floats) -> Point:
    hits, median = int(np.isfinite(harmless).sum()), float(np.median(harmful))
    return Point(
        rule=setting[0],
        setting=setting[1],
        false_hits=hits,
        false_rate=hits / len(harmless),
        median_min=median if math.isfinite(median) else None,
        found=float(np.isfinite(harmful).mean()),
    )


def front(points: list[Point]) -> list[Point]:
    """Return those points that no other beats in both, fewest false rollbacks first."""
    told: list[Point] = []
    soonest = math.inf
    reached = [p for p in points if p.median_min is not None]
    for point in sorted(reached, key=lambda p: (p.false_rate, p.median_min)):
        if point.median_min is not None and point.median_min < soonest:
            told.append(point)
            soonest = point.median_min
    return told


KNOWN = (
    ("Argo Rollouts", "limit -10%, window 1 h, each 5 min, failureLimit 0"),
    ("Argo Rollouts", "limit -10%, window 1 h, each 5 min, failureLimit 3"),
    ("Flagger", "limit -10%, window 1 h, each 1 min, threshold 5"),
    ("Flagger", "limit -10%, window 1 h, each 5 min, threshold 10"),
    ("Argo Rollouts", "limit x1.5, window 5 min, each 5 min, failureLimit 0"),
    ("Argo Rollouts", "limit x1.5, window 5 min, each 5 min, failureLimit 3"),
    ("Flagger", "limit x1.5, window 5 min, each 1 min, threshold 5"),
    ("Flagger", "limit x1.5, window 5 min, each 5 min, threshold 10"),
    ("Argo Rollouts", "limit -5%, window 5 min, each 5 min, failureLimit 3"),
    ("Flagger", "limit -5%, window 5 min, each 1 min, threshold 5"),
    ("Argo Rollouts", "limit x1.2, window 5 min, each 5 min, failureLimit 3"),
    ("Flagger", "limit x1.2, window 5 min, each 1 min, threshold 5"),
)


BY_LEVEL = {
    "Rampguard",
    "Rampguard, once per user",
    "GrowthBook",
    "GrowthBook, margin 5 %",
    "fixed-sample test, each look",
}


def _known(point: Point) -> bool:
    return (point.rule, point.setting) in KNOWN or point.rule in BY_LEVEL
