"""The mathematics against exact vectors, and its promises."""

import json
import math
from pathlib import Path

import pytest

from rampguard.core.statistics import (
    Interval,
    detectable_shift,
    kullback,
    log_e_binomial,
    log_mean_exp,
    log_sum_exp,
    logistic,
    logit,
    onset_mixture,
    share_interval,
    small_effects,
    softplus,
    threshold,
)

VECTORS = json.loads((Path(__file__).parents[2] / "vectors/guardrails.json").read_text())
GRIDS = VECTORS["grids"]


def close(value: float) -> object:
    return pytest.approx(value, rel=1e-6)


@pytest.mark.parametrize("row", VECTORS["binomial_windows"], ids=lambda row: row["id"])
def test_evidence_of_a_window(row: dict) -> None:
    found = log_e_binomial(
        row["k"],
        row["c"],
        row["eta0"],
        row["side"],
        effects=GRIDS[row["grid"]],
        phi=row["phi"],
    )
    assert found == (-math.inf if row["log_e"] is None else close(row["log_e"]))


def test_the_grid_of_effects() -> None:
    assert small_effects() == pytest.approx(tuple(GRIDS["small"]), rel=1e-9)


@pytest.mark.parametrize(
    ("eta0", "key"), [(-0.20067069546215122, "log_e_mixture"), (0.0, "log_e_mixture_null")]
)
def test_evidence_over_onsets(eta0: float, key: str) -> None:
    (row,) = VECTORS["onset_mixture"]
    bins = [(450, 450)] * 26 + [(270, 630)] * 4
    logs = [
        log_e_binomial(sum(k for k, _ in bins[i:]), sum(c for _, c in bins[i:]), eta0, -1)
        for i in range(len(bins))
    ]
    assert onset_mixture(logs, row["m"]) == close(row[key])


def test_one_onset_is_its_own_mixture() -> None:
    assert onset_mixture([1.5], 1) == 1.5


@pytest.mark.parametrize("row", VECTORS["thresholds"], ids=lambda row: row["id"])
def test_thresholds_spend_the_budget(row: dict) -> None:
    top, bottom = map(int, row["weight"].split("/"))
    facts = {"weight": top / bottom, "soaks": row["watches"], "parts": row["parts"]}
    assert threshold(row["alpha"], **facts) == close(row["null"])
    assert threshold(row["alpha_within"], **facts) == close(row["margin"])


def test_the_interval_of_a_share() -> None:
    row = VECTORS["intervals"][0]
    found = share_interval(row["k"], row["n"] - row["k"], row["alpha"])
    assert (found.low, found.high) == (close(row["low"]), close(row["high"]))


@pytest.mark.parametrize(
    ("hits", "others", "expected"),
    [(0, 0, Interval(0.0, 1.0)), (1, 0, None), (0, 1, None)],
)
def test_the_interval_of_little(hits: int, others: int, expected: Interval | None) -> None:
    found = share_interval(hits, others, 0.01)
    assert 0 <= found.low <= found.high <= 1
    assert expected is None or found == expected
    assert found.high == 1.0 or not hits
    assert found.low == 0.0 or hits


def test_the_smallest_shift_that_could_be_seen() -> None:
    row = VECTORS["mde"][0]
    found = detectable_shift(row["n"], row["p0"], row["tol"], null=row["A0"], margin=row["A1"])
    assert found == close(row["mde"])


def test_little_traffic_could_not_have_shown_anything() -> None:
    assert detectable_shift(10, 0.5, 0.05, null=6.4, margin=4.1) == math.inf
    assert detectable_shift(1e9, 0.03, 0.05, null=6.4, margin=4.1) == math.inf


@pytest.mark.parametrize("x", [-800.0, -1.0, 0.0, 1.0, 800.0])
def test_nothing_overflows(x: float) -> None:
    assert math.isfinite(softplus(x))
    assert 0 <= logistic(x) <= 1


def test_logit_undoes_logistic() -> None:
    assert logit(logistic(1.25)) == close(1.25)


def test_sums_of_nothing_are_nothing() -> None:
    assert log_sum_exp([]) == -math.inf
    assert log_sum_exp([-math.inf, -math.inf]) == -math.inf
    assert log_mean_exp([0.0, 0.0]) == 0.0


def test_equal_coins_do_not_diverge() -> None:
    assert kullback(0.3, 0.3) == 0.0
    assert kullback(0.0, 0.5) == close(math.log(2))


@pytest.mark.parametrize("p", [0.2, 0.4499, 0.45])
@pytest.mark.parametrize("total", [5, 20, 60])
def test_evidence_is_not_expected_to_grow_while_nothing_is_wrong(p: float, total: int) -> None:
    """E[LR] <= 1 over the whole null, by enumeration."""
    eta0 = logit(0.45)
    expected = math.fsum(
        math.comb(total, k)
        * p**k
        * (1 - p) ** (total - k)
        * math.exp(log_e_binomial(k, total - k, eta0, 1))
        for k in range(total + 1)
    )
    assert expected <= 1 + 1e-9
