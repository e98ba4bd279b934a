"""What traffic can show: the figures of the design, and what no traffic can."""

import json
import math
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from pasts import BEGIN, PLAN, RULES, STEP
from rampguard.core.history import Counts
from rampguard.core.model import Baseline, Phi, Reading
from rampguard.core.outlook import (
    Outlook,
    Visible,
    first_step,
    outlooks,
    split,
    traffic,
)
from rampguard.core.plan import Plan, make_plan
from scenes import DAY, HOUR, MINUTE, plan

MEASURED = Phi(value=1.0, batch=STEP)
ONCE = replace(RULES[1], once_per_user=True)
STARTS = Baseline(guardrail="session-starts", span=DAY, rate=0.6, phi_arms=MEASURED, armed=True)


def day(requests: float = 10.0, days: float = 1, swing: float = 0.4, our: Plan = PLAN) -> Counts:
    """Return a day with so many a second in the mean, fewest at its beginning."""
    count, users = round(days * DAY / STEP), requests / 10
    seconds = [STEP.total_seconds() * (1 - swing * math.cos(2 * math.pi * (i + 0.5) * STEP / DAY))
               for i in range(count)]  # fmt: skip
    rates = {
        "assignments_total": users,
        "starts_total": 0.6 * users,
        "errors_total": 0.005 * requests,
        "requests_total": requests,
    }
    told = [rates[family.selector] for family in our.families]
    return Counts(
        start=BEGIN,
        step=STEP,
        counts=tuple(tuple(Reading(0.9 * r * s, 0.1 * r * s) for s in seconds) for r in told),
        present=((True,) * count,) * len(told),
    )


def errors(requests: float = 10.0, **facts: object) -> Baseline:
    told = Baseline(
        guardrail="errors-5xx",
        span=DAY,
        hits=0.005 * requests * 86_400,
        exposure=requests * 86_400,
        rate=0.005,
        phi_history=MEASURED,
        phi_arms=MEASURED,
        enough=True,
    )
    return replace(told, **facts)


def seen(index: int, requests: float, baseline: Baseline | None, our: Plan = PLAN) -> Outlook:
    rule = our.ask.guardrails[index]
    return outlooks(our, rule, baseline, traffic(our, day(requests)))[0]


ALL_ONCE = plan(guardrails=(RULES[0], ONCE, RULES[2]))
TABLE = json.loads((Path(__file__).parents[2] / "vectors/guardrails.json").read_text())["mde_table"]
# Which guardrail and part of it a column is of, and what it is told relative to.
COLUMNS = {
    "share": (0, "lower", 0),
    "sessions": (1, "drop", 0),
    "errors_history": (2, "history", 1),
    "errors_concurrent": (2, "concurrent", 1),
}


@pytest.mark.parametrize("column", COLUMNS)
@pytest.mark.parametrize("row", TABLE["rows"], ids=lambda row: f"{row['q']}-{row['h']}h")
def test_the_smallest_visible_effects_are_those_of_the_design(row, column):
    index, part, same = COLUMNS[column]
    our = make_plan(ALL_ONCE.ask, replace(ALL_ONCE.tempo, lag=timedelta(0)))
    before = (None, STARTS, errors(row["q"], armed=True))[index]
    coming = traffic(our, day(row["q"], swing=0, our=our))
    told = outlooks(our, our.ask.guardrails[index], before, coming)
    (outlook,) = (one for one in told if one.part == part)
    (found,) = (one for one in outlook.visible if one.after == row["h"] * HOUR)
    assert (same + found.half, same + found.ninety) == pytest.approx(row[column], rel=1e-4)


def test_starts_that_cluster_need_more():
    once, clustered = (seen(1, 10, STARTS, our) for our in (ALL_ONCE, PLAN))
    wide = seen(1, 10, replace(STARTS, phi_arms=Phi(value=4.0, batch=STEP)))
    at_6_h = [one.visible[1].half for one in (once, clustered, wide)]
    assert at_6_h == sorted(at_6_h)
    assert at_6_h[2] > 1.5 * at_6_h[1]


