"""The mathematics of the guardrails once more, for thousands of ramps: compiled loops over counts.

A twin of `rampguard.core`: same numbers, other code. What makes it fast is a bound. Of a window
with k hits among d events no likelihood ratio exceeds exp(d KL(k/d, p0) / phi), and that divergence
never exceeds (k - d p0)^2 / (d^2 p0 (1 - p0)). A look none of whose windows can reach the threshold
is passed over without a single logarithm; the bound is exact, so no breach is missed.

Counts are cumulative: row t has what was counted in the first t looks, row 0 is zero. Onset i lies
at look i * gap. A returned look is how many looks had been taken, 0 if there was no breach.
"""

import math

import numpy as np
from benchmarks.guardrails.arrays import Effects, Floats, Looks, Truths
from numba import njit

NEVER = -math.inf
ROUNDING = 1e-12  # of what was counted: a window so near the limit is on it, and no evidence
HITS, OTHERS, HIT_EXPOSURE, OTHER_EXPOSURE = range(4)  # columns of a run's counts


@njit(cache=True)
def softplus(x: float) -> float:
    """Return ln(1 + e^x) without overflow."""
    return max(x, 0.0) + math.log1p(math.exp(-abs(x)))


@njit(cache=True)
def log_e_binomial(
    hits: float, others: float, eta0: float, side: int, effects: Effects, phi: float
) -> float:
    """Return ln E of one window against log-odds eta0; -inf on the allowed side."""
    total = hits + others
    if side * (hits - total / (1.0 + math.exp(-eta0))) <= ROUNDING * total:
        return NEVER
    start = softplus(eta0)
    top, logs = NEVER, np.empty(len(effects))
    for j in range(len(effects)):
        shifted = softplus(eta0 + side * effects[j]) - start
        logs[j] = (side * effects[j] * hits - total * shifted) / phi
        top = max(top, logs[j])
    return top + math.log(np.exp(logs - top).sum() / len(effects))


@njit(cache=True)
def log_e_ratio(  # two arms, once per user
    kt: float,
    nt: float,
    kc: float,
    nc: float,
    rho: float,
    side: int,
    guess: float,
    effects: Effects,
    phi: float,
) -> float:
    """Return ln E of one window against `the rate of treatment is at least rho times control's`.

    side -1: at least, 1: at most. guess: the rate of control, fixed beforehand.
    """
    if nt <= 0 or nc <= 0 or side * (kt / nt - rho * kc / nc) <= 0:
        return NEVER
    top, logs = NEVER, np.empty(len(effects))
    log_rho, log_b, log_not_b = math.log(rho), math.log(guess), math.log1p(-guess)
    y0, square = rho * guess, rho * (nt + nc)
    for j in range(len(effects)):
        shrunk = math.exp(-effects[j])
        a = y0 * shrunk if side < 0 else 1 - (1 - y0) * shrunk
        line = nt * (rho + a) + nc * (1 + rho * guess)
        # The smaller root, in the form that does not cancel.
        root = line + math.sqrt(max(line * line - 4 * square * (nt * a + nc * guess), 0.0))
        x = min(max(2 * (nt * a + nc * guess) / root, 1e-12), 1 - 1e-12)
        y = min(max(rho * x, 1e-12), 1 - 1e-12)
        log_x = math.log(x)
        logs[j] = (
            kt * (math.log(a) - log_rho - log_x)
            + (nt - kt) * (math.log1p(-a) - math.log1p(-y))
            + kc * (log_b - log_x)
            + (nc - kc) * (log_not_b - math.log1p(-x))
        ) / phi
        top = max(top, logs[j])
    return top + math.log(np.exp(logs - top).sum() / len(effects))


@njit(cache=True)
def log_weight(onset: int, onsets: int) -> float:
    """Return the logarithm of what one onset weighs: half for the first, the rest evenly."""
    if onsets == 1:
        return 0.0
    return math.log(0.5) if onset == 0 else math.log(0.5 / (onsets - 1))


@njit(cache=True)
def mixed(logs: Floats, begun: int, onsets: int) -> float:
    """Return ln E over the onsets that have begun."""
    top = NEVER
    for i in range(begun):
        top = max(top, logs[i])
    if top == NEVER:
        return NEVER
    first, rest = 0.0, 0.0
    for i in range(begun):
        if i == 0:
            first = math.exp(logs[0] - top)
        else:
            rest += math.exp(logs[i] - top)
    if onsets == 1:
        return top + math.log(first)
    return top + math.log(0.5 * first + 0.5 / (onsets - 1) * rest)


