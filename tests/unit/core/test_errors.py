"""ErrorRate: what errors show against the time before and between the arms."""

import math
from dataclasses import replace

import pytest

from exact import VECTORS
from rampguard.core.model import Baseline, Judgement, Phi, Reading, Rebased, Verdict
from rate_scenes import (
    ERRORS,
    ERRORS_BEFORE,
    ONE_BIN,
    QUARTER,
    SHORT,
    UNARMED,
    arms,
    bins,
    judged_at,
    one,
    part,
    unlabelled,
)
from scenes import HOUR, MINUTE, SHARE, T, plan, soaking

BREACHED, WITHIN = Verdict.BREACHED, Verdict.WITHIN_TOLERANCE
UNSURE, NOTHING = Verdict.INCONCLUSIVE, Verdict.NOT_APPLICABLE
LONG = replace(ERRORS_BEFORE, hits=50_000, exposure=10_000_000)  # 0.5 %


def found(
    counts: tuple[tuple[Reading, ...], ...],
    before: Baseline = LONG,
    to: int = 50,
    **facts: object,
) -> Judgement:
    return judged_at(one(ERRORS, to=to), counts, before, **facts)


def shown(judged: Judgement) -> dict[str, Verdict]:
    return {p.name: p.verdict for p in judged.parts}


def both(history: Verdict, concurrent: Verdict) -> dict[str, Verdict]:
    return {"history": history, "concurrent": concurrent}


# A deploy of somebody's trebles the errors of both arms while old cookies fade: treatment has 18 %
# of the requests before it and 50 % after it, 1 % and then 3 % of each arm fail.
BY_BIN = bins(arms(180, 18_000, 820, 82_000), arms(1_500, 50_000, 1_500, 50_000))


def test_arms_that_are_alike_in_each_bin_are_alike() -> None:
    judged = found(BY_BIN, replace(LONG, enough=False))
    (arms_alone,) = judged.parts
    assert (arms_alone.name, arms_alone.verdict, arms_alone.value) == ("concurrent", WITHIN, "x1")
    assert arms_alone.log_e_null == arms_alone.log_e_margin == -math.inf
    assert arms_alone.counts == "1680 errors of 68000 requests, control: 2320 of 132000"


def test_harm_to_all_is_not_made_the_ramps_by_cookies_that_fade() -> None:
    late = bins(*[arms(9, 1_800, 41, 8_200)] * 8, *[arms(75, 5_000, 75, 5_000)] * 80)
    judged = found(late)
    assert shown(judged) == both(BREACHED, WITHIN)
    assert not judged.attributable


def test_errors_of_control_while_nobody_is_in_treatment_have_no_ratio() -> None:
    judged = found(bins(arms(0, 0, 50, 900), arms(0, 300, 0, 300)))
    assert part(judged, "concurrent").value == ""


# --- verdicts ---

