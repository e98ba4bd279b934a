"""What rates say of the least that can be counted, and at the first and the last percent."""

import math
from dataclasses import replace

import pytest

from rampguard.core.statistics import Arm, ratio_interval
from rate_scenes import (
    ERRORS,
    ERRORS_BEFORE,
    MEASURED,
    SHORT,
    STARTS,
    STARTS_BEFORE,
    arms,
    bins,
    judged_at,
    one,
    part,
)
from scenes import DAY, HOUR, MINUTE, T


def starts(*told: tuple[float, float, float, float], to: int = 50, **rule: object):
    (only,) = judged_at(one(replace(STARTS, **rule), to=to), bins(*told), STARTS_BEFORE).parts
    return only


def errors(*told: tuple[float, float, float, float], before=ERRORS_BEFORE, to: int = 50):
    return judged_at(one(ERRORS, to=to), bins(*told), before)


# fmt: off
LEAST = {
    "one user in each arm": (arms(1, 1, 1, 1), "x1"),
    "one start in control": (arms(2, 4, 1, 4), "x2"),
    "nobody of treatment": (arms(0, 0, 1, 2), ""),
    "nobody of control": (arms(1, 2, 0, 0), ""),
    "nobody started": (arms(0, 1, 0, 1), "0% from 0%"),
    "nobody of control started": (arms(1, 2, 0, 2), "50.00% from 0%"),
}
# fmt: on


@pytest.mark.parametrize(("told", "value"), LEAST.values(), ids=LEAST)
def test_a_ratio_is_told_as_soon_as_there_is_one(told, value: str) -> None:
    assert starts(told).value == value


@pytest.mark.parametrize(("told", "value"), LEAST.values(), ids=LEAST)
def test_bounds_are_told_when_both_arms_have_users_and_they_say_something(told, value) -> None:
    treated, users, started, control = told
    shown = starts(told)
    if not (users and control):
        assert shown.interval == ""
        return
    bounds = ratio_interval(Arm(treated, users), Arm(started, control), 0.01)
    nothing = (bounds.low, bounds.high) == (0, float("inf"))
    assert shown.interval == ("" if nothing else f"[{bounds.low:.3g}, {bounds.high:.3g}]")


def test_what_could_be_seen_needs_a_user_in_each_arm() -> None:
    for told in (arms(0, 0, 90, 100), arms(90, 100, 0, 0)):
        assert starts(told).could_see == "too little traffic to show any drop yet"
    some = starts(arms(1, 1, 9_000, 10_000))
    assert some.could_see == "too little traffic to show any drop yet"
    assert starts(arms(9_000, 10_000, 9_000, 10_000)).could_see.startswith("could have seen a drop")


def test_what_could_be_seen_is_of_the_whole_soak() -> None:
    whole = starts(arms(9_000, 10_000, 9_000, 10_000))
    parts = starts(*[arms(900, 1_000, 900, 1_000)] * 10)
    assert parts.could_see == whole.could_see


def test_a_rise_that_could_be_seen_is_a_factor_above_1() -> None:
    text = part(errors(arms(5_000, 1e6, 5_000, 1e6)), "concurrent").could_see
    assert 1.2 < float(text.removeprefix("could have seen x").split()[0]) < 2


@pytest.mark.parametrize("to", [1, 50, 99])
def test_arms_are_compared_from_the_first_to_the_last_percent(to: int) -> None:
    assert starts(arms(1, 1, 1, 1), to=to).name == "drop"
    assert [p.name for p in errors(arms(1, 9, 1, 9), to=to).parts] == ["history", "concurrent"]


@pytest.mark.parametrize("to", [0, 100])
def test_arms_are_not_compared_where_one_must_be_empty(to: int) -> None:
    assert [p.name for p in errors(arms(1, 9, 1, 9), to=to).parts] == ["history"]


def test_no_tolerance_allows_no_change() -> None:
    for tolerance in (0.0, None):
        drop = judged_at(one(replace(STARTS, tolerance=tolerance)), bins(arms(1, 1, 1, 1)),
            STARTS_BEFORE)  # fmt: skip
        rise = judged_at(one(replace(ERRORS, tolerance=tolerance)), bins(arms(1, 9, 1, 9)),
            ERRORS_BEFORE)  # fmt: skip
        assert (drop.limits, rise.limits) == ((1.0, None), (None, 1.0))


def test_two_parts_share_the_level_of_their_bounds() -> None:
    told = arms(50, 1_000, 50, 1_000)
    treated, control = Arm(50, 1_000), Arm(50, 1_000)
    for before, level in ((ERRORS_BEFORE, 0.005), (replace(SHORT, phi_arms=MEASURED), 0.01)):
        bounds = ratio_interval(treated, control, level)
        shown = part(errors(told, before=before), "concurrent")
        assert shown.interval == f"[{bounds.low:.3g}, {bounds.high:.3g}]"


def test_windows_that_are_too_young_bear_no_evidence() -> None:
    once = one(replace(STARTS, once_per_user=True))
    told = bins(arms(4_800, 10_000, 6_000, 10_000))
    (young,) = judged_at(once, told, STARTS_BEFORE, at=T + 9 * MINUTE).parts
    assert (young.log_e_null, young.log_e_margin) == (-math.inf, -math.inf)


def test_what_a_drop_counted_is_of_the_whole_soak() -> None:
    told = bins(arms(1, 10, 2, 20), arms(3, 30, 4, 40))
    assert judged_at(one(STARTS), told, STARTS_BEFORE).counted == 100


def test_more_starts_than_assignments_are_seen_in_the_whole_soak() -> None:
    told = bins(arms(9, 5, 1, 5), arms(1, 5, 1, 5))
    once = replace(STARTS, once_per_user=True)
    assert "oncePerUser" not in judged_at(one(once), told, STARTS_BEFORE).why
    late = bins(arms(1, 5, 1, 5), arms(9, 5, 1, 5))
    assert "oncePerUser" not in judged_at(one(once), late, STARTS_BEFORE).why
    many = bins(arms(12, 5, 1, 5), arms(1, 5, 1, 5))
    assert "oncePerUser" in judged_at(one(once), many, STARTS_BEFORE).why


@pytest.mark.parametrize(("span", "marks"), [(DAY, ()), (HOUR, ("baseline of 1h",))])
def test_a_baseline_of_less_than_a_day_is_marked(span, marks) -> None:
    shown = part(errors(arms(1, 9, 1, 9), before=replace(ERRORS_BEFORE, span=span)), "history")
    assert shown.marks == marks
    longer = replace(ERRORS_BEFORE, span=2 * DAY)
    assert part(errors(arms(1, 9, 1, 9), before=longer), "history").marks == ()
