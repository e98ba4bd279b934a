"""How much more events scatter than independent ones would, from batches of the baseline."""

import math

import numpy as np
from benchmarks.guardrails.arrays import Counts, Floats, Truths

BATCHES = (1, 3, 12)  # five minutes each: 5, 15 and 60 min
ASSUMED = {"counts": 2.0, "errors": 5.0}
FEWEST, HITS = 10, 1.0  # of batches, and of expected hits in one


def batched(counts: Counts, size: int) -> Floats:
    """Return (runs, batches): sums of so many slices of five minutes."""
    runs, slices = counts.shape
    told: Floats = counts.reshape(runs, slices // size, size).sum(axis=2).astype(float)
    return told


def of_counts(
    hits: Counts, others: Counts, exposure: Counts, other_exposure: Counts, assumed: float
) -> Floats:
    """Return phi of each run for a comparison of two arms by counts, (runs, slices) each."""
    told = []
    for size in BATCHES:
        k, c, n, m = (batched(one, size) for one in (hits, others, exposure, other_exposure))
        told.append(_of_binomial(k, k + c, n, m))
    return _largest(told, assumed)


def of_history(failed: Counts, requests: Counts, assumed: float) -> Floats:
    """Return phi of each run for a comparison with history, (runs, slices) each."""
    told = []
    for size in BATCHES:
        x, r = batched(failed, size), batched(requests, size)
        used = r > 0
        rate = x.sum(axis=1) / np.maximum(r.sum(axis=1), 1)
        told.append(_upper(x, np.where(used, r * rate[:, None], 0), used, spread=1.0))
    return _largest(told, assumed)


def _of_binomial(k: Floats, d: Floats, n: Floats, m: Floats) -> Floats:
    """Return the upper end of phi by one length of batch; nan where it cannot be told."""
    used = (n > 0) & (m > 0) & (d > 0)
    offset = np.log(np.where(used, n, 1.0)) - np.log(np.where(used, m, 1.0))
    k, d = np.where(used, k, 0.0), np.where(used, d, 0.0)
    theta = np.zeros(len(k))
    for _ in range(25):  # Newton; steps are held short, so that it cannot run away
        pi = 1 / (1 + np.exp(-(theta[:, None] + offset)))
        slope = np.maximum((d * pi * (1 - pi)).sum(axis=1), 1e-9)
        theta = theta + np.clip((k - d * pi).sum(axis=1) / slope, -1, 1)
    pi = 1 / (1 + np.exp(-(theta[:, None] + offset)))
    return _upper(k, d * pi, used, spread=1 - pi)


def _upper(seen: Floats, expected: Floats, used: Truths, *, spread: Floats | float) -> Floats:
    """Return the Pearson estimate of phi plus its sampling error, nan where there is too little."""
    batches = used.sum(axis=1)
    variance = np.where(used, expected * spread, 1.0)
    squares = np.where(used, (seen - expected) ** 2 / np.maximum(variance, 1e-12), 0.0)
    room = np.maximum(batches - 1, 1)
    told = squares.sum(axis=1) / room * (1 + 1.645 * np.sqrt(2 / room))
    enough = (batches >= FEWEST) & (
        np.where(used, expected, 0).sum(axis=1) >= HITS * np.maximum(batches, 1)
    )
    return np.where(enough, told, math.nan)


def _largest(told: list[Floats], assumed: float) -> Floats:
    stacked = np.stack(told)
    usable = np.isfinite(stacked)
    largest = np.where(usable, stacked, 1.0).max(axis=0)
    return np.where(usable.any(axis=0), np.maximum(largest, 1.0), assumed)