# fmt: off
ROWS: dict[str, tuple[Judgement, Verdict, dict[str, Verdict]]] = {
    "nothing was counted": (found(()), UNSURE, both(UNSURE, UNSURE)),
    "requests without an error": (
        found(bins(arms(0, 500, 0, 500))), UNSURE, both(UNSURE, UNSURE)),
    "as many errors as before, in both arms": (
        found(bins(arms(20_000, 4_000_000, 20_000, 4_000_000))), WITHIN, both(WITHIN, WITHIN)),
    "many errors, but not in treatment": (
        found(bins(arms(100, 400_000, 20_000, 400_000))), BREACHED, both(BREACHED, WITHIN)),
    "more errors in treatment alone": (
        found(bins(arms(1_000, 50_000, 250, 50_000))), BREACHED, both(BREACHED, BREACHED)),
    "more errors in both arms": (
        found(bins(arms(2_000, 100_000, 2_000, 100_000))), BREACHED, both(BREACHED, WITHIN)),
    "treatment worse, in all no more than before": (
        found(bins(arms(900, 100_000, 100, 100_000))), BREACHED, both(WITHIN, BREACHED)),
    "errors without a label of the arm": (
        found(unlabelled((4_000, 200_000))), BREACHED, both(BREACHED, UNSURE)),
    "a fifth more is allowed": (
        found(bins(arms(600, 100_000, 600, 100_000))), UNSURE, both(UNSURE, UNSURE)),
    "twice as many of little": (
        found(bins(arms(2, 200, 1, 200))), UNSURE, both(UNSURE, UNSURE)),
    "a late rise": (
        found(bins(*[arms(25, 5_000, 25, 5_000)] * 40, arms(200, 5_000, 25, 5_000))),
        BREACHED, both(BREACHED, BREACHED)),
    "at 100 percent only history judges": (
        found(bins(arms(2_000, 100_000, 0, 0)), to=100), BREACHED, {"history": BREACHED}),
    "at 0 percent only history judges": (
        found(bins(arms(0, 0, 2_000, 100_000)), to=0), BREACHED, {"history": BREACHED}),
    "at 0 percent as many as before": (
        found(bins(arms(0, 0, 40_000, 8_000_000)), to=0), WITHIN, {"history": WITHIN}),
    "without labels of arms only history judges": (
        found(unlabelled((4_000, 200_000)), UNARMED), BREACHED, {"history": BREACHED}),
    "without history only the arms are compared": (
        found(bins(arms(2_000, 100_000, 2_000, 100_000)), SHORT), WITHIN, {"concurrent": WITHIN}),
    "without history treatment alone is worse": (
        found(bins(arms(1_000, 50_000, 250, 50_000)), SHORT), BREACHED, {"concurrent": BREACHED}),
    "without history nothing is compared at 100 percent": (
        found(bins(arms(2_000, 100_000, 0, 0)), SHORT, to=100), NOTHING, {}),
    "nothing is known of the time before": (
        judged_at(one(ERRORS), bins(arms(9_000, 10_000, 1, 10_000))), NOTHING, {}),
    "no error before and none now": (
        found(bins(arms(0, 9_000, 0, 9_000)), replace(LONG, hits=0)),
        UNSURE, both(UNSURE, UNSURE)),
    "no error before and many now": (
        found(bins(arms(100, 9_000, 100, 9_000)), replace(LONG, hits=0)),
        BREACHED, both(BREACHED, UNSURE)),
    "nobody asked before": (
        found(bins(arms(100, 9_000, 100, 9_000)), replace(LONG, hits=0, exposure=0)),
        UNSURE, both(UNSURE, UNSURE)),
}
# fmt: on


@pytest.mark.parametrize(("judged", "verdict", "parts"), ROWS.values(), ids=ROWS)
def test_each_count_has_its_verdict(judged, verdict, parts) -> None:
    assert (judged.verdict, shown(judged)) == (verdict, parts)


def test_why_nothing_is_judged_is_told() -> None:
    judged = found((), SHORT, to=100)
    assert judged.why == "nothing to compare with at this share"


# --- which part leads ---


LEADS = {
    "the one that is broken": ((900, 100_000, 100, 100_000), "concurrent"),
    "history where both are": ((1_000, 50_000, 250, 50_000), "history"),
    "the one that is not sure": ((20, 4_000, 40_000, 8_000_000), "concurrent"),
}


@pytest.mark.parametrize(("told", "leads"), LEADS.values(), ids=LEADS)
def test_the_worst_part_leads(told, leads: str) -> None:
    judged = found(bins(arms(*told)))
    lead = part(judged, leads)
    for name in ("verdict", "value", "interval", "limit", "log_e_null", "log_e_margin", "onset"):
        assert getattr(judged, name) == getattr(lead, name)
    assert judged.why == f"{leads}: {lead.counts}"


# --- numbers ---

B9, B10 = (next(r for r in VECTORS["binomial_windows"] if r["id"] == i) for i in ("B9", "B10"))


@pytest.mark.parametrize(
    "counts", [unlabelled((63, 7_200)), bins(arms(30, 3_000, 33, 4_200))], ids=["no arm", "arms"]
)
def test_evidence_against_history_is_that_of_the_vectors(counts) -> None:
    history = part(judged_at(one(ERRORS, soak=ONE_BIN), counts, ERRORS_BEFORE), "history")
    assert history.log_e_margin == pytest.approx(B9["log_e"], rel=1e-6)
    assert history.log_e_null == pytest.approx(B10["log_e"], rel=1e-6)
    assert history.counts == "63 errors of 7200 requests, the time before the ramp: 432 of 86400"


