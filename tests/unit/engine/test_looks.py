"""Looks: every guardrail judged at a settled instant, blind ones with the reason."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import pytest

from fakes import FakeClock, FakeCluster, FakeMetrics, FakeTelemetry, Mood
from rampguard.core.ask import Guardrail, GuardrailType, PromQL
from rampguard.core.model import (
    Baseline,
    Evidence,
    Judgement,
    Look,
    Reading,
    Series,
    Soaking,
    Verdict,
)
from rampguard.core.plan import Plan
from rampguard.engine.counters import Counters, Pods
from rampguard.engine.looks import take_looks
from rampguard.engine.signals import UNREAD, Signals, kills, signals
from rampguard.ports import Rules, Unavailable, World
from scenes import DAY, HOUR, MINUTE, SECOND, SHARE, SPEED, T, applying, plan, soaking

COUNTER, P95 = "assignments_total", PromQL("p95")
STARTS, REQUESTS, ERRORS = "starts_total", "requests_total", "errors_total"
PODS = Pods(families=frozenset({"api-1"}), ready=frozenset({"api-1-a"}))
BOTH = plan()
ALONE = plan(guardrails=(SPEED,), arms=None, metrics=None)
SLOW = plan(guardrails=(replace(SPEED, lasting=10 * MINUTE),), arms=None, metrics=None)
DROP = Guardrail(
    name="starts", type=GuardrailType.RELATIVE_DROP, tolerance=10.0, metric=PromQL(STARTS)
)
RATE = Guardrail(
    name="errors",
    type=GuardrailType.ERROR_RATE,
    tolerance=25.0,
    metric=PromQL(ERRORS),
    requests=PromQL(REQUESTS),
)
MANY = plan(guardrails=(SHARE, DROP, RATE, SPEED))
STRANGERS = '{} series of {}, none with the label "pod" of a pod of the targets'
KNOWN = (Baseline(guardrail="errors", rate=0.01, armed=True), Baseline(guardrail="starts"))
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


def serve_all(metrics: FakeMetrics, pod: str = "api-1-a") -> None:
    """Let a pod start, answer and fail from now on, beside its assignments."""
    place = {"namespace": "app", "instance": pod, "pod": pod}
    for arm in ("tree", "list"):
        metrics.count(STARTS, 0.25, variant=arm, **place)
        metrics.count(REQUESTS, 5.0, variant=arm, **place)
        metrics.count(ERRORS, 0.05, variant=arm, **place)


async def look(
    world: World,
    after: timedelta,
    of: Plan = BOTH,
    stage: Soaking | None = None,
    baselines: tuple[Baseline, ...] = (),
) -> Look:
    """Look some time after T, a scrape later."""
    now = T + after + 15 * SECOND
    if now > world.clock.now():
        world.clock.advance(now - world.clock.now())
    (found,) = await take_looks(
        of, stage or soaking(), [T + after], world, PODS, baselines=baselines
    )
    return found


def asked(world: World, selector: str = COUNTER) -> PromQL:
    """Return the query of a counter."""
    return Counters(BOTH, PromQL(selector), world, PODS).query


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
    assert share.query == asked(world)
    assert speed.query == P95


async def test_a_look_names_all_that_it_asked_each_once(world):
    found = await look(world, MINUTE, MANY)
    names = (COUNTER, STARTS, ERRORS, REQUESTS)
    assert found.asked == (*(asked(world, name) for name in names), P95)


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
    assert found.evidence.counts == ((Reading(450, 450),),)
    assert found.evidence.counted_to == T + 15 * MINUTE


async def test_what_is_remembered_is_counted_once(world, metrics):
    first = await look(world, 20 * MINUTE)
    metrics.spans.clear()
    later = await look(world, 40 * MINUTE, stage=soaking(evidence=first.evidence))
    assert later.judgements[0].counted == 2400
    assert later.evidence.counts == ((Reading(450, 450),) * 2,)
    query = asked(world)
    assert min(s for q, s, _, _ in metrics.spans if q == query) > T + 15 * MINUTE


async def test_one_look_after_an_outage_remembers_what_many_would_have(world):
    stage = soaking()
    for n in range(1, 13):
        found = await look(world, n * 10 * MINUTE, stage=stage)
        stage = soaking(evidence=found.evidence)
    after = await look(world, 2 * HOUR)
    assert after.evidence == stage.evidence
    assert after.judgements[0] == found.judgements[0]


async def test_the_open_bin_is_kept_while_the_proof_is_lost(world):
    """Counting goes on after the proof: this bin would be asked for as if it had no hole."""
    lost = replace(soaking().evidence, unproven_since=T + 14 * MINUTE)
    found = await look(world, 14 * MINUTE + 30 * SECOND, stage=soaking(evidence=lost))
    assert found.evidence.counts == ((Reading(420, 420),),)
    assert found.evidence.counted_to == T + 14 * MINUTE
    later = await look(world, 40 * MINUTE, stage=soaking(evidence=found.evidence))
    assert later.evidence == found.evidence
    proven = replace(found.evidence, unproven_since=None, counted_to=T + 15 * MINUTE)
    again = await look(world, 50 * MINUTE, stage=soaking(evidence=proven))
    assert again.judgements[0].counted == 840 + 35 * 60


async def test_evidence_never_moves_back(world):
    """After a lost proof counting begins within a bin: closing it must not open it again."""
    had = (Reading(450, 450), Reading(1, 1))
    since = Evidence(t0=T, counted_to=T + 20 * MINUTE, counts=(had,))
    found = await look(world, 25 * MINUTE, stage=soaking(evidence=since))
    assert found.evidence == since
    assert found.judgements[0].counted == 900 + 2 + 300
    later = await look(world, 30 * MINUTE, stage=soaking(evidence=since))
    assert later.evidence.counted_to == T + 30 * MINUTE
    assert later.evidence.counts[0][1] == Reading(301, 301)


async def test_a_look_keeps_what_the_soak_knows_beside_its_counts(world):
    since = replace(soaking().evidence, breached=("share",), blind_since=T, blind_total=HOUR)
    found = await look(world, 20 * MINUTE, stage=soaking(evidence=since))
    assert replace(found.evidence, counts=(), counted_to=T) == since


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
            "no series of a pod of the targets for assignments_total",
            "the query gives no sample",
        ),
        (
            Mood.NAN,
            "a counter of assignments_total is NaN or infinite",
            "the query gives nan, no finite number",
        ),
    ],
)
async def test_whatever_prometheus_does_is_no_data_and_never_a_breach(
    world, metrics, mood, share, speed
):
    metrics.mood = mood
    found = await look(world, HOUR - MINUTE)
    assert verdicts(found) == [("share", BLIND), ("p95", BLIND)]
    assert [one.why for one in found.judgements] == [share, speed]
    assert found.judgements[0].query == asked(world)
    assert found.evidence == soaking().evidence
    assert found.measured.unanswered is (mood is not Mood.SILENT)


@pytest.mark.parametrize("rule", [SHARE, SPEED], ids=lambda one: one.name)
async def test_a_look_of_one_guardrail_says_whether_it_was_answered(world, metrics, rule):
    of = plan(guardrails=(rule,))
    assert not (await look(world, HOUR, of)).measured.unanswered
    metrics.mood = Mood.DOWN
    assert (await look(world, HOUR, of)).measured.unanswered


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


@dataclass
class Hours:
    """What was remembered of a soak with a look each 15 minutes."""

    world: World
    stage: Soaking = field(default_factory=soaking)
    pods: Pods = PODS

    async def until(self, after: timedelta, of: Plan = BOTH) -> Look:
        steps = (T + after - self.stage.evidence.counted_to) // (15 * MINUTE)
        first = self.stage.evidence.counted_to
        for n in range(1, steps + 1):
            at = first + n * 15 * MINUTE
            self.world.clock.advance(at + 15 * SECOND - self.world.clock.now())
            (found,) = await take_looks(of, self.stage, [at], self.world, self.pods)
            self.stage = replace(self.stage, evidence=found.evidence)
        return found


async def test_a_silence_of_hours_is_not_counted_away(world, metrics):
    """Prometheus had scraped nothing for two hours: what grew meanwhile counts afterwards."""
    hours = Hours(world)
    await hours.until(HOUR)
    for one in metrics.counters.values():
        one.gaps.append((T + HOUR + SECOND, T + 3 * HOUR))
    blind = await hours.until(2 * HOUR + 45 * MINUTE)
    assert verdicts(blind) == [("share", BLIND), ("p95", WITHIN)]
    assert hours.stage.evidence.counted_to == T + 2 * HOUR  # held back for an hour at most
    assert (await hours.until(4 * HOUR)).judgements[0].counted == 4 * 3600


async def test_pods_that_come_back_after_hours_do_not_count_from_zero(world, metrics):
    """Half of the pods are silent for two hours; what they count since they run is no harm."""
    for arm, old in (("tree", 90_000.0), ("list", 10_000.0)):
        place = {"namespace": "app", "instance": "b", "pod": "api-1-b"}
        one = metrics.count(COUNTER, 0.5, variant=arm, **place)
        one.knots[0] = (T, old, 0.5)
        one.gaps.append((T + HOUR + SECOND, T + 3 * HOUR))
    hours = Hours(world, pods=Pods(PODS.families, frozenset({"api-1-a", "api-1-b"})))
    await hours.until(HOUR)
    blind = await hours.until(2 * HOUR + 45 * MINUTE)
    assert blind.judgements[0].why == "1 of 2 pods were scraped within 45s"
    share = (await hours.until(4 * HOUR)).judgements[0]
    assert (share.counted, share.value) == (2 * 4 * 3600, "50.0%")


# --- several families


def blind_ones(found: Look) -> list[str]:
    return [one.name for one in found.judgements if one.verdict is BLIND]


async def test_with_all_families_there_nothing_is_blind(world, metrics):
    serve_all(metrics)
    found = await look(world, HOUR, MANY, baselines=KNOWN)
    assert blind_ones(found) == []
    assert found.measured.silent == ("",) * len(MANY.families)
    assert [one.query for one in found.judgements] == [
        asked(world),
        asked(world, STARTS),
        asked(world, ERRORS),
        P95,
    ]


@pytest.mark.parametrize(
    ("hidden", "silent", "blind"),
    [
        ({"__name__": STARTS}, {STARTS}, ["starts"]),
        ({"__name__": STARTS, "variant": "list"}, {STARTS}, ["starts"]),
        ({"__name__": ERRORS}, {ERRORS}, ["errors"]),
        ({"__name__": REQUESTS}, {REQUESTS}, ["errors"]),
        ({"__name__": REQUESTS, "variant": "list"}, {REQUESTS}, ["errors"]),
        ({"__name__": ERRORS, "variant": "list"}, set(), []),
        ({"__name__": COUNTER, "variant": "tree"}, {COUNTER}, ["share", "starts"]),
    ],
)
async def test_a_silent_family_blinds_the_guardrails_of_that_family_alone(
    world, metrics, hidden, silent, blind
):
    """Whoever labels requests by arm before the ramp must label them; errors need no arm."""
    serve_all(metrics)
    metrics.hidden = lambda labels: hidden.items() <= labels.items()
    found = await look(world, HOUR, MANY, baselines=KNOWN)
    assert blind_ones(found) == blind
    told = zip(MANY.families, found.measured.silent, strict=True)
    assert {family.selector for family, why in told if why} == silent


async def test_requests_that_had_no_arms_before_the_ramp_need_none(world, metrics):
    serve_all(metrics)
    metrics.hidden = lambda labels: (labels["__name__"], labels["variant"]) == (REQUESTS, "list")
    assert blind_ones(await look(world, HOUR, MANY)) == []


async def test_a_silent_family_says_which_it_is(world, metrics):
    serve_all(metrics)
    metrics.hidden = lambda labels: labels["__name__"] == ERRORS
    found = await look(world, HOUR, MANY, baselines=KNOWN)
    assert found.judgements[2].why == f"no series of a pod of the targets for {ERRORS}"


async def test_a_look_asks_each_selector_once_for_each_thing(world, metrics):
    """Growth, what is there, its scrapes, and of errors and requests the last two minutes."""
    serve_all(metrics)
    await look(world, HOUR, MANY, baselines=KNOWN)
    assert len(metrics.asked) == len(set(metrics.asked))
    per = {name: sum(name in query for query, _ in metrics.asked) for name in (COUNTER, STARTS)}
    assert per == {COUNTER: 4, STARTS: 4}
    switched = {name: sum(name in q for q, _ in metrics.asked) for name in (REQUESTS, ERRORS)}
    assert switched == {REQUESTS: 6, ERRORS: 6}


async def test_what_was_counted_lately_is_measured_of_errors_and_requests(world, metrics):
    serve_all(metrics)
    found = await look(world, HOUR, MANY, baselines=KNOWN)
    told = dict(zip((f.selector for f in MANY.families), found.measured.recent, strict=True))
    assert told == {
        COUNTER: (Reading(), Reading()),
        STARTS: (Reading(), Reading()),
        ERRORS: (Reading(6, 6), Reading(6, 6)),
        REQUESTS: (Reading(600, 600), Reading(600, 600)),
    }


async def test_a_ramp_without_a_kill_switch_asks_for_nothing_lately(world, metrics):
    assert (await look(world, HOUR, plan(guardrails=(SHARE, DROP)))).measured.recent == ()


async def test_a_kill_switch_fires_in_a_soak_at_the_second_look(world, metrics):
    serve_all(metrics)
    world.clock.advance(HOUR)
    fail(metrics, 5.0)
    once = await look(world, HOUR + 30 * SECOND, MANY, baselines=KNOWN)
    assert "kill-switch" not in [part.name for part in once.judgements[2].parts]
    twice = (await look(world, HOUR + MINUTE, MANY, baselines=KNOWN)).judgements[2]
    assert twice.verdict is BREACHED
    assert "kill-switch" in [part.name for part in twice.parts]


OTHER = "other_errors_total"
TWO = plan(guardrails=(RATE, replace(RATE, name="other", metric=PromQL(OTHER), dry_run=True)))


def spoil(metrics: FakeMetrics, counter: str, at: datetime) -> None:
    """Let a counter be no number at one instant."""
    rewrite(metrics, counter, lambda when, value: float("nan") if when == at else value)


async def test_a_dry_run_that_is_no_number_disarms_no_kill_switch(world, metrics):
    serve_all(metrics)
    place = {"namespace": "app", "instance": "api-1-a", "pod": "api-1-a"}
    metrics.count(OTHER, 0.01, variant="list", **place)
    world.clock.advance(HOUR)
    fail(metrics, 5.0)
    spoil(metrics, OTHER, T + HOUR)
    errors, _ = (await look(world, HOUR + MINUTE, TWO, baselines=KNOWN)).judgements
    assert "kill-switch" in [part.name for part in errors.parts]
    (fired,) = await kills(TWO, applying(since=T), KNOWN, world, PODS)
    assert fired.name == "errors"


async def test_errors_of_unknown_requests_fire_nothing(world, metrics):
    """The evidence begins after the instant that is no number, the two minutes before it."""
    place = {"namespace": "app", "instance": "api-1-a", "pod": "api-1-a"}
    for arm in ("tree", "list"):
        metrics.count(REQUESTS, 50.0, variant=arm, **place)
        metrics.count(ERRORS, 0.5, variant=arm, **place)
    world.clock.advance(HOUR)
    spoil(metrics, REQUESTS, T + HOUR - MINUTE)
    begun = Evidence(t0=T, counted_to=T + HOUR - 30 * SECOND)
    of = plan(guardrails=(RATE,))
    found = await look(world, HOUR, of, soaking(evidence=begun), KNOWN)
    assert "kill-switch" not in [part.name for part in only(found).parts]
    assert only(found).verdict is not BLIND
    assert await killing(world, HOUR, of) == ()


def fail(metrics: FakeMetrics, rate: float) -> None:
    """Let so many requests of treatment fail in a second from now on."""
    for one in metrics.counters.values():
        if one.labels["__name__"] == ERRORS and one.labels["variant"] == "list":
            one.turn(metrics.clock.now(), rate)


async def test_harm_is_not_hidden_by_pods_that_are_not_scraped(world, metrics):
    """Most of the pods do not answer scrapes; of what the others count half fails."""
    serve_all(metrics)
    world.clock.advance(HOUR)
    fail(metrics, 5.0)
    ready = frozenset({"api-1-a", "api-1-b", "api-1-c"})
    world.clock.advance(MINUTE + 15 * SECOND)
    (found,) = await take_looks(
        MANY, soaking(), [T + HOUR + MINUTE], world, Pods(PODS.families, ready), baselines=KNOWN
    )
    share, _, errors, _ = found.judgements
    assert (share.verdict, share.why) == (BLIND, "1 of 3 pods were scraped within 45s")
    assert errors.verdict is BREACHED


async def test_a_kill_switch_counts_nothing_from_before_t0(world, metrics):
    """Errors until T0, none after it: two minutes reach back beyond it."""
    serve_all(metrics)
    fail(metrics, 5.0)
    world.clock.advance(HOUR)
    fail(metrics, 0.0)
    stage = soaking(evidence=Evidence(t0=T + HOUR, counted_to=T + HOUR))
    for n in (1, 2, 3):
        found = await look(world, HOUR + n * 30 * SECOND, MANY, stage, KNOWN)
        assert "kill-switch" not in [part.name for part in found.judgements[2].parts]


async def test_errors_that_only_another_app_counts_blind_no_share(world, metrics):
    for arm in ("tree", "list"):
        place = {"namespace": "app", "variant": arm}
        metrics.count(REQUESTS, 5.0, **place, instance="a", pod="api-1-a")
        metrics.count(ERRORS, 5.0, **place, instance="s", pod="shop-1-a")
    found = await look(world, HOUR, plan(guardrails=(SHARE, RATE)), baselines=KNOWN)
    share, errors = found.judgements
    assert (share.verdict, share.counted) == (WITHIN, 3600)
    assert (errors.verdict, errors.why) == (BLIND, STRANGERS.format(2, ERRORS))


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


async def test_a_long_query_is_as_fine_as_a_short_one(world, metrics):
    """The adapter asks for it in parts: a coarser grid would miss a break."""
    long = replace(SPEED, lasting=100 * HOUR)
    asked = plan(guardrails=(long,), arms=None, metrics=None, soak=720 * HOUR)
    await look(world, 110 * HOUR, asked)
    ((_, start, end, step),) = metrics.spans
    assert (end - start, step) == (101 * HOUR, 30 * SECOND)


async def test_a_break_that_nobody_dated_is_dated_back_to_t0(world, metrics):
    """The range begins within the break: only all of the soak says when it began."""
    answer(metrics, lambda after: 2.0 if after >= 5 * MINUTE else 0.1)
    for after in (16 * MINUTE, 4 * HOUR):
        found = only(await look(world, after, SLOW))
        assert (found.verdict, found.onset) == (BREACHED, T + 5 * MINUTE)
        assert found.attributable
    assert [start for _, start, *_ in metrics.spans] == [T, T + 2 * HOUR + 50 * MINUTE, T]


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
            [("starts", 'no series with variant="list" of a pod of the targets')],
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


def rewrite(metrics: FakeMetrics, counter: str, value: Callable[[datetime, float], float]) -> None:
    """Let every value of a counter over a range be another."""
    real = metrics.span

    async def span(source, query, *asked):
        found = await real(source, query, *asked)
        if counter not in query:
            return found
        return tuple(replace(s, points=tuple((t, value(t, v)) for t, v in s.points)) for s in found)

    metrics.span = span


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


async def killing(
    world: World,
    after: timedelta,
    of: Plan = MANY,
    baselines: tuple[Baseline, ...] = KNOWN,
) -> tuple[Judgement, ...]:
    """Look for kill-switches of a write at T, some time later, a scrape after a look."""
    world.clock.advance(T + after + 15 * SECOND - world.clock.now())
    return await kills(of, applying(), baselines, world, PODS)


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
