"""Looks: every guardrail judged at a settled instant, blind ones with the reason."""

from dataclasses import dataclass, field, replace
from datetime import timedelta

import pytest

from fakes import Mood
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
    SLOW,
    STARTS,
    STRANGERS,
    UNSURE,
    WITHIN,
    answer,
    asked,
    fail,
    killing,
    look,
    only,
    serve_all,
    spoil,
    verdicts,
)
from rampguard.core.ask import PromQL
from rampguard.core.model import (
    Evidence,
    Look,
    Reading,
    Soaking,
)
from rampguard.core.plan import Plan
from rampguard.engine.counters import Pods
from rampguard.engine.looks import take_looks
from rampguard.engine.signals import kills
from rampguard.ports import World
from scenes import DAY, HOUR, MINUTE, SECOND, SHARE, SPEED, T, applying, plan, soaking

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
