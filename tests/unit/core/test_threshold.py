"""Threshold: samples of a query against max and min, for as long as `for` says."""

import math
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import pytest

from rampguard.core.ask import Guardrail, PromQL
from rampguard.core.guardrails import is_broken, judge_threshold, no_data
from rampguard.core.model import Judgement, Verdict
from scenes import HOUR, MINUTE, SHARE, SPEED, T, plan

STEP = timedelta(seconds=30)
NAN, INF = math.nan, math.inf
BREACHED, WITHIN, BLIND = Verdict.BREACHED, Verdict.WITHIN_TOLERANCE, Verdict.NO_DATA
TWO = replace(SPEED, lasting=2 * STEP)  # 0.8 or less, for a minute
FLOOR = replace(SPEED, maximum=None, minimum=0.2)
BAND = replace(SPEED, minimum=0.2)


def judged(rule: Guardrail, values: Sequence[float | None], *, end: timedelta = HOUR) -> Judgement:
    """Judge values a look apart, the last one `end` after T; None: no sample there."""
    at = T + end
    points = [
        (at - (len(values) - 1 - i) * STEP, value)
        for i, value in enumerate(values)
        if value is not None
    ]
    return judge_threshold(plan(guardrails=(rule,)), rule, points, at, T)


# fmt: off
ROWS: dict[str, tuple[Judgement, Verdict]] = {
    "below its max": (judged(SPEED, [0.5]), WITHIN),
    "at its max": (judged(SPEED, [0.8]), WITHIN),
    "above its max": (judged(SPEED, [0.81]), BREACHED),
    "at its min": (judged(FLOOR, [0.2]), WITHIN),
    "below its min": (judged(FLOOR, [0.19]), BREACHED),
    "a floor has no ceiling": (judged(FLOOR, [9.0]), WITHIN),
    "a ceiling has no floor": (judged(SPEED, [-9.0]), WITHIN),
    "inside of both": (judged(BAND, [0.5]), WITHIN),
    "above a band": (judged(BAND, [0.9]), BREACHED),
    "below a band": (judged(BAND, [0.1]), BREACHED),
    "a max of zero is a max": (judged(replace(SPEED, maximum=0.0), [0.1]), BREACHED),
    "a min of zero is a min": (judged(replace(FLOOR, minimum=0.0), [-0.1]), BREACHED),
    "broken for too short": (judged(TWO, [0.5, 0.9, 0.9]), WITHIN),
    "broken for exactly as long": (judged(TWO, [0.5, 0.9, 0.9, 0.9]), BREACHED),
    "broken for long, and well again": (judged(TWO, [0.9] * 9 + [0.5]), WITHIN),
    "a moment within its limits starts `for` anew": (
        judged(TWO, [0.9, 0.9, 0.5, 0.9, 0.9]), WITHIN),
    "from below a band to above it is one break": (judged(
        replace(BAND, lasting=2 * STEP), [0.1, 0.9, 0.1]), BREACHED),
    "one missed look does not start `for` anew": (judged(TWO, [0.9, None, 0.9]), BREACHED),
    "a hole of three looks does not either": (judged(TWO, [0.9, None, None, 0.9]), BREACHED),
    "a longer hole does": (judged(TWO, [0.9, 0.9, 0.9, None, None, None, 0.9]), WITHIN),
    "a NaN in the middle is no proof of a break": (judged(TWO, [0.9, NAN, 0.9, 0.9]), WITHIN),
    "a NaN before the break is none of it": (judged(TWO, [NAN, 0.9, 0.9, 0.9]), BREACHED),
    "an infinite value in the middle is no proof either": (
        judged(TWO, [0.9, INF, 0.9, 0.9]), WITHIN),
    "a NaN at the end": (judged(SPEED, [0.9, NAN]), BLIND),
    "an infinite value at the end": (judged(SPEED, [0.5, INF]), BLIND),
    "no sample at the end": (judged(SPEED, [0.9, None]), BLIND),
    "no sample at all": (judged(SPEED, []), BLIND),
}
# fmt: on


@pytest.mark.parametrize(
    ("value", "broken"), [(0.9, True), (0.8, False), (0.1, True), (NAN, False), (INF, False)]
)
def test_a_sample_is_beyond_a_limit_or_not(value: float, broken: bool) -> None:  # noqa: FBT001
    assert is_broken(BAND, (T, value)) is broken


