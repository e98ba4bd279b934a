"""Evidence on two rates against exact vectors, and where it must be silent."""

import math

import pytest

from exact import GRIDS, close, rows
from rampguard.core.statistics import Arm, Hypothesis, log_e_two_sample, null_point


def hypothesis(row: dict) -> Hypothesis:
    side = row.get("side", -1)
    return Hypothesis(side=side, guess=row["b"], rho=row["rho"], drop=row["d"])


@rows("two_sample_windows")
def test_evidence_on_two_rates(row: dict) -> None:
    treatment, control = Arm(row["kT"], row["nT"]), Arm(row["kC"], row["nC"])
    facts = {"effects": GRIDS[row["grid"]], "phi": row["phi"]}
    assert log_e_two_sample(treatment, control, hypothesis(row), **facts) == close(row["log_e"])


@rows("null_points")
def test_the_nearest_allowed_point(row: dict) -> None:
    found = null_point(row["a"], row["b"], row["nT"], row["nC"], hypothesis(row))
    assert found == close(row["x"])


@pytest.mark.parametrize("side", [1, -1])
def test_a_small_drop_is_nearly_none(side: int) -> None:
    arms = (Arm(300, 900), Arm(500, 1000)) if side < 0 else (Arm(500, 900), Arm(400, 1000))
    exact = log_e_two_sample(*arms, Hypothesis(side=side, guess=0.5, rho=1.05))
    near = log_e_two_sample(*arms, Hypothesis(side=side, guess=0.5, rho=1.05, drop=1e-9))
    assert near == pytest.approx(exact, rel=1e-6)


DROP = Hypothesis(side=-1, guess=0.5)
SILENT = {
    "no treatment": (Arm(0, 0), Arm(5, 10), DROP),
    "no control": (Arm(0, 10), Arm(0, 0), DROP),
    "more hits than units in treatment": (Arm(11, 10), Arm(5, 10), Hypothesis(side=1, guess=0.5)),
    "more hits than units in control": (Arm(1, 10), Arm(11, 10), DROP),
    "negative": (Arm(-1, 10), Arm(5, 10), DROP),
    "not a number": (Arm(math.nan, 10), Arm(5, 10), DROP),
    "equal rates": (Arm(5, 10), Arm(5, 10), DROP),
    "every rate is allowed": (
        Arm(0, 9),
        Arm(9, 9),
        Hypothesis(side=-1, guess=0.3, drop=0.4),
    ),
    "no rate is above all that is allowed": (
        Arm(9, 9),
        Arm(1, 9),
        Hypothesis(side=1, guess=0.9, drop=-0.4),
    ),
}


@pytest.mark.parametrize(("treatment", "control", "null"), SILENT.values(), ids=SILENT)
def test_silence(treatment: Arm, control: Arm, null: Hypothesis) -> None:
    assert log_e_two_sample(treatment, control, null) == -math.inf