def test_evidence_between_the_arms_is_that_against_as_much_history() -> None:
    """63 errors in 7200 requests against 432 in 86400, wherever the second come from."""
    concurrent = part(
        judged_at(one(ERRORS, soak=ONE_BIN), bins(arms(63, 7_200, 432, 86_400)), ERRORS_BEFORE),
        "concurrent",
    )
    assert concurrent.log_e_margin == pytest.approx(B9["log_e"], rel=1e-6)
    assert concurrent.log_e_null == pytest.approx(B10["log_e"], rel=1e-6)


ALONE, OF_THREE = (ERRORS,), (ERRORS, SHARE, replace(SHARE, name="b"))
THRESHOLDS = {
    "one of three, two parts": (OF_THREE, ERRORS_BEFORE, 6.39693, 4.09434),
    "one of three, one part": (OF_THREE, UNARMED, 5.70378, 3.40120),
    "alone, two parts": (ALONE, ERRORS_BEFORE, 5.29832, 2.99573),
    "alone, one part": (ALONE, SHORT, 4.60517, 2.30259),
}


@pytest.mark.parametrize(("rules", "before", "null", "margin"), THRESHOLDS.values(), ids=THRESHOLDS)
def test_parts_share_what_a_guardrail_may_spend(rules, before, null, margin) -> None:
    judged = judged_at(plan(guardrails=rules), (), before)
    for p in judged.parts:
        assert (p.threshold_null, p.threshold_margin) == pytest.approx((null, margin), rel=1e-5)


def test_what_is_held_keeps_its_share() -> None:
    """Else a template change would make the other part more eager."""
    free, held = (
        part(found((), stage=soaking(changed_at=at)), "concurrent").threshold_null
        for at in (None, T + HOUR)
    )
    assert free == held


@pytest.mark.parametrize(
    ("alphas", "verdict"),
    [((0.5, 1e-300), UNSURE), ((1e-300, 0.5), UNSURE), ((0.5, 0.5), BREACHED)],
    ids=["only the null", "only the margin", "both"],
)
def test_a_breach_needs_both_thresholds(alphas, verdict) -> None:
    our = one(ERRORS, alpha=alphas[0], alpha_within_tolerance=alphas[1])
    judged = judged_at(our, bins(arms(120, 10_000, 50, 10_000)), LONG)
    assert judged.verdict is verdict


def test_each_part_has_its_own_phi() -> None:
    before = replace(
        LONG, phi_history=Phi(value=16.0, batch=HOUR), phi_arms=Phi(value=3.0, batch=HOUR)
    )
    judged = found(bins(arms(1_000, 50_000, 250, 50_000)), before)
    assert [p.phi for p in judged.parts] == [16, 3]


# --- onsets ---


def test_a_breach_tells_when_each_part_seems_to_have_broken() -> None:
    rise = bins(*[arms(25, 5_000, 25, 5_000)] * 40, arms(400, 5_000, 25, 5_000))
    judged = found(rise)
    assert {p.onset for p in judged.parts} == {T + 40 * QUARTER}
    assert judged.onset == T + 40 * QUARTER


def test_a_part_that_is_not_broken_has_no_onset() -> None:
    judged = found(bins(arms(2_000, 100_000, 2_000, 100_000)))
    assert part(judged, "history").onset == T
    assert part(judged, "concurrent").onset is None


# --- held, and compared with a new baseline ---


def test_history_is_held_while_a_person_is_asked_for_a_new_baseline() -> None:
    held = soaking(changed_at=T + HOUR)
    judged = found(bins(arms(2_000, 100_000, 2_000, 100_000)), stage=held)
    assert (judged.verdict, shown(judged)) == (UNSURE, both(UNSURE, WITHIN))
    assert part(judged, "history").counts == (
        "held since somebody changed the pod template: gate rebaseline asks for a new baseline"
    )


def test_what_is_held_is_never_within_tolerance() -> None:
    """Every part must lie inside of its limit, and one of them is not judged."""
    even = bins(arms(20_000, 4_000_000, 20_000, 4_000_000))
    held = found(even, stage=soaking(changed_at=T + HOUR))
    assert found(even).verdict is WITHIN
    assert part(held, "concurrent").verdict is WITHIN
    assert held.verdict is UNSURE
    assert held.why.startswith("history: held since")


def test_the_arms_are_compared_while_history_is_held() -> None:
    held = soaking(changed_at=T + HOUR)
    judged = found(bins(arms(1_000, 50_000, 250, 50_000)), stage=held)
    assert (judged.verdict, judged.attributable) == (BREACHED, True)
    assert part(judged, "concurrent").verdict is BREACHED


