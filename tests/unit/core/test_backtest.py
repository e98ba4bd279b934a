"""What a history says of a plan, and what a person is told to look at."""

from dataclasses import replace
from datetime import timedelta
from functools import cache

import pytest
from scipy.stats import beta

from pasts import BEGIN, LABELS, PLAN, RULES, STEP, World, counts_of, past, threshold
from rampguard.core.ask import PromQL
from rampguard.core.backtest import Backtest, backtest
from rampguard.core.history import History, counted
from rampguard.core.model import Series
from rampguard.core.plan import Plan
from rampguard.core.remarks import Remark, effect_text, limit_text
from rampguard.core.replays import replayed, starts
from rampguard.core.trials import upper_end
from scenes import DAY, HOUR, MINUTE, plan

WORLD = World()


@cache
def found_in(world: World = WORLD, days: float = 2, our: Plan = PLAN) -> Backtest:
    told = counts_of(world, days, our)
    return backtest(our, told, [replayed(our, told, one) for one in starts(our, told)])


CALM = found_in()  # of which most rows are


@pytest.mark.parametrize(("hits", "runs"), [(0, 1), (0, 21), (1, 21), (3, 10), (199, 200)])
def test_the_upper_end_is_that_of_clopper_and_pearson(hits, runs):
    assert upper_end(hits, runs) == pytest.approx(beta.ppf(0.95, hits + 1, runs - hits), rel=1e-9)


def test_without_a_replay_nothing_is_known():
    assert upper_end(0, 0) == 1
    assert upper_end(5, 5) == 1


def test_the_past_is_told():
    assert (CALM.start, CALM.end, CALM.look) == (BEGIN, BEGIN + 2 * DAY, STEP)
    assert CALM.arriving == pytest.approx(1, rel=0.02)
    assert (CALM.gaps, CALM.missing, len(CALM.pods)) == ((), (), 2)


def test_each_guardrail_has_its_promise():
    assert [one.promised for one in CALM.tried] == pytest.approx([0.01 / 3] * 3)
    dry = plan(guardrails=(replace(RULES[0], dry_run=True), *RULES[1:]))
    assert [one.promised for one in found_in(our=dry).tried] == [None, 0.005, 0.005]


