"""Signals before the first write, baselines, and kill-switches while a value is being written."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from fakes import FakeMetrics, Mood
from look_scenes import (
    ALONE,
    BLIND,
    BOTH,
    BREACHED,
    COUNTER,
    DROP,
    ERRORS,
    KNOWN,
    MANY,
    P95,
    PODS,
    RATE,
    REQUESTS,
    STARTS,
    STRANGERS,
    WITHIN,
    answer,
    asked,
    fail,
    killing,
    look,
    rewrite,
    serve_all,
    spoil,
)
from rampguard.core.ask import PromQL
from rampguard.core.model import (
    Baseline,
    Evidence,
)
from rampguard.core.plan import Plan
from rampguard.engine.signals import UNREAD, Signals, kills, signals
from rampguard.ports import Unavailable, World
from scenes import DAY, HOUR, MINUTE, SECOND, SHARE, SPEED, T, applying, plan, soaking

# --- signals before the start


async def missing(world: World, of: Plan = BOTH) -> tuple[str, ...]:
    world.clock.advance(MINUTE)
    return (await signals(of, world, PODS)).missing


async def test_with_every_signal_nothing_is_missing(world):
    assert await missing(world) == ()


async def test_every_missing_signal_is_named_with_its_query(world, metrics):
    metrics.mood = Mood.SILENT
    query = asked(world)
    assert await missing(world) == (
        f"share: no series of a pod of the targets for assignments_total ({query})",
        "p95: the query gives no sample (p95)",
    )


@pytest.mark.parametrize(
    ("mood", "why"),
    [
        (Mood.DOWN, "prometheus does not answer"),
        (Mood.PARTIAL, "prometheus answered in part: warning: a store is missing"),
        (Mood.BAD_QUERY, "1:5: parse error"),
        (Mood.NAN, "the query gives nan, no finite number"),
    ],
)
async def test_an_answer_that_cannot_be_judged_is_a_missing_signal(world, metrics, mood, why):
    metrics.mood = mood
    assert await missing(world, ALONE) == (f"p95: {why} (p95)",)


async def test_one_missing_signal_hides_no_other(world, metrics):
    answer(metrics, lambda after: None)
    assert [one.split(":")[0] for one in await missing(world)] == ["p95"]


async def test_what_is_beyond_its_limit_already_is_not_the_ramps_to_answer_for(world, metrics):
    answer(metrics, lambda after: 9.0)
    (why,) = await missing(world)
    assert why.startswith("p95: 9 is beyond its limit already, 0.8 or less")


async def test_a_dry_run_needs_no_signal(world, metrics):
    metrics.mood = Mood.SILENT
    quiet = plan(guardrails=(SHARE, replace(SPEED, dry_run=True)))
    assert [one.split(":")[0] for one in await missing(world, quiet)] == ["share"]


async def test_several_series_are_a_missing_signal(world):
    rules = (replace(SPEED, query=PromQL(COUNTER)),)
    assert await missing(world, plan(guardrails=rules, arms=None, metrics=None)) == (
        f"p95: the query gives 2 series; one number is expected ({COUNTER})",
    )


async def test_signals_are_asked_at_one_settled_instant(world, metrics):
    await missing(world)
    assert {at for _, at in metrics.asked} == {T + MINUTE - 15 * SECOND}


ONLY_RATES = plan(guardrails=(DROP, RATE), soak=DAY)


async def ask_signals(
    world: World, of: Plan = ONLY_RATES
) -> tuple[tuple[str, ...], tuple[Baseline, ...]]:
    world.clock.advance(DAY + MINUTE)
    found = await signals(of, world, PODS)
    return found.missing, found.baselines


async def test_who_exports_what_is_noted_with_the_signals(world, metrics):
    serve_all(metrics)
    world.clock.advance(DAY + MINUTE)
    exporters = (await signals(MANY, world, PODS)).exporters
    assert dict(exporters) == dict.fromkeys((COUNTER, STARTS, ERRORS, REQUESTS), ("api",))


async def test_without_all_signals_nobody_is_noted(world, metrics):
    metrics.mood = Mood.SILENT
    world.clock.advance(MINUTE)
    found = await signals(BOTH, world, PODS)
    assert found.missing
    assert found.exporters == ()


async def test_a_dry_run_that_is_no_number_does_not_hinder_the_start(world, metrics):
    """Who exports it is known all the same."""
    real = metrics.instant

    async def instant(source, query, at):
        found = await real(source, query, at)
        return tuple(replace(one, value=float("nan")) for one in found)

    metrics.instant = instant
    world.clock.advance(MINUTE)
    quiet = plan(guardrails=(replace(SHARE, dry_run=True), SPEED))
    assert await signals(quiet, world, PODS) == Signals(exporters=((COUNTER, ("api",)),))


async def test_a_dry_run_that_only_another_app_counts_is_blind_alone(world, metrics):
    for arm in ("tree", "list"):
        metrics.count(STARTS, 5.0, variant=arm, namespace="app", instance="s", pod="shop-1-a")
    quiet = plan(guardrails=(SHARE, replace(DROP, dry_run=True)))
    missing, baselines = await ask_signals(world, quiet)
    assert missing == ()
    stage = soaking(evidence=Evidence(t0=T + DAY, counted_to=T + DAY))
    found = await look(world, DAY + HOUR, quiet, stage, baselines)
    share, starts = found.judgements
    assert (share.counted, share.verdict) == (3600, WITHIN)
    assert (starts.verdict, starts.why) == (BLIND, STRANGERS.format(2, STARTS))


async def test_baselines_are_taken_with_the_signals(world, metrics):
    serve_all(metrics)
    missing, (drop, rate) = await ask_signals(world, MANY)
    assert missing == ()
    assert (drop.guardrail, drop.armed, drop.enough, drop.rate) == ("starts", True, True, 0.5)
    assert (rate.guardrail, rate.armed, rate.enough, rate.rate) == ("errors", True, True, 0.01)
    assert (rate.span, rate.hits, rate.exposure) == (DAY, 8640, 864_000)


async def test_a_baseline_ends_at_the_settled_instant_and_asks_each_selector_once(world, metrics):
    serve_all(metrics)
    await ask_signals(world)
    at = world.clock.now() - 15 * SECOND
    days = [(query, end) for query, start, end, _ in metrics.spans if end - start == DAY]
    names = (STARTS, COUNTER, ERRORS, REQUESTS)
    assert sorted(days) == sorted((asked(world, name), at) for name in names)
    lately = [query for query, start, end, _ in metrics.spans if end - start == 2 * MINUTE]
    assert sorted(lately) == sorted(asked(world, name) for name in (ERRORS, REQUESTS))
    assert len(metrics.spans) == len(days) + len(lately)


async def test_a_ramp_that_compares_with_nothing_takes_no_baseline(world, metrics):
    assert await ask_signals(world, BOTH) == ((), ())
    assert [query for query, *_ in metrics.spans] == [P95]


@pytest.mark.parametrize(
    ("hidden", "missing"),
    [
        ({"__name__": STARTS}, [("starts", "no series of a pod of the targets for starts_total")]),
        (
            {"__name__": STARTS, "variant": "list"},
            [("starts", 'no series with variant="list" of a pod of the targets; there are: tree')],
        ),
        ({"__name__": ERRORS}, [("errors", "no series of a pod of the targets for errors_total")]),
        (
            {"__name__": REQUESTS},
            [("errors", "no series of a pod of the targets for requests_total")],
        ),
        (
            {"pod": "api-1-a"},
            [
                ("starts", "no series of a pod of the targets for starts_total"),
                ("errors", "no series of a pod of the targets for errors_total"),
            ],
        ),
    ],
)
async def test_each_missing_signal_of_a_rate_is_named_with_its_query(
    world, metrics, hidden, missing
):
    serve_all(metrics)
    metrics.hidden = lambda labels: hidden.items() <= labels.items()
    told, baselines = await ask_signals(world)
    queries = {"starts": asked(world, STARTS), "errors": asked(world, ERRORS)}
    assert list(told) == [f"{name}: {why} ({queries[name]})" for name, why in missing]
    assert [one.guardrail for one in baselines] == ["starts", "errors"]


async def test_errors_need_no_arms_where_history_is_long_enough(world, metrics):
    place = {"namespace": "app", "instance": "a", "pod": "api-1-a"}
    metrics.count(REQUESTS, 10.0, **place)
    metrics.count(ERRORS, 0.1, **place)
    missing, (baseline,) = await ask_signals(world, plan(guardrails=(RATE,)))
    assert missing == ()
    assert (baseline.armed, baseline.enough) == (False, True)


async def test_errors_without_arms_and_without_history_have_nothing_to_compare_with(world, metrics):
    world.clock.advance(30 * MINUTE)
    place = {"namespace": "app", "instance": "a", "pod": "api-1-a"}
    metrics.count(REQUESTS, 10.0, **place)
    metrics.count(ERRORS, 0.1, **place)
    world.clock.advance(30 * MINUTE)
    (why,) = (await signals(plan(guardrails=(RATE,)), world, PODS)).missing
    assert why.startswith("errors: neither a label of the arm on the requests nor 1h of history")
    assert why.endswith(f"({asked(world, ERRORS)})")


async def test_a_kill_switch_too_near_to_what_is_usual_is_a_missing_signal(world, metrics):
    serve_all(metrics)
    near = plan(guardrails=(replace(RATE, kill_switch=1.5),))
    (why,), _ = await ask_signals(world, near)
    assert why.startswith("errors: killSwitch 1.5 is below twice the 1.00% before")


@pytest.mark.parametrize(
    ("mood", "why"),
    [
        (Mood.DOWN, "prometheus does not answer"),
        (Mood.PARTIAL, "prometheus answered in part: warning: a store is missing"),
        (Mood.BAD_QUERY, "1:5: parse error"),
        (Mood.NAN, "a counter of starts_total is NaN or infinite"),
    ],
)
async def test_a_history_that_cannot_be_read_is_a_missing_signal(world, metrics, mood, why):
    serve_all(metrics)
    metrics.mood = mood
    told, baselines = await ask_signals(world)
    assert told[0] == f"starts: {UNREAD}: {why} ({asked(world, STARTS)})"
    assert [one.split(":")[0] for one in told] == ["starts", "errors"]
    assert baselines == ()


@pytest.mark.parametrize(
    ("value", "why"),
    [
        (lambda _, v: float("nan"), "a counter of starts_total is NaN or infinite"),
        (lambda _, v: v * 2.0**53, "a counter of starts_total is beyond 2^53"),
        (
            lambda _, v: v if v > 9000 else v // 75 * 5e-324,
            "its counts are too small to compare with",
        ),
    ],
    ids=["not a number", "huge", "tiny"],
)
async def test_the_past_of_a_dry_run_does_not_hinder_the_start(world, metrics, value, why):
    """It is told, and the deciding guardrails have their baselines all the same."""
    serve_all(metrics)
    rewrite(metrics, STARTS, value)
    quiet = replace(DROP, dry_run=True)
    world.clock.advance(DAY + MINUTE)
    found = await signals(plan(guardrails=(quiet, RATE)), world, PODS)
    assert found.missing == ()
    assert [one.guardrail for one in found.baselines] == ["errors"]
    (told,) = found.unread
    assert told.startswith(f"starts (dry run): {UNREAD}: {why}")
    (deciding,) = (await signals(plan(guardrails=(DROP, RATE)), world, PODS)).missing
    assert deciding.startswith(f"starts: {UNREAD}: {why}")


async def test_a_dry_run_that_is_not_answered_does_not_hinder_the_start(world, metrics):
    """Nothing that only it counts is asked for in vain; what others count is."""
    serve_all(metrics)
    for name in ("span", "instant"):
        _refuse(metrics, name, STARTS)
    world.clock.advance(DAY + MINUTE)
    quiet = replace(DROP, dry_run=True)
    found = await signals(plan(guardrails=(quiet, RATE)), world, PODS)
    assert found.missing == ()
    assert found.unread == (f"starts (dry run): {UNREAD}: too heavy",)
    assert dict(found.exporters) == dict.fromkeys((COUNTER, ERRORS, REQUESTS), ("api",))


def _refuse(metrics: FakeMetrics, name: str, counter: str) -> None:
    real = getattr(metrics, name)

    async def refusing(source, query, *asked):
        if counter in query:
            raise Unavailable("too heavy")
        return await real(source, query, *asked)

    setattr(metrics, name, refusing)


async def test_a_dry_run_of_a_rate_needs_no_signal_and_learns_all_the_same(world, metrics):
    serve_all(metrics)
    metrics.hidden = lambda labels: labels["__name__"] == STARTS
    quiet = plan(guardrails=(replace(DROP, dry_run=True), RATE))
    missing, baselines = await ask_signals(world, quiet)
    assert missing == ()
    assert [one.guardrail for one in baselines] == ["starts", "errors"]


async def test_a_kill_switch_that_fires_already_is_not_the_ramps(world, metrics):
    """Errors of the last minutes before the ramp: with them it does not begin."""
    serve_all(metrics)
    world.clock.advance(DAY)
    fail(metrics, 5.0)
    world.clock.advance(170 * SECOND)
    fail(metrics, 0.0)
    only_errors = plan(guardrails=(RATE,), soak=DAY)
    found = await signals(only_errors, world, PODS)
    (why,) = found.missing
    told = "errors: 50.5% is beyond the kill-switch already, 10.9% of all requests or less"
    assert why == f"{told} ({asked(world, ERRORS)})"
    assert found.exporters == ()
    write = applying(since=world.clock.now())
    for n in range(1, 9):
        world.clock.advance(30 * SECOND)
        assert await kills(only_errors, write, found.baselines, world, PODS) == (), n


async def test_a_kill_switch_that_cannot_see_the_last_minutes_is_a_missing_signal(world, metrics):
    serve_all(metrics)
    world.clock.advance(DAY + MINUTE)
    spoil(metrics, ERRORS, world.clock.now() - 45 * SECOND)
    (why,) = (await signals(plan(guardrails=(RATE,)), world, PODS)).missing
    told = "errors: the last minutes of errors_total cannot be read: it holds what is no count"
    assert why == f"{told} ({asked(world, ERRORS)})"


# --- kill-switches while a value is being written


@pytest.fixture
def failing(world, metrics):
    """Let half of the requests fail from 5 min after T on."""
    serve_all(metrics)
    world.clock.advance(5 * MINUTE)
    fail(metrics, 5.0)
    return world


async def test_without_errors_no_kill_switch_fires(world, metrics):
    serve_all(metrics)
    assert await killing(world, 5 * MINUTE) == ()


async def test_a_kill_switch_fires_at_two_looks_and_not_at_one(failing):
    assert await killing(failing, 5 * MINUTE + 30 * SECOND) == ()
    assert await killing(failing, 5 * MINUTE + 59 * SECOND) == ()
    (one,) = await killing(failing, 6 * MINUTE)
    assert (one.name, one.verdict) == ("errors", BREACHED)
    assert (one.value, one.limit) == ("25.8%", "10.0% of all requests or less")
    assert one.onset == T + 4 * MINUTE
    assert [part.name for part in one.parts] == ["kill-switch"]


async def test_a_kill_switch_that_is_set_rules_alone(failing):
    lax = plan(guardrails=(replace(RATE, kill_switch=60.0),))
    assert await killing(failing, 8 * MINUTE, lax) == ()
    assert len(await killing(failing, 8 * MINUTE, plan(guardrails=(RATE,)))) == 1


async def test_a_kill_switch_that_was_set_too_low_is_held_at_twice_the_rate_before(failing):
    low = plan(guardrails=(replace(RATE, kill_switch=1.0),))
    usual = (replace(KNOWN[0], rate=0.3),)
    assert await killing(failing, 8 * MINUTE, low, usual) == ()
    (fired,) = await killing(failing, 8 * MINUTE, low, (replace(KNOWN[0], rate=0.2),))
    assert fired.limit == "40.0% of all requests or less"


async def test_a_dry_run_kills_nothing(failing):
    quiet = plan(guardrails=(SHARE, replace(RATE, dry_run=True)))
    assert await killing(failing, 8 * MINUTE, quiet) == ()


async def test_what_was_never_measured_before_kills_nothing(failing):
    assert await killing(failing, 8 * MINUTE, baselines=KNOWN[1:]) == ()
    assert await killing(failing, 8 * MINUTE, baselines=()) == ()


@pytest.mark.parametrize("mood", [m for m in Mood if m is not Mood.WELL])
async def test_an_unknown_fires_no_kill_switch(failing, metrics, mood):
    assert len(await killing(failing, 8 * MINUTE)) == 1
    metrics.mood = mood
    assert await killing(failing, 8 * MINUTE) == ()


async def test_a_prometheus_that_hangs_does_not_hold_a_proof(failing, metrics, monkeypatch):
    monkeypatch.setattr("rampguard.engine.signals.PATIENCE", timedelta(milliseconds=20))
    hung: list[str] = []

    async def span(source, query, *asked):
        hung.append(query)
        await asyncio.sleep(HOUR.total_seconds())

    metrics.span = span
    async with asyncio.timeout(5):
        assert await killing(failing, 8 * MINUTE) == ()
    assert sorted(hung) == sorted([asked(failing, ERRORS), asked(failing, REQUESTS)])


async def test_a_kill_switch_asks_at_the_grid_of_its_write(failing, metrics):
    metrics.spans.clear()
    await killing(failing, 7 * MINUTE + 20 * SECOND)
    assert {end for _, _, end, _ in metrics.spans} == {T + 7 * MINUTE}
    assert len(metrics.spans) == 2
