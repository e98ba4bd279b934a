"""The compiled twin of the mathematics against the exact vectors, and against core look by look."""

import json
import math
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("numba", reason="numba is in the dependency group `bench`: make setup")

from benchmarks.guardrails import compare, kernels, phi
from benchmarks.guardrails.rules import (
    ERRORS,
    NONE,
    SMALL,
    WIDE,
    fewer,
    more,
    odds,
    share_tests,
)
from benchmarks.guardrails.worlds import WORLDS

VECTORS = json.loads((Path(__file__).parents[1] / "vectors/twin.json").read_text())
GRIDS = {name: np.array(grid) for name, grid in VECTORS["grids"].items()}
PATHS = {row["id"]: row for row in VECTORS["paths"]}
LOOKS = 800


def close(value: float | None) -> object:
    return -math.inf if value is None else pytest.approx(value, rel=1e-6)


@pytest.mark.parametrize("row", VECTORS["binomial_windows"], ids=lambda row: row["id"])
def test_evidence_of_a_window(row: dict) -> None:
    args = float(row["k"]), float(row["c"]), row["eta0"], row["side"]
    assert kernels.log_e_binomial(*args, GRIDS[row["grid"]], row["phi"]) == close(row["log_e"])


@pytest.mark.parametrize(
    "row", [r for r in VECTORS["two_sample_windows"] if r["d"] == 0], ids=lambda row: row["id"]
)
def test_evidence_of_two_arms(row: dict) -> None:
    counts = (float(row[name]) for name in ("kT", "nT", "kC", "nC"))
    found = kernels.log_e_ratio(
        *counts, row["rho"], row["side"], row["b"], GRIDS[row["grid"]], row["phi"]
    )
    assert found == close(row["log_e"])


def test_the_grids_of_effects() -> None:
    assert pytest.approx(GRIDS["small"]) == SMALL
    assert pytest.approx(GRIDS["errors"]) == ERRORS
    assert pytest.approx(GRIDS["wide"]) == WIDE


def counted(*columns: np.ndarray) -> np.ndarray:
    """Return one run of cumulative counts; columns that are not given stay 0."""
    told = np.zeros((1, len(columns[0]) + 1, 4))
    for i, column in enumerate(columns):
        told[0, 1:, i] = np.cumsum(column)
    return told


@pytest.mark.parametrize(
    ("null", "key"), [(odds(0.5), "log_e_mixture_null"), (odds(0.45), "log_e_mixture")]
)
def test_evidence_over_onsets(null: float, key: str) -> None:
    (row,) = VECTORS["onset_mixture"]
    run = counted(np.repeat([450.0, 270], [26, 4]), np.repeat([450.0, 630], [26, 4]))[0]
    logs = np.empty(96)
    told = kernels.log_e_at(run, 30, 1, 96, NONE, null, True, -1, SMALL, 1.0, logs)
    assert told == close(row[key])


def share_path(change: int) -> np.ndarray:
    late = np.arange(LOOKS) >= change
    return counted(np.where(late, 9.0, 15.0), np.where(late, 21.0, 15.0))


def first(
    counts: np.ndarray, test: object, before: tuple[float, float], null: float, margin: float
) -> int:
    (found,) = kernels.first_breach(
        counts, np.ones((1, LOOKS), bool), 30, 96, np.array([before]), test.null, test.margin,
        test.fixed, test.side, test.effects, np.ones(1), null, margin,
    )  # fmt: skip
    return int(found)


def path(name: str) -> tuple[np.ndarray, object, tuple[float, float]]:
    ones = np.ones(LOOKS)
    share = share_tests(0.5, 0.05, SMALL)[1]
    match name:
        case "P1":
            return counted(12 * ones, 18 * ones), share, (0, 0)
        case "P2":
            return share_path(780), share, (0, 0)
        case _:
            return (
                counted(3 * ones, 0 * ones, 300 * ones, 0 * ones),
                more(0.2, ERRORS),
                (4320, 864e3),
            )


@pytest.mark.parametrize("name", ["P1", "P2", "P4"])
def test_the_look_of_a_breach(name: str) -> None:
    row = PATHS[name]
    told = VECTORS["path_settings"]["thresholds"][row["kind"]]
    two_level = first(*path(name), told["null"], told["margin"])
    assert two_level == row["first_look_two_level"] + _counted_from(name)
    strict = first(*path(name), -math.inf, told["null"])
    assert strict == row["first_look_strict"] + _counted_from(name)


def _counted_from(name: str) -> int:
    return 1 if name else 0  # the vectors number looks from 0


