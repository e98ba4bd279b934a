"""What no counts and no cutting of them can make of a guardrail on rates."""

import math
from dataclasses import replace
from datetime import timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from rampguard.api import engine
from rampguard.core.applying import rules as rules_of
from rampguard.core.counting import Delta, closed, folded, spacing
from rampguard.core.decide import decide
from rampguard.core.judging import judge
from rampguard.core.model import (
    Applying,
    Baseline,
    Ended,
    Evidence,
    Judgement,
    Look,
    Measured,
    Outcome,
    Phi,
    Reading,
    Soaking,
    Verdict,
)
from rate_scenes import ERRORS, ERRORS_BEFORE, ONCE, STARTS, STARTS_BEFORE
from scenes import DAY, HOUR, MINUTE, SECOND, SHARE, T, pair, plan, seen, soaking, state

PLAN = plan(guardrails=(SHARE, STARTS, ERRORS, replace(ONCE, name="once")), soak=10 * MINUTE)
BEFORE = (STARTS_BEFORE, ERRORS_BEFORE, replace(STARTS_BEFORE, guardrail="once"))
LOOK = PLAN.tempo.look
SIZE = spacing(LOOK, PLAN.ask.soak)
END = T + PLAN.ask.soak
BREACHED, BLIND = Verdict.BREACHED, Verdict.NO_DATA

FEWER = settings(max_examples=30)  # judging of one per user is slow

COUNTS = st.integers(0, 10_000).map(float) | st.sampled_from((0.0, 1.0, 2.0**53))
READINGS = st.builds(Reading, COUNTS, COUNTS, COUNTS)
PHIS = st.builds(Phi, value=st.floats(1, 50), batch=st.just(5 * MINUTE) | st.none())
BASELINES = st.builds(
    Baseline,
    guardrail=st.just("?"),
    span=st.timedeltas(timedelta(0), DAY),
    hits=COUNTS,
    exposure=COUNTS,
    rate=st.floats(0, 1),
    phi_history=PHIS,
    phi_arms=PHIS,
    armed=st.booleans(),
    busiest=st.floats(0, 10),
    enough=st.booleans(),
)


@st.composite
def measures(draw: st.DrawFn) -> Measured:
    """Draw what a look may have measured: counts of any size, silences, a hot last minute."""
    length = draw(st.integers(0, 6))
    bins = st.lists(READINGS, min_size=length, max_size=length).map(tuple)
    counts = tuple(draw(bins) for _ in PLAN.families) if length else ()
    silent = draw(st.just(()) | st.tuples(*(st.sampled_from(("", "", "", "stale")),) * len(counts)))
    recent = draw(st.just(()) | st.tuples(*(st.tuples(READINGS, READINGS),) * len(PLAN.families)))
    counted = Evidence(t0=T, counted_to=END, counts=counts)
    return Measured(counted=counted, silent=silent if counts else (), recent=recent)


def named(baseline: Baseline) -> tuple[Baseline, ...]:
    return tuple(replace(baseline, guardrail=g.name) for g in PLAN.ask.guardrails)


def numbers(judged: Judgement) -> list[float]:
    told = [judged.counted, judged.number, judged.log_e_null, judged.log_e_margin]
    told += [x for p in judged.parts for x in (p.log_e_null, p.log_e_margin, p.phi)]
    return [x for x in told if x is not None]


# --- a breach ---


@FEWER
@given(measures(), BASELINES)
def test_a_breach_needs_both_thresholds_or_a_kill_switch(measured, baseline) -> None:
    for judged in judge(PLAN, soaking(), named(baseline), END, measured):
        for part in judged.parts:
            if part.name == "kill-switch":
                assert part.verdict is BREACHED
            elif part.threshold_null is not None and judged.type is not SHARE.type:
                # bool: with the tests of the twin in one process a cached number may be numpy's.
                both = bool(
                    part.log_e_null >= part.threshold_null
                    and part.log_e_margin >= part.threshold_margin
                )
                assert (part.verdict is BREACHED) is both
        assert (judged.verdict is BREACHED) is any(p.verdict is BREACHED for p in judged.parts)
        assert (judged.onset is not None) is (judged.verdict is BREACHED)


@FEWER
@given(measures(), BASELINES)
def test_no_counts_make_a_number_that_is_none(measured, baseline) -> None:
    for judged in judge(PLAN, soaking(), named(baseline), END, measured):
        assert not any(map(math.isnan, numbers(judged)))
        texts = (judged.value, judged.interval, judged.could_see, *map(str, judged.parts))
        assert not any("nan" in text for text in texts)


@FEWER
@given(measures(), BASELINES)
def test_within_tolerance_is_what_every_part_is(measured, baseline) -> None:
    for stage in (soaking(), soaking(changed_at=T + MINUTE)):
        for judged in judge(PLAN, stage, named(baseline), END, measured):
            if judged.verdict is Verdict.WITHIN_TOLERANCE:
                assert {p.verdict for p in judged.parts} == {Verdict.WITHIN_TOLERANCE}