@njit(cache=True)
def chance(run: Floats, t: int, begin: int, before: Floats, factor: float, fixed: bool) -> float:
    """Return the chance that an event of a window is a hit, in the worst allowed world.

    before: others and their exposure that count beside the window (a history). fixed: the odds are
    the factor alone. 0: no exposure, the window says nothing.
    """
    odds = factor
    if not fixed:
        hit = run[t, HIT_EXPOSURE] - run[begin, HIT_EXPOSURE]
        other = run[t, OTHER_EXPOSURE] - run[begin, OTHER_EXPOSURE] + before[1]
        if hit <= 0 or other <= 0:
            return 0.0
        odds = factor * hit / other
    return odds / (1.0 + odds)


@njit(cache=True)
def window_bound(
    run: Floats, t: int, begin: int, before: Floats, factor: float, fixed: bool, side: int
) -> float:
    """Return an upper bound of phi * ln E of a window, and cheaply; 0 if it is no evidence."""
    p0 = chance(run, t, begin, before, factor, fixed)
    hits = run[t, HITS] - run[begin, HITS]
    total = hits + run[t, OTHERS] - run[begin, OTHERS] + before[0]
    off = side * (hits - total * p0)
    if p0 <= 0 or total <= 0 or off <= 0:
        return 0.0
    return off * off / (total * p0 * (1 - p0))


@njit(cache=True)
def window_log_e(
    run: Floats,
    t: int,
    begin: int,
    before: Floats,
    factor: float,
    fixed: bool,
    side: int,
    effects: Effects,
    phi: float,
) -> float:
    """Return ln E of the window between two looks."""
    p0 = chance(run, t, begin, before, factor, fixed)
    if p0 <= 0:
        return NEVER
    hits = run[t, HITS] - run[begin, HITS]
    others = run[t, OTHERS] - run[begin, OTHERS] + before[0]
    return log_e_binomial(hits, others, math.log(p0) - math.log1p(-p0), side, effects, phi)


@njit(cache=True)
def can_reach(
    run: Floats,
    t: int,
    begun: int,
    gap: int,
    before: Floats,
    factor: float,
    fixed: bool,
    side: int,
    phi: float,
    need: float,
) -> bool:
    """Return whether the bound leaves any chance that the mixture reaches `need` at a look.

    The bound of window_bound without a division: with odds a : b of a hit it is
    (hits b - others a)^2 / ((hits + others) a b).
    """
    a, b, bound = factor, 1.0, phi * need
    for i in range(begun):
        hits = run[t, HITS] - run[i * gap, HITS]
        others = run[t, OTHERS] - run[i * gap, OTHERS] + before[0]
        if not fixed:
            a = factor * (run[t, HIT_EXPOSURE] - run[i * gap, HIT_EXPOSURE])
            b = run[t, OTHER_EXPOSURE] - run[i * gap, OTHER_EXPOSURE] + before[1]
        off = side * (hits * b - others * a)
        if off > 0 and off * off >= bound * (hits + others) * a * b:
            return True
    return False