@pytest.mark.parametrize(("to", "before"), [(100, LONG), (50, UNARMED)])
def test_a_guardrail_that_only_has_history_is_held_whole(to: int, before: Baseline) -> None:
    held = soaking(changed_at=T + HOUR)
    judged = found(bins(arms(9_000, 100_000, 0, 0)), before, to=to, stage=held)
    assert (judged.verdict, shown(judged)) == (UNSURE, {"history": UNSURE})


def test_without_history_there_is_none_to_hold() -> None:
    held = soaking(changed_at=T + HOUR)
    assert shown(found((), SHORT, stage=held)) == {"concurrent": UNSURE}


BEFORE, CHANGED = arms(25, 5_000, 25, 5_000), arms(50, 5_000, 50, 5_000)
ANEW = soaking(rebased=Rebased(T + HOUR, T + 2 * HOUR))  # bins 4 to 7


def test_a_new_baseline_is_what_ran_since_the_change() -> None:
    counts = bins(*[BEFORE] * 4, *[CHANGED] * 4, *[CHANGED] * 4)
    history = part(found(counts, stage=ANEW), "history")
    assert history.counts == "400 errors of 40000 requests, the new baseline: 400 of 40000"
    assert history.value == "x1"
    assert history.marks == ("baseline of 1h",)


def test_while_a_new_baseline_is_taken_nothing_is_compared_with_it() -> None:
    counts = bins(*[BEFORE] * 4, *[arms(4_000, 5_000, 4_000, 5_000)] * 3)
    history = part(found(counts, stage=ANEW), "history")
    assert (history.verdict, history.value) == (UNSURE, "")
    assert history.counts == "0 errors of 0 requests, the new baseline: 24000 of 30000"


def test_harm_after_a_new_baseline_is_dated() -> None:
    counts = bins(*[BEFORE] * 4, *[CHANGED] * 8, arms(2_000, 5_000, 2_000, 5_000))
    history = part(found(counts, stage=ANEW), "history")
    assert (history.verdict, history.onset) == (BREACHED, T + 12 * QUARTER)


@pytest.mark.parametrize(
    ("since", "until", "told"),
    [
        (0, 60, "the new baseline: 15 of 4000"),
        (1, 60, "the new baseline: 14 of 3000"),
        (15, 60, "the new baseline: 14 of 3000"),
        (15, 59, "the new baseline: 6 of 2000"),
        (15, 61, "the new baseline: 14 of 3000"),
        (16, 74, "the new baseline: 12 of 2000"),
        (0, 14, "the new baseline: 0 of 0"),
        (-60, 30, "the new baseline: 3 of 2000"),
        (-60, -30, "the new baseline: 0 of 0"),
        (60, 600, "the new baseline: 16 of 1000"),
    ],
)
def test_a_new_baseline_takes_whole_bins_only(since, until, told) -> None:
    """Bins of 15 min hold 1, 2, 4, 8 and 16 errors."""
    counts = unlabelled(*((2**i, 1_000) for i in range(5)))
    stage = soaking(rebased=Rebased(T + since * MINUTE, T + until * MINUTE))
    assert part(found(counts, UNARMED, stage=stage), "history").counts.endswith(told)


@pytest.mark.parametrize(
    ("until", "after"), [(60, "16 errors"), (59, "16 errors"), (61, "0 errors"), (45, "24 errors")]
)
def test_no_bin_is_in_a_new_baseline_and_compared_with_it(until: int, after: str) -> None:
    counts = unlabelled(*((2**i, 1_000 * 2**i) for i in range(5)))
    stage = soaking(rebased=Rebased(T, T + until * MINUTE))
    assert part(found(counts, UNARMED, stage=stage), "history").counts.startswith(after)


def test_of_a_breach_the_window_is_shown_in_which_it_is_clearest() -> None:
    """Since T0 errors are up by 2 % only."""
    late = bins(*[arms(500, 100_000, 500, 100_000)] * 8, arms(65, 3_000, 15, 3_000))
    told = part(found(late), "concurrent")
    assert (told.verdict, told.value) == (BREACHED, "x4.33")
    assert told.counts == "65 errors of 3000 requests, control: 15 of 3000"
    assert told.onset == T + 8 * QUARTER


