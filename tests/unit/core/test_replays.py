"""Soaks of the past: when they begin, and that they are judged as the operator would."""

from dataclasses import replace
from datetime import timedelta

import pytest

from pasts import BEGIN, LABELS, PLAN, RULES, STEP, World, counts_of, past, threshold
from rampguard.core.ask import OnFailure, PromQL
from rampguard.core.history import Counts, History, counted
from rampguard.core.judging import judge
from rampguard.core.model import Evidence, Series, Soaking, Verdict
from rampguard.core.plan import Plan
from rampguard.core.replays import (
    Replay,
    _at_rest,
    _counted,
    _fires,
    _measured,
    holes,
    replayed,
    starts,
    taken,
)
from rampguard.core.screening import alarming
from scenes import DAY, HOUR, MINUTE, plan

SHORT = plan(guardrails=RULES, soak=HOUR)


def began(our: Plan, length: timedelta) -> tuple[timedelta, ...]:
    """Return when replays begin in a history of a length."""
    told = Counts(start=BEGIN, step=STEP, counts=((),) * 4)
    steps = length // STEP
    counts = replace(told, counts=((None,) * steps,) * 4)  # only how many there are is looked at
    return tuple(one - BEGIN for one in starts(our, counts))


# fmt: off
STARTS: dict[str, tuple[Plan, timedelta, tuple[int, int, int]]] = {
    # how many, first and last in hours
    "a week, a day each": (PLAN, 7 * DAY, (21, 24, 144)),
    "two days hold one": (PLAN, 2 * DAY, (1, 24, 24)),
    "25 hours hold one that compares with an hour": (PLAN, 25 * HOUR, (1, 1, 1)),
    "24 hours hold none": (PLAN, DAY, (0, 0, 0)),
    "short soaks begin one after the other": (SHORT, 2 * DAY, (24, 24, 47)),
    "of a long history not all": (SHORT, 30 * DAY, (199, 26, 719)),
    "not more than there may be": (SHORT, 225 * HOUR, (185, 24, 224)),
    "a day and a short soak": (SHORT, 25 * HOUR, (1, 24, 24)),
    "less than a day and a short soak": (SHORT, 10 * HOUR, (1, 9, 9)),
}
# fmt: on


