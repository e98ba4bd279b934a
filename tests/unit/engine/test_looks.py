"""Looks: every guardrail judged at a settled instant, blind ones with the reason."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import pytest

from fakes import FakeClock, FakeCluster, FakeMetrics, FakeTelemetry, Mood
from rampguard.core.model import (
    Evidence,
    Judgement,
    Look,
    PromQL,
    Reading,
    Series,
    Soaking,
    Verdict,
)
from rampguard.core.plan import Plan
from rampguard.engine.counters import MOST_POINTS, Pods, to_assignments
from rampguard.engine.looks import missing_signals, take_looks
from rampguard.ports import Rules, World
from scenes import DAY, HOUR, MINUTE, SECOND, SHARE, SPEED, T, plan, soaking

COUNTER, P95 = "assignments_total", PromQL("p95")
PODS = Pods(families=frozenset({"api-1"}), ready=frozenset({"api-1-a"}))
BOTH = plan()
ALONE = plan(guardrails=(SPEED,), arms=None, metrics=None)
SLOW = plan(guardrails=(replace(SPEED, lasting=10 * MINUTE),), arms=None, metrics=None)
WITHIN, BREACHED = Verdict.WITHIN_TOLERANCE, Verdict.BREACHED
BLIND, UNSURE = Verdict.NO_DATA, Verdict.INCONCLUSIVE


@dataclass
class WatchedMetrics(FakeMetrics):
    """Keeps the ranges that it was asked for."""

    spans: list[tuple[str, datetime, datetime, timedelta]] = field(default_factory=list)

    async def span(
        self, source: str, query: PromQL, start: datetime, end: datetime, step: timedelta
    ) -> tuple[Series, ...]:
        self.spans.append((query, start, end, step))
        return await super().span(source, query, start, end, step)


@pytest.fixture
def metrics():
    made = WatchedMetrics(FakeClock(), answers={P95: lambda at: 0.5})
    for arm in ("tree", "list"):
        place = {"namespace": "app", "instance": "a", "pod": "api-1-a"}
        made.count(COUNTER, 0.5, variant=arm, **place)
    return made


@pytest.fixture
def world(metrics):
    return World(
        cluster=FakeCluster(),
        metrics=metrics,
        clock=metrics.clock,
        telemetry=FakeTelemetry(),
        rules=Rules(process="p", tempo=BOTH.tempo),
    )


async def look(
    world: World, after: timedelta, of: Plan = BOTH, stage: Soaking | None = None
) -> Look:
    """Look some time after T, a scrape later."""
    now = T + after + 15 * SECOND
    if now > world.clock.now():
        world.clock.advance(now - world.clock.now())
    (found,) = await take_looks(of, stage or soaking(), [T + after], world, PODS)
    return found


def answer(metrics: FakeMetrics, value: Callable[[timedelta], float | None]) -> None:
    """Let the free query answer by the time since T."""
    metrics.answers[P95] = lambda at: value(at - T)


def verdicts(found: Look) -> list[tuple[str, Verdict]]:
    return [(one.name, one.verdict) for one in found.judgements]


def only(found: Look) -> Judgement:
    (one,) = found.judgements
    return one


# --- what a look holds


async def test_a_look_judges_every_guardrail_in_the_order_of_the_ramp(world):
    found = await look(world, MINUTE)
    assert found.at == T + MINUTE
    assert verdicts(found) == [("share", UNSURE), ("p95", WITHIN)]


async def test_a_look_says_what_it_asked(world):
    share, speed = (await look(world, HOUR)).judgements
    assert share.query == to_assignments(BOTH, world, PODS).query
    assert speed.query == P95


async def test_several_looks_are_taken_oldest_first_each_of_its_own_instant(world, metrics):
    answer(metrics, lambda after: 0.9 if after >= 2 * HOUR else 0.5)
    metrics.clock.advance(DAY)
    instants = [T + n * HOUR for n in (1, 2, 3)]
    found = await take_looks(BOTH, soaking(), instants, world, PODS)
    assert [one.at for one in found] == instants
    assert [one.judgements[1].verdict for one in found] == [WITHIN, BREACHED, BREACHED]
    assert [one.judgements[0].counted for one in found] == [3600, 7200, 10800]


async def test_the_same_instant_gives_the_same_look_later(world):
    first = await look(world, HOUR)
    world.clock.advance(20 * SECOND)
    assert await look(world, HOUR) == first


async def test_no_instant_is_no_look(world, metrics):
    assert await take_looks(BOTH, soaking(), [], world, PODS) == ()
    assert metrics.asked == []


async def test_a_ramp_without_exposure_asks_for_no_assignments(world, metrics):
    found = await look(world, HOUR, ALONE)
    assert verdicts(found) == [("p95", WITHIN)]
    assert {query for query, _ in metrics.asked} == {P95}
    assert found.evidence == soaking().evidence


# --- evidence


async def test_only_closed_bins_are_remembered(world):
    found = await look(world, 20 * MINUTE)
    assert found.judgements[0].counted == 1200
    assert found.evidence.bins == (Reading(450, 450),)
    assert found.evidence.counted_to == T + 15 * MINUTE


async def test_what_is_remembered_is_counted_once(world, metrics):
    first = await look(world, 20 * MINUTE)
    metrics.spans.clear()
    later = await look(world, 40 * MINUTE, stage=soaking(evidence=first.evidence))
    assert later.judgements[0].counted == 2400
    assert later.evidence.bins == (Reading(450, 450),) * 2
    query = to_assignments(BOTH, world, PODS).query
    assert min(s for q, s, _, _ in metrics.spans if q == query) > T + 15 * MINUTE


async def test_one_look_after_an_outage_remembers_what_many_would_have(world):
    stage = soaking()
    for n in range(1, 13):
        found = await look(world, n * 10 * MINUTE, stage=stage)
        stage = soaking(evidence=found.evidence)
    after = await look(world, 2 * HOUR)
    assert after.evidence == stage.evidence
    assert after.judgements[0] == found.judgements[0]


async def test_evidence_never_moves_back(world):
    """After a lost proof counting begins within a bin: closing it must not open it again."""
    since = Evidence(t0=T, counted_to=T + 20 * MINUTE, bins=(Reading(450, 450), Reading(1, 1)))
    found = await look(world, 25 * MINUTE, stage=soaking(evidence=since))
    assert found.evidence == since
    assert found.judgements[0].counted == 900 + 2 + 300
    later = await look(world, 30 * MINUTE, stage=soaking(evidence=since))
    assert later.evidence.counted_to == T + 30 * MINUTE
    assert later.evidence.bins[1] == Reading(301, 301)


async def test_a_look_keeps_what_the_soak_knows_beside_its_counts(world):
    since = replace(soaking().evidence, breached=("share",), blind_since=T, blind_total=HOUR)
    found = await look(world, 20 * MINUTE, stage=soaking(evidence=since))
    assert replace(found.evidence, bins=(), counted_to=T) == since


async def test_each_step_counts_in_bins_of_its_own_soak(world):
    stepped = plan(steps=(25,))
    found = await look(world, 90 * SECOND, of=stepped)
    assert found.evidence.counted_to == T + MINUTE
    assert found.judgements[0].limit == "20% .. 30%"


# --- blindness


@pytest.mark.parametrize(
    ("mood", "share", "speed"),
    [
        (Mood.DOWN, "prometheus does not answer", "prometheus does not answer"),
        (
            Mood.PARTIAL,
            "prometheus answered in part: warning: a store is missing",
            "prometheus answered in part: warning: a store is missing",
        ),
        (Mood.BAD_QUERY, "1:5: parse error", "1:5: parse error"),
        (
            Mood.SILENT,
            'no series with variant="tree" of a pod of the targets',
            "the query gives no sample",
        ),
        (Mood.NAN, "a counter is NaN or infinite", "the query gives nan, no finite number"),
    ],
)
async def test_whatever_prometheus_does_is_no_data_and_never_a_breach(
    world, metrics, mood, share, speed
):
    metrics.mood = mood
    found = await look(world, HOUR)
    assert verdicts(found) == [("share", BLIND), ("p95", BLIND)]
    assert [one.why for one in found.judgements] == [share, speed]
    assert found.judgements[0].query == to_assignments(BOTH, world, PODS).query
    assert found.evidence == soaking().evidence


async def test_a_blind_guardrail_does_not_blind_another(world, metrics):
    metrics.hidden = lambda labels: labels["variant"] == "list"
    answer(metrics, lambda after: 0.9)
    assert verdicts(await look(world, HOUR)) == [("share", BLIND), ("p95", BREACHED)]


async def test_after_the_blindness_nothing_is_lost(world, metrics):
    metrics.mood = Mood.DOWN
    assert (await look(world, HOUR)).judgements[0].counted == 0
    metrics.mood = Mood.WELL
    assert (await look(world, HOUR + MINUTE)).judgements[0].counted == 3660


async def test_a_source_that_nobody_named_is_no_data(world):
    elsewhere = replace(BOTH.ask.metrics, source="elsewhere")
    asked = replace(BOTH, ask=replace(BOTH.ask, metrics=elsewhere))
    found = await look(world, HOUR, asked)
    assert {one.verdict for one in found.judgements} == {BLIND}
    assert "'elsewhere'" in found.judgements[1].why


# --- thresholds


async def test_a_query_is_asked_on_a_grid_that_ends_at_the_look(world, metrics):
    await look(world, 5 * HOUR, SLOW)
    ((query, start, end, step),) = metrics.spans
    assert (query, end, step) == (P95, T + 5 * HOUR, 30 * SECOND)
    assert start == end - HOUR - 10 * MINUTE


async def test_a_query_is_asked_from_t0_at_the_earliest(world, metrics):
    await look(world, 5 * MINUTE + 10 * SECOND, SLOW)
    ((_, start, end, _),) = metrics.spans
    assert end - start == 5 * MINUTE
    assert T <= start < T + 30 * SECOND


async def test_a_query_never_asks_for_more_points_than_prometheus_gives(world, metrics):
    forever = replace(SPEED, lasting=700 * HOUR)
    asked = plan(guardrails=(forever,), arms=None, metrics=None, soak=720 * HOUR)
    await look(world, 710 * HOUR, asked)
    ((_, start, end, step),) = metrics.spans
    assert (end - start) // step == MOST_POINTS


async def test_a_missed_look_does_not_start_for_anew(world, metrics):
    answer(metrics, lambda after: 0.9 if after >= 20 * MINUTE else 0.5)
    assert only(await look(world, 29.5 * MINUTE, SLOW)).verdict is WITHIN
    found = only(await look(world, 30 * MINUTE, SLOW))
    assert (found.verdict, found.onset) == (BREACHED, T + 20 * MINUTE)


async def test_a_break_is_dated_though_nobody_looked_while_it_began(world, metrics):
    answer(metrics, lambda after: 0.9 if after >= 20 * MINUTE else 0.5)
    found = only(await look(world, 80 * MINUTE, SLOW))
    assert found.onset == T + 20 * MINUTE
    assert found.attributable


async def test_a_break_long_after_the_start_may_be_anothers(world, metrics):
    answer(metrics, lambda after: 0.9 if after >= 31 * MINUTE else 0.5)
    assert not only(await look(world, 50 * MINUTE, SLOW)).attributable


async def test_evidence_that_began_anew_does_not_make_late_harm_the_ramps(world, metrics):
    """A limit changed after five hours: the soak, and what it caused, began long before."""
    answer(metrics, lambda after: 0.9)
    anew = T + 5 * HOUR
    stage = soaking(evidence=Evidence(t0=anew, counted_to=anew))
    found = only(await look(world, 5 * HOUR + 20 * MINUTE, SLOW, stage))
    assert (found.verdict, found.onset) == (BREACHED, anew)
    assert not found.attributable


async def test_mixed_exposure_is_no_part_of_a_break(world, metrics):
    """What broke before T0 counts from T0 on."""
    answer(metrics, lambda after: 0.9)
    stage = soaking(since=T + HOUR, evidence=Evidence(t0=T + HOUR, counted_to=T + HOUR))
    assert only(await look(world, HOUR + 9 * MINUTE, SLOW, stage)).verdict is WITHIN
    assert only(await look(world, HOUR + 10 * MINUTE, SLOW, stage)).verdict is BREACHED


async def test_a_query_of_several_series_is_not_judged(world, metrics):
    several = plan(guardrails=(replace(SPEED, query=PromQL(COUNTER)),), arms=None, metrics=None)
    found = only(await look(world, HOUR, several))
    assert (found.verdict, found.why) == (
        BLIND,
        "the query gives 2 series; one number is expected",
    )


async def test_a_threshold_without_a_query_is_not_judged(world):
    bare = plan(guardrails=(replace(SPEED, query=None),), arms=None, metrics=None)
    found = only(await look(world, HOUR, bare))
    assert (found.verdict, found.why) == (BLIND, "the guardrail has no query")


async def test_a_threshold_asks_the_source_of_the_ramp(world, metrics):
    metrics.sources = frozenset({"long-term"})
    asked = replace(BOTH.ask.metrics, source="long-term")
    named = replace(BOTH, ask=replace(BOTH.ask, metrics=asked))
    assert (await look(world, HOUR, named)).judgements[1].verdict is WITHIN


# --- signals before the start


async def missing(world: World, of: Plan = BOTH) -> tuple[str, ...]:
    world.clock.advance(MINUTE)
    return await missing_signals(of, world, PODS)


async def test_with_every_signal_nothing_is_missing(world):
    assert await missing(world) == ()


async def test_every_missing_signal_is_named_with_its_query(world, metrics):
    metrics.mood = Mood.SILENT
    query = to_assignments(BOTH, world, PODS).query
    assert await missing(world) == (
        f'share: no series with variant="tree" of a pod of the targets ({query})',
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