@FEWER
@given(measures())
def test_what_is_silent_is_never_judged_but_harm(measured) -> None:
    """Few pods hide everything except harm, and that they leave as it was."""
    quiet = replace(measured, silent=(), stale=("stale",) * len(PLAN.families))
    heard = judge(PLAN, soaking(), BEFORE, END, replace(measured, silent=()))
    for judged, loud in zip(judge(PLAN, soaking(), BEFORE, END, quiet), heard, strict=True):
        if loud.verdict is BREACHED:
            assert judged == loud
        else:
            assert (judged.verdict, judged.parts, judged.why) == (BLIND, (), "stale")


@FEWER
@given(measures(), st.floats(1, 50))
def test_a_larger_phi_never_makes_a_breach(measured, phi: float) -> None:
    wild = Phi(value=phi, batch=HOUR)
    calm = tuple(replace(b, phi_history=Phi(value=1.0), phi_arms=Phi(value=1.0)) for b in BEFORE)
    wilder = tuple(replace(b, phi_history=wild, phi_arms=wild) for b in BEFORE)
    measured = replace(measured, recent=())
    less = judge(PLAN, soaking(), calm, END, measured)
    more = judge(PLAN, soaking(), wilder, END, measured)
    for one, other in zip(less, more, strict=True):
        assert one.verdict is BREACHED or other.verdict is not BREACHED


# --- looks ---

DELTAS = st.lists(
    st.builds(
        Delta,
        at=st.integers(1, 600).map(lambda s: T + s * SECOND),
        arm=st.sampled_from(("tree", "list", "")),
        grown=st.integers(0, 2_000).map(float),
    ),
    max_size=15,
)
CUTS = st.sets(st.integers(1, 19), max_size=6).map(sorted)


def counted(told: tuple, cuts: list[int]) -> Evidence:
    """Return the evidence at the end of the soak, after looks on the grid, as it is remembered."""
    evidence = Evidence(t0=T, counted_to=T)
    for until in (*(T + n * LOOK for n in cuts), END):
        late = tuple(tuple(d for d in one if evidence.counted_to < d.at <= until) for one in told)
        evidence = folded(evidence, late, PLAN.families, PLAN.ask.arms, size=SIZE, until=until)
        evidence = evidence if until == END else closed(evidence, SIZE)
    return evidence


@FEWER
@given(st.tuples(*(DELTAS,) * len(PLAN.families)), CUTS)
def test_evidence_is_equal_under_any_split_into_looks(told, cuts) -> None:
    whole, split = counted(told, []), counted(told, cuts)
    assert split == whole
    judged = [judge(PLAN, soaking(), BEFORE, END, Measured(counted=one)) for one in (whole, split)]
    assert judged[0] == judged[1]


@FEWER
@given(st.tuples(*(DELTAS,) * len(PLAN.families)), st.integers(1, 19))
def test_what_is_remembered_and_read_again_is_judged_alike(told, cut) -> None:
    """The operator restarts in the middle of a soak."""
    evidence = closed(counted_to(told, T + cut * LOOK), SIZE)
    stage = soaking(evidence=evidence)
    again = engine.read(engine.write(state(stage, baselines=BEFORE)))
    assert isinstance(again.stage, Soaking)
    assert again.stage.evidence == evidence
    before, after = (
        judge(PLAN, one, baselines, END, Measured(counted=one.evidence))
        for one, baselines in ((stage, BEFORE), (again.stage, again.baselines))
    )
    assert before == after


def counted_to(told: tuple, until: object) -> Evidence:
    fresh = Evidence(t0=T, counted_to=T)
    return folded(fresh, told, PLAN.families, PLAN.ask.arms, size=SIZE, until=until)


# --- an unknown never advances, whatever is judged how ---


VERDICTS = st.tuples(*(st.sampled_from(Verdict),) * len(PLAN.ask.guardrails))
STEPS = plan(guardrails=PLAN.ask.guardrails, steps=(50,), to=90, step_soak=10 * MINUTE)


def went_on(stage: object) -> bool:
    return isinstance(stage, Applying) or (
        isinstance(stage, Ended) and stage.outcome is Outcome.COMPLETED
    )


@given(
    VERDICTS,
    st.sampled_from((PLAN, STEPS)),
    st.sampled_from((None, T + MINUTE)),
    st.integers(0, 30),
)
def test_an_unknown_never_advances_a_ramp(verdicts, our, changed_at, minutes) -> None:
    after = minutes * MINUTE
    judged = tuple(
        Judgement(name=g.name, type=g.type, verdict=v)
        for g, v in zip(our.ask.guardrails, verdicts, strict=True)
    )
    stage = soaking(rules=rules_of(our), changed_at=changed_at)
    look = Look(at=T + after, evidence=stage.evidence, judgements=judged)
    saw = seen(*pair(our.values[0]), after=after, looks=(look,))
    decision = decide(our, state(stage, baselines=BEFORE), saw)
    if went_on(decision.state.stage):
        assert not {BLIND, BREACHED} & set(verdicts)
        assert changed_at is None
        assert after >= PLAN.ask.soak