def test_more_is_needed_to_be_surer_and_less_later():
    for index, baseline in ((0, None), (1, STARTS), (2, errors())):
        told = seen(index, 10, baseline)
        assert all(one.half < one.ninety for one in told.visible)
        halves = [one.half for one in told.curve]
        assert halves == sorted(halves, reverse=True)
        assert all(one.half > told.limit for one in told.visible)


def test_an_effect_is_found_when_it_is_visible():
    for one in seen(0, 10, None).found:
        times = [one.half - STEP, one.half] if one.half > STEP else [one.half]
        for at in times:
            our = plan(guardrails=RULES, soak=at)
            (told, *_) = outlooks(our, RULES[0], None, traffic(our, day()))
            assert (told.visible[-1].half <= one.effect) is (at == one.half)


def test_effects_within_the_limit_are_not_waited_for():
    wide = plan(guardrails=(replace(RULES[0], tolerance=10.0), *RULES[1:]))
    assert [one.effect for one in seen(0, 10, None, wide).found] == [0.2]


def test_a_share_has_two_sides_where_it_can_leave_on_both():
    def sides(to: int) -> dict[str, int]:
        our = plan(guardrails=RULES, to=to)
        told = outlooks(our, RULES[0], None, traffic(our, day()))
        return {one.part: one.side for one in told}

    assert sides(50) == {"lower": -1, "upper": 1}
    assert sides(5) == {"upper": 1}  # 5 points of tolerance
    assert sides(6) == {"lower": -1, "upper": 1}
    assert sides(100) == {"lower": -1}


def test_a_share_cannot_fall_below_nothing():
    our = plan(guardrails=RULES, to=8)
    low, high = outlooks(our, RULES[0], None, traffic(our, day()))
    assert [one.effect for one in low.found] == [0.07]
    assert (low.twice.effect, high.twice.effect) == (0.08, 0.1)
    assert [one.effect for one in high.found] == [0.07, 0.1, 0.2]


def test_what_compares_arms_sees_nothing_where_one_is_empty():
    whole = plan(guardrails=RULES, to=100)
    coming = traffic(whole, day())
    assert outlooks(whole, RULES[1], STARTS, coming) == ()
    parts = outlooks(whole, RULES[2], errors(armed=True), coming)
    assert [one.part for one in parts] == ["history"]


def test_errors_are_seen_against_the_time_before_and_between_the_arms():
    parts = outlooks(PLAN, RULES[2], errors(armed=True), traffic(PLAN, day()))
    assert [one.part for one in parts] == ["history", "concurrent"]
    assert parts[0].visible[1].half < parts[1].visible[1].half  # half of the errors on each side


def test_without_history_errors_are_seen_between_the_arms():
    alone = errors(armed=True, enough=False)
    parts = outlooks(PLAN, RULES[2], alone, traffic(PLAN, day()))
    assert [one.part for one in parts] == ["concurrent"]


def test_without_traffic_nothing_is_ever_seen():
    told = seen(1, 0, STARTS)
    assert {one.half for one in told.visible} == {math.inf}
    assert (told.twice.half, told.twice.ninety) == (None, None)


def test_the_last_day_is_that_of_each_day_to_come():
    coming = traffic(PLAN, day(days=2))
    new = PLAN.families[0]
    one, three = (coming.until(new, n * DAY).total for n in (1, 3))
    assert (one, three) == (pytest.approx(86_400), pytest.approx(3 * 86_400))
    assert coming.until(new, 25 * HOUR).total - one == pytest.approx(coming.until(new, HOUR).total)


def test_a_short_past_comes_again_and_again():
    coming = traffic(PLAN, day(days=0.25))
    new = PLAN.families[0]
    assert coming.until(new, DAY).total == pytest.approx(4 * coming.until(new, 6 * HOUR).total)


def test_between_steps_counts_grow_evenly():
    coming, new = traffic(PLAN, day()), PLAN.families[0]
    half, whole = (coming.until(new, t).total for t in (STEP / 2, STEP))
    assert half == pytest.approx(whole / 2)