def test_the_look_of_a_breach_where_a_user_starts_once() -> None:
    row, ones = PATHS["P3"], np.ones(LOOKS)
    hits = np.where(np.arange(LOOKS) % 5 == 0, 8.0, 7.0)
    told = VECTORS["path_settings"]["thresholds"]["sessions"]
    (found,) = kernels.first_ratio_breach(
        counted(hits, 15 * ones, 9 * ones, 15 * ones), 30, 96, np.array([0.6]), 0.95, -1, SMALL,
        np.ones(1), told["null"], told["margin"], False, 0,
    )  # fmt: skip
    assert found[0] == row["first_look_two_level"] + 1
    assert found[1] == row["first_look_strict"] + 1


def test_overdispersion_of_two_arms() -> None:
    row = VECTORS["phi"][0]
    k, c, offset = (np.array([column], float) for column in zip(*row["batches"], strict=True))
    (found,) = phi._of_binomial(k, k + c, np.exp(offset), np.ones_like(offset))
    assert found == close(row["phi_upper"])


def test_overdispersion_of_a_history() -> None:
    row = VECTORS["phi"][1]
    x, r = (np.array([row[name]], float) for name in ("errors", "requests"))
    (found,) = phi._upper(x, r * x.sum() / r.sum(), r > 0, spread=1.0)
    assert found == close(row["phi_upper"])


def test_the_bound_that_prunes_is_never_below_the_evidence() -> None:
    draw = np.random.default_rng(5)
    for _ in range(500):
        d, p0 = draw.integers(1, 400), draw.uniform(0.01, 0.99)
        k = draw.binomial(d, draw.uniform(0.01, 0.99))
        side, spread = draw.choice([-1, 1]), draw.uniform(1, 5)
        run = counted(np.array([float(k)]), np.array([float(d - k)]))[0]
        bound = kernels.window_bound(run, 1, 0, NONE, odds(p0), True, side)
        eta0 = math.log(odds(p0))
        told = kernels.log_e_binomial(float(k), float(d - k), eta0, side, WIDE, spread)
        assert told <= bound / spread + 1e-9


def test_pruning_changes_no_verdict() -> None:
    draw, test = np.random.default_rng(7), fewer(0.05, SMALL)
    need = math.log(2)  # low, so that there are breaches
    for _ in range(5):
        n, m = draw.poisson(3.0, (2, LOOKS))
        run = counted(draw.binomial(n, 0.5), draw.binomial(m, 0.6), n, m)
        told = [
            kernels.log_e_path(run[0], 30, 27, NONE, factor, False, -1, SMALL, 1.3)
            for factor in (test.null, test.margin)
        ]
        slow = (told[0] >= need) & (told[1] >= need)
        (found,) = kernels.first_breach(
            run, np.ones((1, LOOKS), bool), 30, 27, np.zeros((1, 2)), test.null, test.margin,
            False, -1, SMALL, np.array([1.3]), need, need,
        )  # fmt: skip
        assert found == (slow.argmax() + 1 if slow.any() else 0)


def test_within_one_bin_sums_say_the_same() -> None:
    ones, test = np.ones(30), fewer(0.05, SMALL)
    run = counted(2 * ones, 8 * ones, 20 * ones, 20 * ones)
    found = [
        kernels.first_breach(
            one, np.ones((1, 30), bool), 30, 96, np.zeros((1, 2)), test.null, test.margin, False,
            -1, SMALL, np.ones(1), 4.6, 2.3,
        )
        for one in (run, kernels.matched(run, 30))
    ]  # fmt: skip
    assert found[0] == found[1] > 0


JUDGES = pytest.mark.parametrize("judge", [compare.by_statistics, compare.by_core])


@JUDGES
@pytest.mark.parametrize("world", ["plain", "all at once"])
def test_the_twin_says_what_core_says(world: str, judge: compare.Judge) -> None:
    (chosen,) = (one for one in WORLDS if one.name == world)
    looks = (1, 2, 29, 30, 31, 400, 1500)
    assert not list(compare.differences(judge, chosen, runs=2, looks=looks))


def test_a_judge_that_is_wrong_is_found_out() -> None:
    def wrong(facts: compare.Facts) -> compare.Evidence:
        told = compare.by_statistics(facts)
        return compare.Evidence(told.null, told.margin + 0.001)

    looks = (1500,)
    assert list(compare.differences(wrong, WORLDS[0], runs=2, looks=looks))


@pytest.mark.slow
@JUDGES
def test_the_twin_says_what_core_says_on_two_hundred_ramps(judge: compare.Judge) -> None:
    looks = range(97, 2881, 96)
    assert not list(compare.differences(judge, WORLDS[0], runs=200, looks=looks))