@njit(cache=True)
def log_e_at(
    run: Floats,
    t: int,
    gap: int,
    onsets: int,
    before: Floats,
    factor: float,
    fixed: bool,
    side: int,
    effects: Effects,
    phi: float,
    logs: Floats,
) -> float:
    """Return ln E over all onsets at a look; leaves that of each onset in logs."""
    begun = min((t - 1) // gap + 1, onsets)
    for i in range(begun):
        logs[i] = window_log_e(run, t, i * gap, before, factor, fixed, side, effects, phi)
    return mixed(logs, begun, onsets)


@njit(cache=True)
def log_e_path(
    run: Floats,
    gap: int,
    onsets: int,
    before: Floats,
    factor: float,
    fixed: bool,
    side: int,
    effects: Effects,
    phi: float,
) -> Floats:
    """Return ln E at every look, without any short cut: what core is compared with."""
    looks = len(run) - 1
    path, logs = np.full(looks, NEVER), np.empty(onsets)
    for t in range(1, looks + 1):
        path[t - 1] = log_e_at(run, t, gap, onsets, before, factor, fixed, side, effects, phi, logs)
    return path


@njit(cache=True)
def first_breach(
    runs: Floats,
    taken: Truths,
    gap: int,
    onsets: int,
    befores: Floats,
    nulls: float,
    margins: float,
    fixed: bool,
    side: int,
    effects: Effects,
    phis: Floats,
    need_null: float,
    need_margin: float,
) -> Looks:
    """Return the first look of each run at which ln E reaches both thresholds.

    nulls, margins: the odds factor of `nothing is wrong` and of the tolerance's limit.
    """
    count, looks = len(runs), runs.shape[1] - 1
    found, logs = np.zeros(count, np.int64), np.empty(onsets)
    for r in range(count):
        run, before, phi = runs[r], befores[r], phis[r]
        for t in range(1, looks + 1):
            if not taken[r, t - 1]:
                continue
            begun = min((t - 1) // gap + 1, onsets)
            if not can_reach(run, t, begun, gap, before, margins, fixed, side, phi, need_margin):
                continue
            margin = log_e_at(run, t, gap, onsets, before, margins, fixed, side, effects, phi, logs)
            if margin < need_margin:
                continue
            null = log_e_at(run, t, gap, onsets, before, nulls, fixed, side, effects, phi, logs)
            if null >= need_null:
                found[r] = t
                break
    return found


@njit(cache=True)
def first_hybrid(
    runs: Floats,
    gap: int,
    onsets: int,
    befores: Floats,
    nulls: float,
    margins: float,
    fixed: bool,
    side: int,
    effects: Effects,
    phis: Floats,
    need_null: float,
) -> Looks:
    """Return the first look with proof against the null and an estimate beyond the limit.

    A rule that was rejected: it is here to show why.
    """
    count, looks = len(runs), runs.shape[1] - 1
    found, logs = np.zeros(count, np.int64), np.empty(onsets)
    for r in range(count):
        run, before, phi = runs[r], befores[r], phis[r]
        for t in range(1, looks + 1):
            if window_bound(run, t, 0, before, margins, fixed, side) <= 0:
                continue
            begun = min((t - 1) // gap + 1, onsets)
            if not can_reach(run, t, begun, gap, before, nulls, fixed, side, phi, need_null):
                continue
            null = log_e_at(run, t, gap, onsets, before, nulls, fixed, side, effects, phi, logs)
            if null >= need_null:
                found[r] = t
                break
    return found


@njit(cache=True)
def began_early(
    run: Floats,
    t: int,
    begun: int,
    gap: int,
    before: Floats,
    factor: float,
    fixed: bool,
    side: int,
    effects: Effects,
    phi: float,
    early: int,
) -> bool:
    """Return whether the clearest onset of a look is one of the first `early`."""
    best = NEVER
    for i in range(min(early, begun)):
        best = max(best, window_log_e(run, t, i * gap, before, factor, fixed, side, effects, phi))
    top, where = 0.0, 0
    for i in range(early, begun):
        bound = window_bound(run, t, i * gap, before, factor, fixed, side)
        if bound > top:
            top, where = bound, i
    for shift in range(begun):  # the most promising first: it mostly settles it
        i = (where + shift) % begun
        if i < early:
            continue
        if window_bound(run, t, i * gap, before, factor, fixed, side) <= phi * best:
            continue
        if window_log_e(run, t, i * gap, before, factor, fixed, side, effects, phi) > best:
            return False
    return best > NEVER


@njit(cache=True)
def first_history_breach(
    runs: Floats,
    others: Floats,
    taken: Truths,
    gap: int,
    onsets: int,
    befores: Floats,
    null: float,
    margin: float,
    effects: Effects,
    phis: Floats,
    other_phis: Floats,
    need_null: float,
    need_margin: float,
    early: int,
) -> tuple[Looks, Looks]:
    """Return two looks for each run: the first breach that acts, and the first that only holds.

    runs: counts of the history part, others: of the concurrent part. A breach whose clearest onset
    is not among the first `early` acts only if the concurrent part has evidence of its own.
    """
    count, looks = len(runs), runs.shape[1] - 1
    acts, holds = np.zeros(count, np.int64), np.zeros(count, np.int64)
    logs, nothing = np.empty(onsets), np.zeros(2)
    for r in range(count):
        run, before, phi = runs[r], befores[r], phis[r]
        for t in range(1, looks + 1):
            if not taken[r, t - 1]:
                continue
            begun = min((t - 1) // gap + 1, onsets)
            if not can_reach(run, t, begun, gap, before, margin, False, 1, phi, need_margin):
                continue
            ours = begun <= early
            if not ours and holds[r]:  # known to be held: only what would act matters
                ours = began_early(
                    run, t, begun, gap, before, margin, False, 1, effects, phi, early
                ) or can_reach(
                    others[r], t, begun, gap, nothing, null, False, 1, other_phis[r], need_null
                )
                if not ours:
                    continue
            told = log_e_at(run, t, gap, onsets, before, margin, False, 1, effects, phi, logs)
            if told < need_margin:
                continue
            told = log_e_at(run, t, gap, onsets, before, null, False, 1, effects, phi, logs)
            if told < need_null:
                continue
            if began_early(run, t, begun, gap, before, margin, False, 1, effects, phi, early) or (
                log_e_at(
                    others[r], t, gap, onsets, nothing, null, False, 1, effects, other_phis[r], logs
                )
                >= need_null
            ):
                acts[r] = t
                break
            if not holds[r]:
                holds[r] = t
    return acts, holds


@njit(cache=True)
def first_ratio_breach(
    runs: Floats,
    gap: int,
    onsets: int,
    guesses: Floats,
    margin: float,
    side: int,
    effects: Effects,
    phis: Floats,
    need_null: float,
    need_margin: float,
    hybrid: bool,
    ripe: int,
) -> Looks:
    """Return for each run the first look of the two-level, the strict and the hybrid rule.

    The exact kernel of two arms, where a user starts once. Counts: hits and assignments of
    treatment, then of control. margin: the ratio at the tolerance's limit. ripe: how many looks a
    window must have lasted to say anything.
    """
    count, looks = len(runs), runs.shape[1] - 1
    found, logs = np.zeros((count, 3), np.int64), np.empty(onsets)
    for r in range(count):
        run = runs[r]
        if not hybrid:
            found[r, 2] = -1
        for t in range(max(1, ripe), looks + 1):
            begun = min((t - max(1, ripe)) // gap + 1, onsets)
            need = need_margin if found[r, 0] == 0 else need_null
            told = NEVER
            if found[r, 1] == 0:
                told = _ratio_at(
                    run, t, begun, gap, onsets, margin, side, guesses[r], effects, phis[r], logs
                )
            beyond = side * (run[t, 0] * run[t, 3] - margin * run[t, 2] * run[t, 1]) > 0
            ask_hybrid = found[r, 2] == 0 and beyond
            if told < need and not ask_hybrid:
                continue
            if found[r, 1] == 0 and told >= need_null:
                found[r, 1] = t
            null = _ratio_at(
                run, t, begun, gap, onsets, 1.0, side, guesses[r], effects, phis[r], logs
            )
            if found[r, 0] == 0 and told >= need_margin and null >= need_null:
                found[r, 0] = t
            if ask_hybrid and null >= need_null:
                found[r, 2] = t
            if found[r, 0] != 0 and found[r, 1] != 0 and found[r, 2] != 0:
                break
        if not hybrid:
            found[r, 2] = 0
    return found


@njit(cache=True)
def _ratio_at(
    run: Floats,
    t: int,
    begun: int,
    gap: int,
    onsets: int,
    rho: float,
    side: int,
    guess: float,
    effects: Effects,
    phi: float,
    logs: Floats,
) -> float:
    for i in range(begun):
        b = i * gap
        logs[i] = log_e_ratio(
            run[t, 0] - run[b, 0],
            run[t, 1] - run[b, 1],
            run[t, 2] - run[b, 2],
            run[t, 3] - run[b, 3],
            rho,
            side,
            guess,
            effects,
            phi,
        )
    return mixed(logs, begun, onsets)


@njit(cache=True)
def matched(runs: Floats, gap: int) -> Floats:
    """Return counts whose exposures are the hits that each arm would have at a common rate.

    Within each bin of `gap` looks, the last one as far as it has come. Bins add as they are; one in
    which an arm has no exposure says nothing.
    """
    count, looks = len(runs), runs.shape[1] - 1
    told, closed, one = np.zeros(runs.shape), np.zeros(4), np.zeros(4)
    for r in range(count):
        run = runs[r]
        closed[:] = 0.0
        for t in range(1, looks + 1):
            begin = (t - 1) // gap * gap
            for c in range(4):
                one[c] = run[t, c] - run[begin, c]
            exposed = one[HIT_EXPOSURE] + one[OTHER_EXPOSURE]
            if one[HIT_EXPOSURE] <= 0 or one[OTHER_EXPOSURE] <= 0:
                told[r, t] = closed
            else:
                rate = (one[HITS] + one[OTHERS]) / exposed
                one[HIT_EXPOSURE] *= rate
                one[OTHER_EXPOSURE] *= rate
                told[r, t] = closed + one
            if t % gap == 0:
                closed[:] = told[r, t]
    return told
