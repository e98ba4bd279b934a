"""One look: every guardrail is judged by what it counted, or says why it cannot be."""

import math
from dataclasses import replace

import pytest

from exact import VECTORS
from rampguard.core.ask import GuardrailType
from rampguard.core.guardrails import worst
from rampguard.core.harm import deciding
from rampguard.core.judging import judge, of_families, silence
from rampguard.core.model import Baseline, Evidence, Judgement, Measured, Phi, Reading, Verdict
from rampguard.core.plan import Plan
from rate_scenes import (
    ERRORS,
    ERRORS_BEFORE,
    ONCE,
    QUARTER,
    STARTS,
    STARTS_BEFORE,
    arms,
    bins,
    errors_judged,
    judged_at,
    look_at,
    one,
    part,
    recent,
)
from scenes import HOUR, MINUTE, SHARE, SPEED, T, judged, plan, soaking, stage_of, state, watch

BREACHED, WITHIN = Verdict.BREACHED, Verdict.WITHIN_TOLERANCE
UNSURE, BLIND, NOTHING = Verdict.INCONCLUSIVE, Verdict.NO_DATA, Verdict.NOT_APPLICABLE
ALL = plan(guardrails=(STARTS, SPEED, ERRORS, SHARE))
AT = T + HOUR
NEW, FIRST = (Reading(50_000, 50_000),), (Reading(30_000, 30_000),)
BAD, ASKED = (Reading(2_000, 2_000),), (Reading(400_000, 400_000),)
COUNTS = (FIRST, NEW, BAD, ASKED, NEW)  # starts, assignments with a lag, errors, requests, all
BEFORE = (STARTS_BEFORE, ERRORS_BEFORE)
FAST = {"p95": ((AT, 0.4),)}


def look(**facts: object) -> tuple[Judgement, ...]:
    told = Measured(counted=Evidence(t0=T, counted_to=AT, counts=COUNTS), points=FAST)
    return judge(ALL, soaking(), BEFORE, AT, replace(told, **facts))


def verdicts(judgements: tuple[Judgement, ...]) -> list[Verdict]:
    return [one.verdict for one in judgements]


def test_judgements_come_in_the_order_of_the_manifest() -> None:
    assert [(j.name, j.type) for j in look()] == [(g.name, g.type) for g in ALL.ask.guardrails]


def test_each_guardrail_finds_what_it_counted() -> None:
    starts, _, errors, share = look()
    assert starts.why == "drop: 30000 starts of 50000 assignments, control: 30000 of 50000"
    assert part(errors, "concurrent").counts.startswith("2000 errors of 400000 requests")
    assert share.why == "50000 of 100000 new assignments"


# fmt: off
UNSEEN: dict[str, tuple[dict, list[Verdict], str]] = {
    "nothing could be counted": (
        {"counted": "Prometheus is gone"}, [BLIND, WITHIN, BLIND, BLIND], "Prometheus is gone"),
    "nothing is silent": ({"silent": ("",) * 5}, verdicts(look()), ""),
    "starts are silent": ({"silent": ("no starts", "", "", "", "")},
        [BLIND, *verdicts(look())[1:]], "no starts"),
    "assignments are silent": ({"silent": ("", "none", "", "", "none")},
        [BLIND, WITHIN, verdicts(look())[2], BLIND], "none"),
    "errors are silent": ({"silent": ("", "", "no errors", "", "")},
        [WITHIN, WITHIN, BLIND, WITHIN], "no errors"),
    "requests are silent": ({"silent": ("", "", "", "stale", "")},
        [WITHIN, WITHIN, BLIND, WITHIN], "stale"),
    "the query was not asked": ({"points": {}},
        [WITHIN, BLIND, verdicts(look())[2], WITHIN], "the query was not asked"),
    "the query failed": ({"points": {"p95": "500"}},
        [WITHIN, BLIND, verdicts(look())[2], WITHIN], "500"),
}
# fmt: on


@pytest.mark.parametrize(("facts", "told", "why"), UNSEEN.values(), ids=UNSEEN)
def test_what_cannot_be_seen_is_no_data_and_leaves_the_others(facts, told, why) -> None:
    found = look(**facts)
    assert verdicts(found) == told
    assert {j.why for j in found if j.verdict is BLIND} == ({why} if why else set())