@pytest.mark.parametrize("steps", [1, 2, 6, 7])
def test_a_past_of_few_steps_is_one(steps: int) -> None:
    coming = traffic(PLAN, day(days=steps * STEP / DAY, swing=0))
    assert coming.until(PLAN.families[0], HOUR).total == pytest.approx(3_600)


@pytest.mark.parametrize(("to", "parts"), [(0, 0), (1, 1), (99, 1), (100, 0)])
def test_arms_are_compared_between_0_and_100_percent(to: int, parts: int) -> None:
    our = plan(guardrails=RULES, origin=50, to=to)
    coming = traffic(our, day())
    assert len(outlooks(our, RULES[1], STARTS, coming)) == parts
    assert len(outlooks(our, RULES[2], errors(armed=True), coming)) == 1 + parts


def test_a_part_that_is_alone_has_all_of_the_evidence() -> None:
    both, alone = (seen(2, 10, errors(armed=armed)) for armed in (True, False))
    assert both.part == alone.part == "history"
    assert alone.visible[1].half < both.visible[1].half


def test_no_tolerance_is_a_limit_of_nothing() -> None:
    rules = tuple(replace(one, tolerance=None) for one in RULES)
    our = plan(guardrails=rules)
    for index, before in enumerate((None, STARTS, errors(armed=True))):
        assert {one.limit for one in outlooks(our, rules[index], before, traffic(our, day()))} == {
            0
        }


@pytest.mark.parametrize(("rate", "guess"), [(0.0, 0.01), (1.0, 0.99)])
def test_a_guess_of_the_rate_is_never_certain(rate: float, guess: float) -> None:
    told = [seen(1, 10, replace(STARTS, rate=one), ALL_ONCE) for one in (rate, guess)]
    assert told[0].visible == told[1].visible
    assert told[0].visible[1].half < math.inf


def test_nothing_drops_by_more_than_all() -> None:
    wide = plan(guardrails=(RULES[0], replace(RULES[1], tolerance=60.0), RULES[2]))
    assert seen(1, 10, STARTS, wide).twice.effect == 1.0


def test_starts_count_from_their_lag_on():
    coming, starts = traffic(PLAN, day()), PLAN.families[1]
    assert coming.until(starts, MINUTE).total == 0
    assert coming.until(starts, STEP).total == pytest.approx(
        0.6 * coming.until(PLAN.families[0], STEP).total * 0.6
    )


def test_no_past_is_no_traffic():
    coming = traffic(PLAN, Counts(start=BEGIN, step=STEP, counts=((),) * 5))
    assert coming.until(PLAN.families[0], DAY) == Reading()


def test_arms_are_split_as_at_the_new_share():
    assert split(Reading(90, 10, 5), 0.5) == Reading(50, 50, 5)
    assert split(Reading(90, 10, 5), 0.2) == Reading(80, 20, 5)


def test_what_holds_at_once_holds_from_the_first_step():
    assert first_step(lambda _: True, STEP) == STEP
    assert first_step(lambda after: after >= timedelta(minutes=17), STEP) == 4 * STEP
    assert first_step(lambda _: False, STEP) is None
    assert first_step(lambda after: after >= 60 * DAY, STEP) == 60 * DAY
    assert first_step(lambda after: after > 60 * DAY, STEP) is None
    week = 7 * MINUTE  # of which 60 days are no whole number
    assert first_step(lambda after: after >= 60 * DAY, week) is None


def test_a_short_soak_is_told_at_its_end():
    our = plan(guardrails=RULES, soak=10 * MINUTE)
    told = outlooks(our, RULES[0], None, traffic(our, day()))[0]
    assert [one.after for one in told.visible] == [10 * MINUTE]
    assert (told.curve[0].after, told.curve[-1].after) == (STEP, 10 * MINUTE)
    assert isinstance(told.curve[0], Visible)
    for soak in (12 * MINUTE, HOUR, 6 * HOUR):
        our = plan(guardrails=RULES, soak=soak)
        told = outlooks(our, RULES[0], None, traffic(our, day()))[0]
        assert [one.after for one in told.visible] == [i for i in (HOUR,) if i < soak] + [soak]
        assert told.curve[-1].after == soak