def test_a_new_baseline_keeps_phi() -> None:
    before = replace(LONG, phi_history=Phi(value=7.0, batch=HOUR))
    counts = bins(*[BEFORE] * 12)
    assert part(found(counts, before, stage=ANEW), "history").phi == 7


# --- words and marks ---


@pytest.mark.parametrize(
    ("before", "marks"),
    [
        (ERRORS_BEFORE, {"history": (), "concurrent": ()}),
        (replace(ERRORS_BEFORE, span=6 * HOUR), {"history": ("baseline of 6h",), "concurrent": ()}),
        (SHORT, {"concurrent": ("no history to compare with: 10m are too short",)}),
        (
            replace(ERRORS_BEFORE, phi_history=Phi(value=5.0), phi_arms=Phi(value=5.0)),
            {"history": ("phi assumed",), "concurrent": ("phi assumed",)},
        ),
    ],
    ids=["a day", "six hours", "too short", "phi assumed"],
)
def test_what_a_comparison_lacks_is_told(before: Baseline, marks: dict) -> None:
    assert {p.name: p.marks for p in found((), before).parts} == marks


def test_a_judgement_says_limit_and_counts() -> None:
    judged = found(bins(arms(30, 3_000, 33, 4_200)), ERRORS_BEFORE)
    assert judged.limit == "x1.20 of the time before the ramp or less"
    assert part(judged, "concurrent").limit == "x1.20 of control or less"
    assert (judged.number, judged.limits, judged.counted) == (1.75, (None, 1.2), 7_200)


@pytest.mark.parametrize(
    ("counts", "value", "number"),
    [
        (bins(arms(5, 10, 0, 10)), "50.00% from 0%", None),
        (bins(arms(0, 10, 5, 10)), "x0", 0.0),
        (bins(arms(0, 10, 0, 10)), "0% from 0%", None),
        (bins(arms(0, 0, 5, 10)), "", None),
    ],
)
def test_a_ratio_to_nothing_is_no_number(counts, value: str, number: float | None) -> None:
    judged = found(counts, SHORT)
    assert (judged.value, judged.number) == (value, number)


def test_an_interval_that_allows_everything_is_not_shown() -> None:
    nothing = found(bins(arms(0, 10, 0, 10)), SHORT)
    assert (nothing.interval, nothing.verdict) == ("", UNSURE)
    assert found(bins(arms(0, 10_000, 5, 10_000)), SHORT).interval.startswith("[0, ")


def test_more_traffic_could_have_shown_a_smaller_rise() -> None:
    seen = [
        found(bins(arms(n, 200 * n, n, 200 * n))).could_see.split()[3] for n in (100, 1_000, 10_000)
    ]
    rises = [float(text.removeprefix("x")) for text in seen]
    assert rises == sorted(rises, reverse=True)
    assert all(1.2 < rise < 3 for rise in rises)
    assert found(()).could_see == "too little traffic to show any rise yet"


# --- counts that should not be ---

HOSTILE = (0.0, 1e-9, 1.0, 2.0**53)


@pytest.mark.parametrize("k", HOSTILE)
@pytest.mark.parametrize("n", HOSTILE)
def test_no_count_makes_a_number_that_is_none(k: float, n: float) -> None:
    for counts in (bins(arms(k, n, n, k)), bins(arms(n, n, k, k)), unlabelled((k, n), (n, k))):
        for before in (LONG, replace(LONG, hits=k, exposure=n), replace(LONG, hits=n, exposure=k)):
            judged = found(counts, before)
            numbers = [
                x for p in judged.parts for x in (p.log_e_null, p.log_e_margin) if x is not None
            ]
            assert not any(map(math.isnan, (*numbers, judged.number or 0, judged.counted)))
            assert "nan" not in f"{judged.value} {judged.interval} {judged.could_see}"


def test_a_dry_run_is_judged_and_says_so() -> None:
    quiet = replace(ERRORS, dry_run=True)
    judged = judged_at(one(quiet), bins(arms(1_000, 50_000, 250, 50_000)), LONG)
    assert (judged.verdict, judged.dry_run) == (BREACHED, True)


def test_a_soak_that_is_held_for_long_has_more_onsets_than_planned() -> None:
    """Its evidence is spread over those that there are."""
    planned, longer = (
        part(found(bins(*[arms(30, 5_000, 25, 5_000)] * n)), "history") for n in (96, 97)
    )
    assert planned.log_e_null != longer.log_e_null