def test_the_first_silence_is_told() -> None:
    assert silence(ALL, ERRORS, ("a", "b", "c", "d", "e")) == "c"
    assert silence(ALL, ERRORS, ("a", "b", "", "d", "e")) == "d"
    assert silence(ALL, SPEED, ("a", "b", "c", "d", "e")) == ""
    assert silence(ALL, ERRORS, ()) == ""


def test_what_was_counted_lately_is_found_by_family() -> None:
    told = tuple((Reading(i), Reading(-i)) for i in range(5))
    assert of_families(ALL, ERRORS, told) == told[2:4]
    assert of_families(ALL, ERRORS, ()) == ()
    assert of_families(ALL, SPEED, told) == ()


def test_an_empty_soak_judges_nothing_harmful() -> None:
    found = look(counted=Evidence(t0=T, counted_to=T))
    assert verdicts(found) == [UNSURE, WITHIN, UNSURE, UNSURE]


# --- without a baseline ---


@pytest.mark.parametrize(("rule", "phi"), [(STARTS, 2.0), (ONCE, 1.0)])
def test_without_a_baseline_phi_is_assumed(rule, phi: float) -> None:
    """A baseline that is lost must not make the test more eager than one that is."""
    drop = part(judged_at(one(rule), bins(arms(600, 1_000, 600, 1_000))), "drop")
    assert drop.phi == phi
    assert drop.marks == (("phi assumed",) if phi > 1 else ())


def test_a_baseline_of_another_guardrail_is_none() -> None:
    counts = bins(arms(600, 1_000, 600, 1_000))
    other = Baseline(guardrail="other", phi_arms=Phi(value=1.0, batch=HOUR))
    assert part(judged_at(one(STARTS), counts, other), "drop").phi == 2


def test_without_a_baseline_the_kill_switch_still_works() -> None:
    found = judged_at(one(ERRORS), (), recent=recent(60, 1_000))
    assert [p.name for p in found.parts] == ["kill-switch"]
    assert found.verdict is BREACHED


# --- the verdicts of the vectors ---


def thresholds(row: dict) -> tuple[float, float]:
    told = next(r for r in VECTORS["thresholds"] if r["id"] == row["threshold"])
    return told["null"], told["margin"]


DECIDED = [row for row in VECTORS["verdicts"] if row["data"] == "ok"]


@pytest.mark.parametrize("row", DECIDED, ids=lambda row: row["id"])
def test_verdicts_are_those_of_the_vectors(row: dict) -> None:
    """Evidence as in the vectors, from alphas that ask for as much more or less."""
    null, margin = thresholds(row)
    our = one(STARTS)
    harm = arms(4_800, 10_000, 6_000, 10_000)
    even = arms(60_000, 100_000, 60_000, 100_000)
    told = judged_at(our, bins(even if row["within_log_e"] else harm), STARTS_BEFORE)
    if not row["within_log_e"]:
        # The same surplus over both thresholds as the vector has.
        low = told.log_e_null - (row["log_e_null"] - null)
        high = told.log_e_margin - (row["log_e_margin"] - margin)
        asked = plan(guardrails=(STARTS,), alpha=math.exp(-low),
                     alpha_within_tolerance=math.exp(-high))  # fmt: skip
        told = judged_at(asked, bins(harm), STARTS_BEFORE)
    assert told.verdict == row["verdict"]


def test_data_that_is_stale_is_never_within_tolerance() -> None:
    """Vector V5."""
    counts = bins(arms(60_000, 100_000, 60_000, 100_000))
    assert judged_at(one(STARTS), counts, STARTS_BEFORE).verdict is WITHIN
    stale = judged_at(one(STARTS), counts, STARTS_BEFORE, silent=("stale", ""))
    assert stale.verdict is BLIND


FEW = ("7 of 10 pods were scraped within 45s", "")


def test_harm_that_is_shown_is_not_hidden_by_who_is_silent() -> None:
    """Pods that fail do not answer scrapes either: the others show 62 percent of errors."""
    killed = judged_at(one(ERRORS), (), ERRORS_BEFORE, recent=recent(6_200, 10_000), stale=FEW)
    assert (killed.verdict, killed.value) == (BREACHED, "62.0%")
    counts = bins(arms(3_000, 7_200, 36, 7_200))
    proven = judged_at(one(ERRORS), counts, ERRORS_BEFORE, stale=FEW)
    assert proven.verdict is BREACHED


