"""Soaks of the past, at the ends of what there is of it."""

from dataclasses import replace
from datetime import timedelta

import pytest

from pasts import BEGIN, LABELS, PLAN, RULES, STEP, World, counts_of, threshold
from rampguard.core.ask import Metrics, PromQL
from rampguard.core.history import History, counted
from rampguard.core.model import Baseline, Reading, Series
from rampguard.core.outlook import traffic
from rampguard.core.plan import Plan
from rampguard.core.replays import (
    Broke,
    Replay,
    _at_rest,
    _counted,
    _fires,
    _floor,
    _measured,
    _points,
    _recent,
    holes,
    replayed,
    taken,
)
from rampguard.core.trials import _pooled, _spreads, applies, tried, upper_end
from rate_scenes import ERRORS, ERRORS_BEFORE, MEASURED
from scenes import DAY, HOUR, MINUTE, SECOND, T, plan

TOLD = tuple(Reading(10**i, 2 * 10**i, 3 * 10**i) for i in range(6))


def readings(times: float) -> Reading:
    return Reading(times, 2 * times, 3 * times)


@pytest.mark.parametrize(
    ("step", "last", "now", "before"),
    [
        (30 * SECOND, 5, 111_100, 11_110),
        (30 * SECOND, 3, 1_111, 111),
        (30 * SECOND, 1, 11, 1),
        (30 * SECOND, 0, 1, 0),
        (2 * MINUTE, 4, 10_000, 1_000),
        (50 * SECOND, 4, 1.2 * 11_000, 1.2 * 1_100),
        (80 * SECOND, 4, 1.5 * 10_000, 1.5 * 1_000),
        (5 * MINUTE, 4, 0.4 * 10_000, 0.4 * 1_000),
    ],
)
def test_the_last_two_minutes_are_those_of_the_steps_around_them(step, last, now, before) -> None:
    assert _recent(TOLD, last, step) == (
        pytest.approx(readings(now)),
        pytest.approx(readings(before)),
    )


def test_a_look_sees_what_had_ended_by_then() -> None:
    told = counts_of(World(absent=lambda at: at == HOUR + 3 * STEP), days=0.25)
    for n in range(1, 6):
        seen = _measured(PLAN, told, BEGIN + HOUR, n)
        assert any(seen.silent) is (n == 3)
        index = 12 + n - 1
        assert seen.recent[0] == _recent(told.counts[0], index, STEP)