def test_what_ran_before_is_told():
    share, drop, errors = CALM.tried
    assert share.baseline is None
    assert drop.baseline.rate == pytest.approx(0.6, rel=0.02)
    assert errors.baseline.rate == pytest.approx(0.005, rel=0.1)
    assert [[s.part for s in one.spreads] for one in CALM.tried] == [
        ["share"],
        ["drop"],
        ["history", "concurrent"],
    ]
    lengths = [s.length // MINUTE for s in share.spreads[0].by_length]
    assert lengths == [5, 15, 60]
    assert [s.phi for s in share.spreads[0].by_length] == pytest.approx([1, 1, 1], abs=0.4)


def test_a_harmless_ramp_is_proven_so_at_some_time():
    share, drop, errors = (one.clears for one in CALM.tried)
    assert share < HOUR < drop < errors


def test_the_holes_of_the_past_are_told():
    told = found_in(World(absent=lambda at: 30 * HOUR < at <= 31 * HOUR))
    assert told.gaps == ((BEGIN + 30 * HOUR, BEGIN + 31 * HOUR + STEP),)
    brief = World(absent=lambda at: at == 30 * HOUR)  # of 10 min
    for allowed in (10 * MINUTE, 15 * MINUTE):
        assert found_in(brief, our=plan(guardrails=RULES, max_blind=allowed)).gaps == ()


def reasons(told: Backtest) -> set[tuple[str, Remark]]:
    return {(one.guardrail, one.remark) for one in told.warnings}


POOR = World(users=0.02, requests=0.05)
HOURLY = plan(guardrails=RULES, soak=HOUR)
STRICT = plan(guardrails=(*RULES[:2], replace(RULES[2], kill_switch=0.5)))
ERRORS, STARTS, SHARE = "errors-5xx", "session-starts", "exposure-balance"
# fmt: off
REMARKS: dict[str, tuple[World, float, Plan, str, Remark]] = {
    "too little traffic for twice the limit": (POOR, 2, PLAN, STARTS, Remark.CANNOT_SEE),
    "too little traffic to be proven harmless": (POOR, 2, PLAN, ERRORS, Remark.CANNOT_CLEAR),
    "an incident": (World(failing=lambda at: 6 if at >= DAY else 1), 2, PLAN, ERRORS, Remark.BROKE),
    "a short past": (WORLD, 0.5, HOURLY, ERRORS, Remark.SHORT),
    "too few errors to know how they vary": (World(errors=1e-6), 2, PLAN, ERRORS, Remark.ASSUMED),
    "users who are drawn in crowds": (
        World(drawn=lambda at: 0.1 + 0.06 * (at // HOUR % 2)), 2, PLAN, SHARE, Remark.REPEATING),
    "errors that follow the hours": (
        World(requests=200, failing=lambda at: 1 + 2 * (at // (6 * HOUR) % 2)), 2, PLAN, ERRORS,
        Remark.DRIFTING),
    "a kill-switch below what ran before": (WORLD, 2, STRICT, ERRORS, Remark.BLOCKED),
}
# fmt: on


def test_a_guardrail_that_compares_arms_needs_both():
    whole = plan(guardrails=RULES, origin=50, to=100)
    told = found_in(World(drawn=lambda _: 0.5), 2, whole)
    assert (told.tried[1].promised, told.tried[1].replays) == (None, 1)
    assert (STARTS, Remark.CANNOT_SEE) in reasons(told)
    first = found_in(World(drawn=lambda _: 0.0), 2, plan(guardrails=RULES, origin=0, to=10))
    assert (first.tried[1].promised, first.tried[1].replays) == (pytest.approx(0.01 / 3), 0)


@pytest.mark.parametrize(
    ("world", "days", "our", "guardrail", "remark"), REMARKS.values(), ids=REMARKS
)
def test_a_person_is_told_of(world, days, our, guardrail, remark):
    assert (guardrail, remark) in reasons(found_in(world, days, our))


def test_of_a_calm_past_little_is_told():
    assert reasons(CALM) <= {
        ("errors-5xx", Remark.CANNOT_CLEAR),
        ("session-starts", Remark.CANNOT_CLEAR),
    }


def test_the_sentence_says_how_long_it_would_take():
    (told,) = (
        one.message
        for one in found_in(World(users=0.1, requests=1)).warnings
        if (one.guardrail, one.remark) == ("session-starts", Remark.CANNOT_SEE)
    )
    assert told.startswith(
        "this traffic cannot show a drop of 10%, twice the limit, within the soak of 24h:"
        " half of such ramps would take "
    )


def test_a_free_query_has_extremes_and_no_promise():
    our = plan(guardrails=(threshold(),), soak=HOUR)
    points = tuple((BEGIN + i * STEP, i / 1000) for i in range(26 * 12 + 1))
    end = BEGIN + 26 * HOUR
    answers = {PromQL("p95"): (Series({}, points),)}
    told = counted(our, LABELS, History(start=BEGIN, end=end, step=STEP, answers=answers))
    found = backtest(our, told, [replayed(our, told, one) for one in starts(our, told)])
    (one,) = found.tried
    assert (one.extremes, one.promised, one.outlooks, one.clears) == (
        (0.001, 0.312),
        None,
        (),
        None,
    )
    assert (found.arriving, len(found.replays)) == (None, 2)


def test_a_free_query_without_an_answer_says_nothing():
    our = plan(guardrails=(*RULES, threshold()))
    told = counts_of(days=2, our=our)
    assert found_in(our=our).tried[3].extremes is None
    assert told.points == {"p95": "the query gives no sample"}


# fmt: off
WORDS: dict[str, tuple[str, str]] = {
    "a share": (effect_text(RULES[0], -1, 0.07), "a shift of 7 pp"),
    "starts": (effect_text(RULES[1], -1, 0.095), "a drop of 9.5%"),
    "errors": (effect_text(RULES[2], 1, 0.5), "x1.5"),
    "the limit of a share": (limit_text(RULES[0]), "±5 pp"),
    "the limit of starts": (limit_text(RULES[1]), "-5%"),
    "the limit of errors": (limit_text(RULES[2]), "x1.2"),
}
# fmt: on


@pytest.mark.parametrize(("told", "words"), WORDS.values(), ids=WORDS)
def test_effects_have_words(told, words):
    assert told == words


def test_the_same_past_gives_the_same():
    assert found_in.__wrapped__() == CALM
    assert past(days=2).end - BEGIN == timedelta(days=2)


def test_a_guardrail_that_counts_in_an_export_is_not_tried_and_that_is_told():
    users = replace(RULES[1], name="users", metric=None, event="session_started")
    share, other = (one for one in found_in(our=plan(guardrails=(RULES[0], users))).tried)
    assert (share.replays > 0, other.replays, other.broke) == (True, 0, ())
    assert (other.baseline, other.spreads, other.outlooks) == (None, (), ())
    warnings = found_in(our=plan(guardrails=(RULES[0], users))).warnings
    assert [(one.guardrail, one.remark) for one in warnings] == [("users", Remark.UNTRIED)]