@pytest.mark.parametrize(("found", "verdict"), ROWS.values(), ids=ROWS)
def test_each_answer_has_its_verdict(found: Judgement, verdict: Verdict) -> None:
    assert found.verdict is verdict


@pytest.mark.parametrize(
    ("found", "why"),
    [
        (judged(SPEED, []), "the query gives no sample"),
        (judged(SPEED, [0.9, None]), "the query gives no sample"),
        (judged(SPEED, [NAN]), "the query gives nan, no finite number"),
        (judged(SPEED, [INF]), "the query gives inf, no finite number"),
    ],
)
def test_what_cannot_be_judged_says_why_and_has_no_value(found: Judgement, why: str) -> None:
    assert (found.why, found.value, found.number, found.onset) == (why, "", None, None)
    assert (found.limit, found.query) == ("0.8 or less", "p95")


def test_a_sample_of_another_instant_is_none_of_this_look() -> None:
    for at in (T - STEP, T + STEP):
        assert judge_threshold(plan(), SPEED, [(at, 0.9)], T, T).verdict is BLIND


def test_of_what_a_server_says_the_beginning_is_kept() -> None:
    assert no_data(SPEED, "x" * 999).why == "x" * 512


def test_a_breach_is_dated_by_the_start_of_its_run() -> None:
    found = judged(TWO, [0.5, 0.9, 0.9, 0.9, 0.9])
    assert found.onset == T + HOUR - 3 * STEP
    assert found.why == "beyond its limit since 2026-11-23T12:58:30Z"


def test_a_break_that_is_too_short_says_since_when() -> None:
    found = judged(TWO, [0.5, 0.9])
    assert found.onset is None
    assert found.why == "beyond its limit since 2026-11-23T13:00:00Z, not for long enough"


@pytest.mark.parametrize(
    ("began", "ours"),
    [
        (timedelta(0), True),
        (30 * MINUTE, True),
        (30 * MINUTE + STEP, False),
        (5 * HOUR, False),
    ],
)
def test_only_a_break_within_half_an_hour_of_t0_is_the_ramps(began, ours) -> None:
    found = judged(TWO, [0.5, 0.9, 0.9, 0.9], end=began + 2 * STEP)
    assert found.onset == T + began
    assert found.attributable is ours


def test_what_is_not_broken_is_nobodys_fault() -> None:
    assert judged(SPEED, [0.5], end=9 * HOUR).attributable


@pytest.mark.parametrize(
    ("rule", "text"),
    [
        (SPEED, "0.8 or less"),
        (FLOOR, "0.2 or more"),
        (BAND, "0.2 or more and 0.8 or less"),
        (replace(SPEED, lasting=10 * MINUTE), "0.8 or less (for 10m)"),
        (replace(SPEED, maximum=0.0), "0 or less"),
    ],
)
def test_the_limit_reads_as_a_sentence(rule: Guardrail, text: str) -> None:
    assert judged(rule, [0.5]).limit == text
    assert no_data(rule, "why").limit == text


def test_the_judgement_shows_what_was_measured() -> None:
    found = judged(BAND, [0.5, 0.123456])
    assert (found.value, found.number, found.counted) == ("0.1235", 0.123456, 2)
    assert (found.limits, found.query, found.name) == ((0.2, 0.8), "p95", "p95")
    assert found.why == "beyond its limit since 2026-11-23T13:00:00Z"


def test_a_dry_run_is_judged_and_says_so() -> None:
    quiet = replace(SPEED, dry_run=True)
    assert (judged(quiet, [0.9]).verdict, judged(quiet, [0.9]).dry_run) == (BREACHED, True)
    assert (judged(quiet, []).verdict, judged(quiet, []).dry_run) == (BLIND, True)
    assert not judged(SPEED, [0.9]).dry_run


def test_an_exposure_guardrail_without_data_has_neither_query_nor_limit() -> None:
    found = no_data(SHARE, "an arm is silent")
    assert (found.verdict, found.why, found.limit, found.query) == (
        BLIND,
        "an arm is silent",
        "",
        "",
    )


def test_a_free_query_is_shown_as_it_was_written() -> None:
    query = PromQL('max(rate(x{a="\\"b"}[5m]))')
    assert judged(replace(SPEED, query=query), [0.5]).query == query
    assert judged(replace(SPEED, query=query), []).query == query