def p95(points: dict[timedelta, float], length: timedelta, our: Plan) -> object:
    told = tuple((BEGIN + i * STEP, points.get(i * STEP, 0.5)) for i in range(length // STEP + 1))
    history = History(start=BEGIN, end=BEGIN + length, step=STEP,
        answers={PromQL("p95"): (Series({}, told),)})  # fmt: skip
    return counted(our, LABELS, history)


@pytest.mark.parametrize("soak", [HOUR, HOUR - STEP])
def test_the_last_look_of_a_soak_may_break_and_the_one_after_it_not(soak: timedelta) -> None:
    rule, start = replace(threshold(), lasting=timedelta(0)), 2 * HOUR
    our = plan(guardrails=(rule,), soak=soak)
    for at, after in ((start + soak, [soak]), (start + soak + STEP, [])):
        told = p95({at: 0.9}, 4 * HOUR, our)
        assert [one.after for one in replayed(our, told, BEGIN + start).broke] == after


def test_a_query_that_gave_no_number_breaks_nothing() -> None:
    our = plan(guardrails=(threshold(),), soak=HOUR)
    two = tuple(Series({"a": a}, ((BEGIN + MINUTE, 1.0), (BEGIN + 3 * HOUR, 1.0))) for a in "xy")
    end = BEGIN + 4 * HOUR
    told = counted(our, LABELS, History(start=BEGIN, end=end, step=STEP, answers={"p95": two}))
    assert replayed(our, told, BEGIN + HOUR).broke == ()


def test_what_broke_already_leaves_the_others_on() -> None:
    our = plan(guardrails=(replace(ERRORS, name="first"), replace(ERRORS, name="other")))
    known = tuple(replace(ERRORS_BEFORE, guardrail=name) for name in ("first", "other"))
    burst = Reading(other=600), Reading(other=600)
    asked = Reading(other=1_000), Reading(other=1_000)
    measured = replace(_measured(our, counts_of(days=0.1, our=PLAN), BEGIN, 1),
        recent=(burst, asked))  # fmt: skip
    assert _fires(our, known, T, measured, {"first": None})
    assert not _fires(our, known, T, measured, {"first": None, "other": None})


def test_samples_are_looked_at_for_an_hour_before_their_for() -> None:
    told = tuple((T + i * MINUTE, 1.0) for i in range(300))
    found = _points(told, T, T + 200 * MINUTE, 10 * MINUTE)
    assert (found[0], found[-1]) == (told[130], told[200])
    assert _points(told, T + 150 * MINUTE, T + 200 * MINUTE, 10 * MINUTE)[0] == told[150]


def test_a_hole_is_more_than_a_step() -> None:
    whole = counts_of(days=0.25)
    for start in (MINUTE, timedelta(0)):
        assert list(holes(PLAN, whole, BEGIN + start, whole.end)) == []
    last = counts_of(World(absent=lambda at: at >= 6 * HOUR), days=0.25)
    assert list(holes(PLAN, last, last.start, last.end)) == []


def test_a_hole_of_any_family_is_one() -> None:
    told = counts_of(days=0.25)
    for i in range(len(told.present)):
        silent = (True,) * 10 + (False,) * 10 + (True,) * (told.steps - 20)
        present = tuple(silent if n == i else one for n, one in enumerate(told.present))
        assert len(list(holes(PLAN, replace(told, present=present), told.start, told.end))) == 1


def test_at_rest_only_the_last_value_is_another() -> None:
    our = plan(guardrails=RULES, steps=(25, 40))
    assert _at_rest(our, STEP).values == (*our.values[:-1], our.ask.origin)


@pytest.mark.parametrize("steps", [1, 11, 288])
def test_a_baseline_of_the_past_is_of_what_there_is(steps: int) -> None:
    told = counts_of(days=2)
    found = taken(PLAN, told, BEGIN + steps * STEP)
    errors = next(one for one in found if one.guardrail == "errors-5xx")
    assert errors.span == steps * STEP
    assert errors.exposure == sum(one.all for one in told.counts[-1][:steps])


@pytest.mark.parametrize("first", [288, 289, 290, 291])
def test_bins_begin_with_the_soak_wherever_that_is(first: int) -> None:
    told, start = counts_of(days=2), BEGIN + first * STEP
    share, _, users, *_ = _counted(
        PLAN, told, start, 7, _measured(PLAN, told, start, 7)
    ).counted.counts
    new = told.counts[0][first : first + 7]
    assert [one.total for one in share] == [
        sum(one.total for one in part) for part in (new[:3], new[3:6], new[6:])
    ]
    assert sum(one.total for one in users) == sum(one.total for one in new[1:])


def test_a_span_is_cut_to_whole_steps() -> None:
    assert _floor(HOUR + 4 * MINUTE, STEP) == HOUR


# --- trials ---


@pytest.mark.parametrize(
    ("length", "counts"), [(10, [10, 35]), (11, [15, 40]), (12, [20, 45]), (4, []), (5, [10])]
)
def test_minutes_are_pooled_from_the_end(length: int, counts: list[int]) -> None:
    told = tuple(Reading(other=i) for i in range(length))
    assert [one.other for one in _pooled(told, MINUTE)] == counts


@pytest.mark.parametrize(
    ("shares", "both"),
    [((0,), False), ((1,), True), ((99,), True), ((100,), False), ((0, 50), True)],
)
def test_arms_are_compared_between_0_and_100(shares, both: bool) -> None:  # noqa: FBT001
    assert applies(RULES[1], shares) is both
    assert applies(RULES[0], shares)


def test_as_many_breaches_as_replays_bound_nothing() -> None:
    assert [upper_end(n, n) for n in (0, 1, 5, 300)] == [1.0] * 4


def test_each_guardrail_has_its_own_breaches() -> None:
    told, our = counts_of(days=2), plan(guardrails=RULES)
    broke = tuple(
        Broke(guardrail=one.name, after=HOUR, decides=True, acts=True, why="") for one in RULES
    )
    replays = [Replay(start=BEGIN, before=DAY, broke=broke)]
    known = taken(our, told, told.end)
    found = tried(our, told, replays, known, traffic(our, told))
    assert [[b.guardrail for _, b in one.broke] for one in found] == [[r.name] for r in RULES]


def spread(index: int, days: float, our: Plan = PLAN, before: Baseline | None = None) -> dict:
    told = counts_of(days=days, our=our)
    return {one.part: one for one in _spreads(our, our.ask.guardrails[index], before, told)}


def test_what_varies_is_of_all_that_there_is_of_a_day() -> None:
    history = replace(ERRORS_BEFORE, phi_history=MEASURED)
    short, long = spread(2, 0.5, before=history), spread(2, 2, before=history)
    assert short["history"].by_length[0].batches == 144
    assert long["history"].by_length[0].batches == 288


def test_the_share_is_a_draw_per_user_and_of_new_ones() -> None:
    narrow = PromQL('assignments_total{experiment="tree",source="new"}')
    our = plan(guardrails=RULES, metrics=Metrics(assignments=narrow))
    told = counts_of(days=1)
    new, every = told.counts[0], tuple(Reading(9, 1) for _ in told.counts[0])
    both = replace(told, counts=(new, every, *told.counts[1:], new)[: len(our.families)])
    (found,) = _spreads(our, RULES[0], None, both)
    assert found.used.value == 1.0
    assert found.by_length == spread(0, 1)["share"].by_length
