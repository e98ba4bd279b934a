"""The screen of replays alarms exactly where some window reaches a threshold by itself."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest

from pasts import BEGIN, RULES, STEP, World, counts_of
from rampguard.core.ask import Guardrail, GuardrailType, Metrics, PromQL
from rampguard.core.baseline import counted
from rampguard.core.budget import budget
from rampguard.core.counting import spacing, windows
from rampguard.core.history import Counts
from rampguard.core.model import Baseline, Reading, Soaking
from rampguard.core.plan import Plan
from rampguard.core.rates import _counts, _error_tests, _once, _paired
from rampguard.core.replays import _at_rest, _counted, _measured, taken
from rampguard.core.screening import _screens, _summed, alarming
from rampguard.core.statistics import log_e_binomial, logit
from scenes import DAY, HOUR, MINUTE, plan

START = BEGIN + 2 * HOUR
SHARE, DROP, ERRORS = RULES
ONCE = replace(DROP, once_per_user=True)
TOLERANT = tuple(replace(one, tolerance=tolerance) for one, tolerance in zip(
    RULES, (2.0, 20.0, 60.0), strict=True))  # fmt: skip


def harm(**told: float) -> World:
    """Return a world whose harm begins 20 min after the start."""
    since = 2 * HOUR + 20 * MINUTE
    failing, drawn = told.pop("failing", 1.0), told.pop("drawn", 0.1)
    return World(
        **told,
        failing=lambda at: failing if at > since else 1.0,
        drawn=lambda at: drawn if at > since else 0.1,
    )


WORLDS = {
    "calm": harm(),
    "more errors": harm(failing=3.0),
    "many more errors": harm(failing=40.0, requests=1.0),
    "too many in treatment": harm(drawn=0.3, users=0.5),
    "far too many in treatment": harm(drawn=0.9, users=0.2),
    "too few in treatment": harm(drawn=0.0, users=0.3),
    "little of all": World(users=0.02, requests=0.05),
    "half of all": harm(share=0.5, drawn=0.5, failing=2.5),
}
LOOKS = 24
STEPS = {"bins of a look": 2 * HOUR, "bins of three looks": 24 * HOUR}


def judged(
    our: Plan, rule: Guardrail, baseline: Baseline | None, told: Counts, n: int
) -> Iterator[tuple[float, list[float]]]:
    """Yield the threshold of each part, and ln E of all windows, as judging works them out."""
    found = _counted(our, told, START, n, _measured(our, told, START, n)).counted
    size = spacing(STEP, our.soaks[our.last])
    stage = Soaking(since=START, step=our.last, evidence=found)
    share, margin = our.values[our.last], budget(our).margin
    tolerance, bins = rule.tolerance or 0, counted(our, found.counts, rule)
    if rule.type is GuardrailType.EXPOSURE_BALANCE:
        sides = [(1, (share + tolerance) / 100), (-1, (share - tolerance) / 100)]
        sides = [one for one in sides if 0 < one[1] < 1]
        for side, limit in sides:
            logs = [log_e_binomial(r.treatment, r.control, logit(limit), side)
                    for r in windows(bins[0])]  # fmt: skip
            yield margin(len(sides)), logs
    elif baseline is None:
        return
    elif rule.type is GuardrailType.RELATIVE_DROP:
        if 0 < share < 100:
            limit, since = 1 - tolerance / 100, _paired(bins)
            test = (
                replace(_once(our, stage, since, limit, baseline), ripe=timedelta(0))
                if rule.once_per_user
                else _counts(stage, since, limit, baseline)
            )
            yield margin(1), test.log_e(limit, size, found.counted_to)
    else:
        limit = 1 + tolerance / 100
        parts = max(1, baseline.enough + baseline.armed)
        for test in _error_tests(our, stage, baseline, bins=bins, limit=limit):
            yield margin(parts), test.log_e(limit, size, found.counted_to)


def screened(our: Plan, told: Counts, *baselines: Baseline) -> dict[str, list[bool]]:
    alarms = alarming(our, told, told.index(START), baselines)
    names = {one.name for one in our.ask.guardrails}
    return {
        name: [alarms(n, names - {name}) for n in range(1, LOOKS + 1)] for name in sorted(names)
    }


def due(our: Plan, told: Counts, *baselines: Baseline) -> dict[str, list[bool]]:
    known = {one.guardrail: one for one in baselines}
    return {
        rule.name: [
            any(max(logs) >= threshold
                for threshold, logs in judged(our, rule, known.get(rule.name), told, n))
            for n in range(1, LOOKS + 1)
        ]
        for rule in sorted(our.ask.guardrails, key=lambda one: one.name)
    }  # fmt: skip


def asked(soak: timedelta, *rules: Guardrail, share: int = 10, told: World) -> tuple[Plan, Counts]:
    our = plan(guardrails=rules, soak=soak, origin=share, to=60)
    our = replace(our, tempo=replace(our.tempo, history=HOUR))
    counts = counts_of(told, days=max(2 * HOUR + soak, 5 * HOUR) / DAY, our=our)
    return _at_rest(our, STEP), replace(counts, counts=tuple(
        tuple(map(fewer, range(len(bins)), bins)) if family.selector == DROP.metric else bins
        for family, bins in zip(our.families, counts.counts, strict=True)
    ))  # fmt: skip


def fewer(i: int, one: Reading) -> Reading:
    """Return starts of which treatment loses two thirds since 20 min after the start."""
    return one._replace(treatment=round(one.treatment / 3)) if i > (2 * HOUR) // STEP + 4 else one


@pytest.mark.parametrize("soak", STEPS.values(), ids=STEPS)
@pytest.mark.parametrize("rules", [RULES, (SHARE, ONCE, ERRORS), TOLERANT],
    ids=["as usual", "once per user", "tolerant"])  # fmt: skip
@pytest.mark.parametrize("told", WORLDS.values(), ids=WORLDS)
def test_it_alarms_where_a_window_reaches_its_threshold(told: World, rules, soak) -> None:
    our, counts = asked(soak, *rules, told=told)
    known = taken(our, counts, START)
    assert screened(our, counts, *known) == due(our, counts, *known)


UNSAID = tuple(replace(one, tolerance=None) for one in RULES)


@pytest.mark.parametrize("soak", STEPS.values(), ids=STEPS)
@pytest.mark.parametrize("rules", [RULES, (SHARE, ONCE, ERRORS), TOLERANT, UNSAID],
    ids=["as usual", "once per user", "tolerant", "no tolerance"])  # fmt: skip
@pytest.mark.parametrize("share", [0, 1, 10, 95, 99, 100])
@pytest.mark.parametrize("rate", [0.0, 0.6, 1.0])
def test_its_evidence_is_that_of_the_judge(rate: float, share: int, rules, soak) -> None:
    world = harm(share=share / 100, drawn=0.5, failing=5.0, requests=2.0, users=0.5)
    our, counts = asked(soak, *rules, share=share, told=world)
    first, size = counts.index(START), spacing(STEP, soak) // STEP
    sums = {f: _summed(f, bins[first : first + soak // STEP], STEP)
            for f, bins in zip(our.families, counts.counts, strict=True)}  # fmt: skip
    known = {one.guardrail: one for one in taken(our, counts, START)}
    known[DROP.name] = replace(known[DROP.name], rate=rate)
    for rule in rules:
        screens = list(_screens(our, rule, known.get(rule.name), sums, size))
        for n in (1, 2, 5, 12, LOOKS):
            parts = list(judged(our, rule, known.get(rule.name), counts, n))
            assert len(screens) == len(parts)
            for screen, (threshold, logs) in zip(screens, parts, strict=True):
                assert screen.threshold == threshold
                for i, log in zip(range(0, n, size), logs, strict=True):
                    assert screen.log_e(i, n) == pytest.approx(log, abs=1e-9)
                    assert screen.worse(i, n) or log <= 0


def test_the_share_is_of_new_assignments() -> None:
    narrow = PromQL('assignments_total{experiment="tree",source="new"}')
    our = plan(guardrails=(SHARE,), metrics=Metrics(assignments=narrow))
    new, every = our.families
    sums = {
        new: _summed(new, (Reading(3, 9),), STEP),
        every: _summed(every, (Reading(9, 9),), STEP),
    }
    upper, _ = _screens(our, SHARE, None, sums, 1)
    assert upper.log_e(0, 1) == log_e_binomial(9, 3, logit(0.55), 1)


SOME = {"enough": (True, False), "armed": (False, True), "neither": (False, False)}


@pytest.mark.parametrize("soak", STEPS.values(), ids=STEPS)
@pytest.mark.parametrize(("enough", "armed"), SOME.values(), ids=SOME)
@pytest.mark.parametrize("share", [0, 1, 10, 50, 99, 100])
def test_it_looks_at_the_parts_that_judge(
    share: int,
    enough: bool,  # noqa: FBT001
    armed: bool,  # noqa: FBT001
    soak: timedelta,
) -> None:
    world = harm(share=share / 100, drawn=share / 100, failing=30.0, requests=2.0)
    our, counts = asked(soak, *RULES, share=share, told=world)
    counts = replace(counts, counts=tuple(
        tuple(one._replace(control=one.control // 3) for one in bins)
        if family.selector == ERRORS.metric else bins
        for family, bins in zip(our.families, counts.counts, strict=True)
    ))  # fmt: skip
    known = [replace(one, enough=enough, armed=armed) for one in taken(our, counts, START)]
    assert screened(our, counts, *known) == due(our, counts, *known)


def test_without_a_baseline_only_the_share_is_looked_at() -> None:
    our, counts = asked(2 * HOUR, *RULES, told=WORLDS["far too many in treatment"])
    found = screened(our, counts)
    assert found == due(our, counts)
    assert any(found[SHARE.name])


def test_the_rows_alarm_and_do_not() -> None:
    """A row that always or never alarms says little: all of them do both."""
    told = {}
    for rules in (RULES, TOLERANT):
        for world in WORLDS.values():
            our, counts = asked(2 * HOUR, *rules, told=world)
            for name, looks in screened(our, counts, *taken(our, counts, START)).items():
                told[name] = told.get(name, []) + looks
    assert {name: {True, False} == set(looks) for name, looks in told.items()} == dict.fromkeys(
        told, True
    )


def test_a_rate_before_that_nothing_was_counted_for_allows_nothing() -> None:
    our, counts = asked(2 * HOUR, ERRORS, told=WORLDS["more errors"])
    none = [replace(one, hits=0.0, exposure=0.0) for one in taken(our, counts, START)]
    assert screened(our, counts, *none) == due(our, counts, *none)