def test_silence_hides_what_is_no_harm() -> None:
    calm = judged_at(one(ERRORS), (), ERRORS_BEFORE, recent=recent(50, 10_000), stale=FEW)
    assert (calm.verdict, calm.why, calm.parts) == (BLIND, FEW[0], ())


def test_an_arm_that_is_not_there_is_no_drop_of_all_its_starts() -> None:
    counts = bins(arms(0, 0, 60_000, 100_000))
    gone = 'no series with variant="list" of a pod of the targets'
    told = judged_at(one(STARTS), counts, STARTS_BEFORE, silent=(gone, ""))
    assert (told.verdict, told.why) == (BLIND, gone)


# --- evidence since a limit was changed ---


@pytest.mark.parametrize(
    ("anew", "seen"),
    [
        ((), 600),
        ((("starts", T),), 600),
        ((("starts", T - QUARTER),), 600),  # there is no bin before the soak
        ((("starts", T + QUARTER),), 0),
        ((("starts", T + MINUTE),), 0),  # in whole bins: the first is left out
        ((("other", T + QUARTER),), 600),
    ],
)
def test_a_guardrail_that_was_changed_is_judged_by_what_came_after(anew, seen) -> None:
    counts = bins(arms(600, 1_000, 600, 1_000), arms(0, 0, 0, 0))
    judged = judged_at(one(STARTS), counts, STARTS_BEFORE, stage=replace(soaking(), anew=anew))
    assert judged.why.startswith(f"drop: {seen} starts")


def test_harm_after_a_change_is_dated_by_its_own_bin() -> None:
    calm, harm = arms(600, 1_000, 600, 1_000), arms(4_800, 10_000, 6_000, 10_000)
    stage = replace(soaking(), anew=(("starts", T + QUARTER),))
    judged = judged_at(one(STARTS), bins(harm, calm, harm), STARTS_BEFORE, stage=stage)
    assert (judged.verdict, judged.onset) == (BREACHED, T + 2 * QUARTER)


def test_a_breach_is_latched_while_data_is_stale() -> None:
    """Vector V6."""
    our = one(ERRORS)
    was = soaking(evidence=Evidence(t0=T, counted_to=T, breached=("errors",)), rules="")
    was = replace(was, rules=stage_of(watch(of=our, was=state(was))).rules)
    stale = look_at(2 * MINUTE, errors_judged(BLIND, value=""))
    decision = watch(stale, of=our, was=state(was))
    assert [g.name for g in decision.state.gates] == ["breach"]


# --- the worst of several ---

WORST = {
    "nothing": ((), BLIND),
    "a breach is the worst": ((WITHIN, BLIND, BREACHED, UNSURE), BREACHED),
    "unknown is worse than unsure": ((WITHIN, UNSURE, BLIND), BLIND),
    "unsure is worse than within": ((WITHIN, UNSURE, NOTHING), UNSURE),
    "what does not apply says nothing": ((NOTHING, WITHIN), WITHIN),
    "nothing applies": ((NOTHING, NOTHING), NOTHING),
}


@pytest.mark.parametrize(("told", "verdict"), WORST.values(), ids=WORST)
def test_the_worst_of_several(told, verdict) -> None:
    assert worst(judged(one) for one in told) is verdict


def test_what_does_not_apply_and_what_only_watches_never_decide() -> None:
    quiet = replace(ERRORS, dry_run=True)
    our: Plan = plan(guardrails=(STARTS, quiet, SHARE))
    told = (judged(NOTHING, "starts"), judged(BREACHED, "errors"), judged(WITHIN, "share"))
    assert [j.name for j in deciding(our, soaking(), told)] == ["share"]
    assert deciding(our, soaking(accepted=("share",)), told) == ()


def test_each_type_is_judged_as_itself() -> None:
    """A new type must not be judged as another: here it would be missing."""
    assert {j.type for j in look()} == {g.type for g in ALL.ask.guardrails} == {*GuardrailType}
