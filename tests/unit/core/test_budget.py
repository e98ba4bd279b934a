"""What each guardrail may spend of a ramp's chance of a false rollback."""

import math
from dataclasses import replace

import pytest

from exact import VECTORS
from rampguard.core.ask import Guardrail
from rampguard.core.budget import budget
from rate_scenes import ERRORS, ONCE, STARTS
from scenes import SHARE, SPEED, plan

QUIET = replace(ERRORS, name="quiet", dry_run=True)

WEIGHTS: dict[str, tuple[tuple[Guardrail, ...], dict, float]] = {
    "one": ((SHARE,), {}, 1),
    "one of each type": ((SHARE, STARTS, ERRORS), {}, 1 / 3),
    "a threshold is no test": ((SHARE, STARTS, ERRORS, SPEED), {}, 1 / 3),
    "a dry run does not decide": ((SHARE, STARTS, ERRORS, QUIET), {}, 1 / 3),
    "only a dry run": ((QUIET,), {}, 1),
    "only a threshold": ((SPEED,), {}, 1),
    "starts are not compared at 100 percent": ((SHARE, STARTS, ERRORS), {"to": 100}, 1 / 2),
    "starts are not compared at 0 percent": ((SHARE, STARTS, ERRORS), {"to": 0}, 1 / 2),
    "starts are compared at the smallest share": ((SHARE, STARTS, ERRORS), {"to": 1}, 1 / 3),
    "starts are compared at the largest": ((SHARE, STARTS, ERRORS), {"to": 99}, 1 / 3),
    "one per user neither": ((SHARE, ONCE, ERRORS), {"to": 100}, 1 / 2),
    "starts are compared on the way": (
        (SHARE, STARTS, ERRORS), {"to": 100, "steps": (20, 50)}, 1 / 3,
    ),
    "nothing can be compared at all": ((STARTS,), {"to": 100}, 1),
    "two of one type": ((ERRORS, replace(ERRORS, name="more")), {}, 1 / 2),
}  # fmt: skip


@pytest.mark.parametrize(("rules", "asked", "weight"), WEIGHTS.values(), ids=WEIGHTS)
def test_what_can_roll_back_shares_evenly(rules, asked, weight) -> None:
    assert budget(plan(guardrails=rules, **asked)).weight == pytest.approx(weight)


SOAKS = {"H1": ((SHARE, STARTS, ERRORS), ()), "H2": ((SHARE, STARTS, ERRORS), ())}
SOAKS["H3"] = ((SHARE, STARTS, ERRORS, *(replace(ERRORS, name=n) for n in "ab")), (20,))


@pytest.mark.parametrize("row", VECTORS["thresholds"], ids=lambda row: row["id"])
def test_thresholds_are_those_of_the_vectors(row: dict) -> None:
    rules, steps = SOAKS[row["id"]]
    spent = budget(plan(guardrails=rules, steps=steps))
    assert spent.null(row["parts"]) == pytest.approx(row["null"])
    assert spent.margin(row["parts"]) == pytest.approx(row["margin"])


@pytest.mark.parametrize(
    ("parts", "null", "margin"), [(1, 5.70378, 3.40120), (2, 6.39693, 4.09434)]
)
def test_three_guardrails_have_the_thresholds_of_the_design(parts, null, margin) -> None:
    spent = budget(plan(guardrails=(SHARE, STARTS, ERRORS)))
    assert (spent.null(parts), spent.margin(parts)) == pytest.approx((null, margin), rel=1e-5)


def test_the_strict_rule_asks_the_same_of_both() -> None:
    strict = budget(plan(alpha_within_tolerance=0.01))
    assert strict.null(2) == strict.margin(2)


@pytest.mark.parametrize("steps", [(), (20,), (20, 30, 40)])
def test_all_soaks_parts_and_guardrails_spend_alpha_in_all(steps) -> None:
    """The union bound, told as the sum of what each test may err."""
    rules = (SHARE, STARTS, ERRORS)
    our = plan(guardrails=rules, steps=steps)
    spent, parts = budget(our), (2, 1, 2)
    soaks = len(our.values)
    for ask, alpha in ((spent.null, our.ask.alpha), (spent.margin, our.ask.alpha_within_tolerance)):
        errs = soaks * sum(n * math.exp(-ask(n)) for n in parts)
        assert errs == pytest.approx(alpha)


def test_the_interval_that_people_see_has_the_level_of_one_guardrail_in_one_soak() -> None:
    assert budget(plan(guardrails=(SHARE, STARTS, ERRORS))).level == pytest.approx(0.01 / 3)
    assert budget(plan(guardrails=(SHARE,), steps=(20,))).level == pytest.approx(0.01 / 2)
    wide = plan(guardrails=(SHARE, STARTS, ERRORS), alpha=0.03)
    assert budget(wide).level == pytest.approx(0.03 / 3)


def test_a_type_that_nobody_knows_spends_nothing_unseen() -> None:
    with pytest.raises(AssertionError):
        budget(plan(guardrails=(replace(SHARE, type="new"),)))