@pytest.mark.parametrize(("our", "length", "told"), STARTS.values(), ids=STARTS)
def test_replays_begin_where_a_whole_soak_fits(our, length, told):
    found = began(our, length)
    count, first, last = told
    assert len(found) == count
    if found:
        assert (found[0] // HOUR, found[-1] // HOUR) == (first, last)


def test_a_calm_past_breaks_nothing():
    told = counts_of(days=3)
    replays = [replayed(PLAN, told, one) for one in starts(PLAN, told)]
    assert len(replays) == 5
    assert [one for one in replays if one.broke] == []
    assert {one.before for one in replays} == {DAY}


def failing_at(hours: float, times: float) -> World:
    return World(failing=lambda at: times if at >= hours * HOUR else 1.0)


def test_an_incident_soon_after_the_start_is_a_rollback():
    told = counts_of(failing_at(24, 6), days=2)
    (one,) = (replayed(PLAN, told, at) for at in starts(PLAN, told))
    (broke,) = one.broke
    assert (broke.guardrail, broke.acts, one.rolled_back) == ("errors-5xx", True, True)
    assert broke.after < HOUR
    assert "before the ramp" in broke.why


def test_a_late_incident_of_both_arms_is_held():
    told = counts_of(failing_at(36, 6), days=2)
    (one,) = (replayed(PLAN, told, at) for at in starts(PLAN, told))
    (broke,) = one.broke
    assert (broke.acts, one.rolled_back, one.held) == (False, False, True)
    asks = plan(guardrails=RULES, on_unattributable=OnFailure.ROLLBACK)
    assert replayed(asks, told, one.start).rolled_back


def test_where_failures_hold_a_breach_waits_for_a_person():
    our = plan(guardrails=RULES, on_failure=OnFailure.HOLD)
    told = counts_of(failing_at(24, 6), days=2)
    one = replayed(our, told, starts(our, told)[0])
    assert (one.rolled_back, one.held) == (False, True)


def test_a_share_that_is_not_the_old_one_breaks():
    told = counts_of(World(drawn=lambda at: 0.1 if at < DAY else 0.2), days=2)
    (one,) = (replayed(PLAN, told, at) for at in starts(PLAN, told))
    assert [b.guardrail for b in one.broke] == ["exposure-balance"]


def test_a_dry_run_breaks_but_rolls_nothing_back():
    rules = tuple(replace(one, dry_run=one.name == "errors-5xx") for one in RULES)
    our = plan(guardrails=rules)
    told = counts_of(failing_at(24, 6), days=2, our=our)
    one = replayed(our, told, starts(our, told)[0])
    assert (len(one.broke), one.rolled_back, one.held) == (1, False, False)


def test_a_kill_switch_fires_in_a_replay():
    # The rise is within a tolerance that is very wide, and beyond the switch.
    burst = World(requests=100, errors=0.04, failing=lambda at: 4.0 if at > DAY - HOUR else 1.0)
    told = counts_of(burst, days=2)
    rules = (*RULES[:2], replace(RULES[2], tolerance=900.0, kill_switch=10.0))
    our = plan(guardrails=rules)
    (broke,) = replayed(our, told, starts(our, told)[0]).broke
    assert (broke.guardrail, broke.after) == ("errors-5xx", STEP)
    assert "kill-switch" in broke.why


def test_a_free_query_is_judged_with_its_for():
    our = plan(guardrails=(threshold(),), soak=6 * HOUR)
    points = tuple(
        (BEGIN + i * STEP, 0.9 if 24 * 12 < i <= 24 * 12 + 18 else 0.5) for i in range(30 * 12 + 1)
    )
    history = History(
        start=BEGIN,
        end=BEGIN + 30 * HOUR,
        step=STEP,
        answers={PromQL("p95"): (Series({}, points),)},
    )
    told = counted(our, LABELS, history)
    one = replayed(our, told, BEGIN + DAY)
    assert [(b.guardrail, b.after) for b in one.broke] == [("p95", HOUR + STEP)]


def test_the_time_without_a_series_is_told():
    told = counts_of(World(absent=lambda at: 30 * HOUR < at <= 31 * HOUR), days=2)
    (one,) = (replayed(PLAN, told, at) for at in starts(PLAN, told))
    assert one.blind == HOUR + STEP
    ((since, until),) = holes(PLAN, told, told.start, told.end)
    assert (since - BEGIN, until - BEGIN) == (30 * HOUR, 31 * HOUR + STEP)


def test_a_hole_at_the_end_is_one():
    told = counts_of(World(absent=lambda at: at > 47 * HOUR), days=2)
    ((since, until),) = holes(PLAN, told, told.start, told.end)
    assert (since - BEGIN, until - BEGIN) == (47 * HOUR, 2 * DAY)


# --- the screen loses nothing --------------------------------------------------------------------

WORLDS = {
    "calm": World(),
    "little traffic": World(users=0.02, requests=0.2),
    "errors soon": failing_at(24.2, 2.2),
    "errors late": failing_at(26, 3),
    "few errors more": failing_at(24, 1.5),
    "another share": World(drawn=lambda at: 0.1 if at < 25 * HOUR else 0.2),
    "a hole": World(absent=lambda at: 25 * HOUR < at <= 25.5 * HOUR),
}
ONCE = (RULES[0], replace(RULES[1], once_per_user=True), RULES[2])
NARROW = tuple(replace(one, tolerance=1.0) for one in RULES)
ASKED = {name: (world, RULES) for name, world in WORLDS.items()} | {
    "once per user": (WORLDS["errors soon"], ONCE),
    "narrow limits": (World(users=0.2, requests=2), NARROW),
}


@pytest.mark.parametrize(("world", "rules"), ASKED.values(), ids=ASKED)
def test_no_look_that_breaks_is_passed_over(world, rules):
    our = plan(guardrails=rules, soak=3 * HOUR)
    told = counts_of(world, days=1.2)
    start = BEGIN + DAY
    assert broken(our, told, start) == broken(our, told, start, all_looks=True)


def broken(our: Plan, told: Counts, start, *, all_looks: bool = False) -> list[tuple[int, str]]:
    """Return which look breaks what first, of those that are judged."""
    calm = _at_rest(our, told.step)
    before = taken(calm, told, start)
    stage = Soaking(since=start, step=0, evidence=Evidence(t0=start, counted_to=start))
    alarms = alarming(calm, told, told.index(start), before)
    found = {}
    for n in range(1, 3 * 12 + 1):
        at, measured = start + n * STEP, _measured(calm, told, start, n)
        if all_looks or alarms(n, found) or _fires(calm, before, at, measured, found):
            judged = judge(calm, stage, before, at, _counted(calm, told, start, n, measured))
            broke = [j.name for j in judged if j.verdict is Verdict.BREACHED]
            found |= {name: n for name in broke if name not in found}
    return sorted((n, name) for name, n in found.items())


def test_bins_are_those_of_the_operator():
    told = counts_of(days=2)
    start = BEGIN + DAY
    measured = _counted(PLAN, told, start, 7, _measured(PLAN, told, start, 7))
    share, starts_, users = (measured.counted.counts[i] for i in (0, 1, 2))
    assert [len(share), len(starts_), len(users)] == [3, 3, 3]  # of 15 min, the last one open
    new = told.counts[0][288:295]
    assert sum(one.total for one in share) == sum(one.total for one in new)
    # Starts and their users count from 2 min on: the first step is left out.
    assert sum(one.total for one in users) == sum(one.total for one in new[1:])
    assert measured.counted.counted_to == start + 35 * MINUTE


def test_a_replay_that_broke_nothing_is_no_rollback():
    assert not Replay(start=BEGIN, before=DAY).rolled_back


def test_the_past_is_the_same_again():
    assert past(days=1) == past(World(), 1)
