"""The documented bars once more: the same streams of chance, so that runs compare one by one.

Configuration: wide grid, hourly onsets, 1 % and 10 % for each guardrail, errors by history alone.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from benchmarks.guardrails import kernels, peers
from benchmarks.guardrails.arrays import Counts, Floats, Looks, cumulative
from benchmarks.guardrails.figures import Bar, summary, times
from benchmarks.guardrails.rules import (
    BARS,
    LOOK_S,
    LOOKS,
    WIDE,
    Config,
    Test,
    more,
    share_tests,
    traffic,
)

DOCUMENTED = Path(__file__).with_name("bars.json")
STARTS, BASE_ERRORS = 0.6, 0.005  # of users that start, of requests that fail
TOLERANCE = {"share": 0.05, "sessions": 0.05, "errors_history": 0.2}
Told = dict[str, Looks]
Times = dict[str, Floats]
Progress = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class Cell:
    """One world of one guardrail at one traffic (requests a second), and how it is drawn."""

    guardrail: str
    q: int
    truth: str
    runs: int
    seed: int

    @property
    def name(self) -> str:
        """Return what the results call it."""
        return f"{self.guardrail} @{self.q} {self.truth}"

    @property
    def value(self) -> float:
        """Return the share, the ratio of starts, or the rate of errors that is true."""
        if self.guardrail == "sessions":
            words = self.truth.split("-")
            return 1 - float(words[1].rstrip("%")) / 100 if len(words) == 2 else 1.0
        return float(self.truth.split()[1].rstrip("%")) / 100

    @property
    def alpha(self) -> float | None:
        """Return what a rollback here may cost the two-level rule; None: it is wanted."""
        return {"A": 0.01, "i": 0.10, "e": 0.10}.get(self.truth[0])

    def key(self, runs: int) -> dict[str, Any]:
        """Return under which the results keep it."""
        return {
            "part": "bars",
            "cell": self.name,
            "runs": runs,
            "seed": self.seed,
            "config": "wide grid, 24 onsets, 1 %/10 %",
        }


@cache
def documented() -> dict[Cell, dict[str, Bar]]:
    """Return all cells with the bar of each rule."""
    told: dict[Cell, dict[str, Bar]] = {}
    for one in json.loads(DOCUMENTED.read_text(encoding="utf-8"))["cells"]:
        cell = Cell(*(one[k] for k in ("guardrail", "q", "truth", "runs", "seed")))
        told.setdefault(cell, {})[one["rule"]] = Bar(one["rate"], one["median_min"], one["runs"])
    return told


def chunks(runs: int, size: int) -> Iterator[int]:
    """Yield the sizes of chunks; the stream of chance depends on them."""
    for start in range(0, runs, size):
        yield min(size, runs - start)


def measure(cell: Cell, runs: int, progress: Progress, *, more_rules: bool = True) -> Times:
    """Return when each rule ended each run of a cell, in minutes.

    A run short of a whole chunk is drawn with it, so that the streams stay the documented ones.
    """
    draw = np.random.default_rng(cell.seed)
    size = 250 if cell.guardrail == "sessions" else 100
    judge = {"share": share, "sessions": sessions, "errors_history": errors}[cell.guardrail]
    parts: dict[str, list[Floats]] = {}
    for wanted in chunks(runs, size):
        for rule, at in judge(draw, cell, size, more_rules=more_rules).items():
            parts.setdefault(rule, []).append(at[:wanted])
        progress(wanted)
    return {rule: np.concatenate(told) for rule, told in parts.items()}


def figures(told: Times) -> dict[str, Any]:
    """Return the summary of each rule."""
    return {rule: summary(at) for rule, at in told.items()}


def assignments(
    draw: np.random.Generator, q: int, share: float, runs: int
) -> tuple[Counts, Counts]:
    """Draw the new assignments of treatment and control within each look of a day."""
    drawn = draw.poisson(q * 0.1 * LOOK_S * traffic(), (runs, LOOKS))
    treated = draw.binomial(drawn, share)
    return treated, drawn - treated


def share(draw: np.random.Generator, cell: Cell, runs: int, *, more_rules: bool) -> Times:
    """Return when each rule ended each run of one chunk, watching the share."""
    treated, control = assignments(draw, cell.q, cell.value, runs)
    counts, befores = cumulative(treated, control), np.zeros((runs, 2))
    tests = share_tests(0.5, TOLERANCE["share"], WIDE)
    told = earliest([binomial_rules(counts, befores, one, 2, more_rules) for one in tests])
    if more_rules:
        window = rolling(treated, 10), rolling(treated + control, 10)
        with np.errstate(divide="ignore", invalid="ignore"):
            bad = np.abs(window[0] / window[1] - 0.5) > TOLERANCE["share"]
        told |= of_others(bad)
    return told


def errors(draw: np.random.Generator, cell: Cell, runs: int, *, more_rules: bool) -> Times:
    """Return when each rule ended each run of one chunk, watching errors against history."""
    requests = draw.poisson(cell.q * LOOK_S * traffic(), (runs, LOOKS))
    before = draw.poisson(cell.q * 86400, runs)
    failed = draw.binomial(requests, cell.value)
    failed_before = draw.poisson(before * BASE_ERRORS)
    counts = cumulative(failed, np.zeros_like(failed), requests, np.zeros_like(failed))
    befores = np.column_stack((failed_before, before)).astype(float)
    told = binomial_rules(counts, befores, more(TOLERANCE["errors_history"], WIDE), 1, more_rules)
    if more_rules:
        rate = rolling(failed, 10) / np.maximum(rolling(requests, 10), 1)
        limit = (1 + TOLERANCE["errors_history"]) * failed_before / before
        told |= of_others(rate > limit[:, None])
    return told


def sessions(draw: np.random.Generator, cell: Cell, runs: int, *, more_rules: bool) -> Times:
    """Return when each rule ended each run of one chunk, watching starts that come once a user."""
    arms, guesses = started(draw, cell.q, cell.value, runs)
    found = kernels.first_ratio_breach(
        arms, BARS.gap, BARS.onsets, guesses, 1 - TOLERANCE["sessions"], -1, WIDE,
        np.ones(runs), BARS.null(), BARS.margin(), more_rules, 0,
    )  # fmt: skip
    rules = ("two_level", "strict", "hybrid")[: 3 if more_rules else 2]
    return {rule: times(found[:, i]) for i, rule in enumerate(rules)}


def started(draw: np.random.Generator, q: int, ratio: float, runs: int) -> tuple[Floats, Floats]:
    """Draw starts and assignments of both arms, cumulative, and the guessed rate of control."""
    treated, control = assignments(draw, q, 0.5, runs)
    starts, other_starts = draw.binomial(treated, STARTS * ratio), draw.binomial(control, STARTS)
    before = draw.poisson(q * 7776, runs)
    guess = draw.binomial(before, STARTS) / np.maximum(before, 1)
    return cumulative(starts, treated, other_starts, control), np.clip(guess, 0.01, 0.99)


def binomial_rules(
    counts: Floats, befores: Floats, test: Test, parts: int, more_rules: bool, config: Config = BARS
) -> Times:
    """Return when our rules end each run by one part of a guardrail."""
    looks = counts.shape[1] - 1
    taken, phis = np.ones((len(counts), looks), bool), np.ones(len(counts))
    null, margin = config.null(parts), config.margin(parts)

    def found(need_null: float, need_margin: float) -> Floats:
        return times(
            kernels.first_breach(
                counts,
                taken,
                config.gap,
                config.onsets,
                befores,
                test.null,
                test.margin,
                test.fixed,
                test.side,
                test.effects,
                phis,
                need_null,
                need_margin,
            )
        )

    told = {"two_level": found(null, margin), "strict": found(-np.inf, null)}
    if more_rules:
        hybrid = kernels.first_hybrid(
            counts, config.gap, config.onsets, befores, test.null, test.margin, test.fixed,
            test.side, test.effects, phis, null,
        )  # fmt: skip
        told["hybrid"] = times(hybrid)
    return told


def earliest(parts: list[Times]) -> Times:
    """Return for each rule when the first of several parts ended each run."""
    return {rule: np.minimum.reduce([one[rule] for one in parts]) for rule in parts[0]}


def rolling(counts: Counts, looks: int) -> Counts:
    """Return the sums over the last looks, from the first full window on."""
    sums = np.cumsum(counts, axis=1)
    told = sums[:, looks - 1 :].copy()
    told[:, 1:] -= sums[:, :-looks]
    return told


def of_others(bad: Any) -> Times:
    """Return when Argo Rollouts and Flagger end each run. bad: from 5 min on, each 30 s.

    Argo: each 5 min, failureLimit 3. Flagger: each minute, threshold 5; the documented bars give
    the instant of the fifth failed check, Flagger acts a minute later.
    """
    rare, often = bad[:, ::10], bad[:, ::2]
    at = peers.argo(rare, 3)
    ends = peers.flagger(often, 5, LOOKS // 2)
    return {
        "argo": np.where(at >= 0, 5.0 + 5 * at, np.inf),
        "flagger": np.where(ends >= 0, 4.0 + ends, np.inf),
    }
