"""What traffic could have shown: exact vectors, the table of the design, and too little traffic."""

import math
from dataclasses import replace

import pytest

from exact import VECTORS, close, rows
from rampguard.core.statistics import (
    HALF,
    NINE_OF_TEN,
    Demand,
    Hypothesis,
    detectable_ratio,
    detectable_shift,
    detectable_two_sample,
    information,
    information_two_sample,
    need,
)


def starts(each: float, demand: Demand, b: float = 0.6) -> float:
    return detectable_two_sample(each, each, Hypothesis(side=-1, guess=b, rho=0.95), demand)


def completions(each: float, demand: Demand) -> float:
    return detectable_two_sample(each, each, Hypothesis(side=-1, guess=0.75, drop=0.02), demand)


def errors(same: float, others: float, demand: Demand) -> float:
    return 1 + detectable_ratio(same, others, 1.2, 1, demand)


FOUND = {
    "share": lambda row, want: detectable_shift(
        row["n"], row["p0"], row["tol"], null=want.null, margin=want.margin, z=want.z
    ),
    "sessions": lambda row, want: starts(row["nT"], want, row["b"]),
    "errors history": lambda row, want: errors(row["R1"] * row["X0"] / row["R0"], row["X0"], want),
    "errors concurrent": lambda row, want: errors(row["RT"] * row["e"], row["RC"] * row["e"], want),
    "difference": lambda row, want: completions(row["nT"], want),
}


@rows("mde")
def test_the_smallest_effect(row: dict) -> None:
    want = Demand(null=row["A0"], margin=row["A1"], phi=row.get("phi", 1.0), z=row["z"])
    assert FOUND[row["kind"]](row, want) == close(row.get("mde", row.get("mde_ratio")))


TABLE = VECTORS["mde_table"]["rows"]
ONE, TWO = (
    Demand(null=row["null"], margin=row["margin"]) for row in VECTORS["thresholds"][:2]
)  # parts


@pytest.mark.parametrize("row", TABLE, ids=lambda row: f"{row['q']} a second, {row['h']} h")
def test_the_table_of_the_design(row: dict) -> None:
    requests = row["q"] * 3600 * row["h"]
    each = requests / 20
    for i, z in enumerate((HALF, NINE_OF_TEN)):
        one, two = replace(ONE, z=z), replace(TWO, z=z)
        shift = detectable_shift(2 * each, 0.5, 0.05, null=two.null, margin=two.margin, z=z)
        told = {
            "share": shift,
            "sessions": starts(each, one),
            "errors_history": errors(requests * 0.005, row["q"] * 86400 * 0.005, two),
            "errors_concurrent": errors(requests * 0.0025, requests * 0.0025, two),
            "completion": completions(each * 0.6, one),
        }
        assert told == {kind: close(row[kind][i], rel=1e-5) for kind in told}


def test_a_drop_of_counts() -> None:
    """A drop of the ratio by just so much carries the information that is needed."""
    drop = detectable_ratio(1200, 1500, 0.95, -1, ONE)
    kept = 1200 * (1 - drop)
    gained = information(kept, 1500, math.log(1200 / 1500 * 0.95))
    assert gained == pytest.approx(need(ONE.margin))
    assert 0.05 < drop < 0.3


def test_a_rise_of_two_rates() -> None:
    limit = Hypothesis(side=1, guess=0.3, rho=1.1)
    rise = detectable_two_sample(4000, 4000, limit, ONE)
    gained = information_two_sample(0.3 * (1 + rise), 4000, 4000, limit)
    assert gained == pytest.approx(need(ONE.margin))
    assert 0.1 < rise < 0.5


def test_half_is_found_where_the_information_is_just_enough() -> None:
    assert need(5.0) == pytest.approx(7.0)
    assert need(5.0, NINE_OF_TEN) > need(5.0)


TOO_LITTLE = {
    "a share of few": lambda: detectable_shift(10, 0.5, 0.05, null=6.4, margin=4.1),
    "a share that cannot fall so far": lambda: detectable_shift(
        1e9, 0.03, 0.05, null=6.4, margin=4.1
    ),
    "no hits expected": lambda: detectable_ratio(0, 90, 1.2, 1, ONE),
    "nothing to compare with": lambda: detectable_ratio(90, 0, 1.2, 1, ONE),
    "every drop is allowed": lambda: detectable_ratio(90, 90, 0.0, -1, ONE),
    "a drop of few": lambda: detectable_ratio(1, 1, 0.95, -1, ONE),
    "nobody in treatment": lambda: starts(0, ONE),
    "nobody in control": lambda: detectable_two_sample(9, 0, Hypothesis(side=-1, guess=0.5), ONE),
    "two samples of few": lambda: starts(2, ONE),
}


@pytest.mark.parametrize("found", TOO_LITTLE.values(), ids=TOO_LITTLE)
def test_little_traffic_could_not_have_shown_anything(found) -> None:
    assert found() == math.inf
