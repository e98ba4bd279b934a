"""RelativeDrop: what starts per assignment show between the arms, and when that is harm."""

import math
from dataclasses import replace
from datetime import timedelta

import pytest

from exact import VECTORS
from rampguard.core.model import Judgement, Phi, Reading, Verdict
from rate_scenes import (
    ONCE,
    ONE_BIN,
    QUARTER,
    STARTS,
    STARTS_BEFORE,
    arms,
    bins,
    judged_at,
    one,
    part,
)
from scenes import DAY, HOUR, MINUTE, SHARE, SPEED, T, plan, soaking

BREACHED, WITHIN = Verdict.BREACHED, Verdict.WITHIN_TOLERANCE
UNSURE, BLIND, NOTHING = Verdict.INCONCLUSIVE, Verdict.NO_DATA, Verdict.NOT_APPLICABLE
EVEN = (600, 1000, 600, 1000)


def many(*told: tuple[float, float, float, float], to: int = 50, **rule: object) -> Judgement:
    """Judge the counts form."""
    return judged_at(one(replace(STARTS, **rule), to=to), bins(*told), STARTS_BEFORE)


def once(*told: tuple[float, float, float, float], to: int = 50, **rule: object) -> Judgement:
    """Judge the form in which a user counts at most once."""
    return judged_at(one(replace(ONCE, **rule), to=to), bins(*told), STARTS_BEFORE)


# fmt: off
BOTH_FORMS: dict[str, tuple[tuple[tuple[float, float, float, float], ...], int, Verdict]] = {
    "nothing was counted": ((), 50, UNSURE),
    "nobody was assigned": ((arms(0, 0, 0, 0),), 50, UNSURE),
    "nobody was assigned to treatment": ((arms(0, 0, 600, 1000),), 50, UNSURE),
    "nobody was assigned to control": ((arms(1, 1000, 0, 0),), 50, UNSURE),
    "nobody started at all": ((arms(0, 5_000, 0, 5_000),), 50, UNSURE),
    "nobody of control started yet": ((arms(3, 5, 0, 5),), 50, UNSURE),
    "nobody of treatment started": ((arms(0, 1_000, 600, 1_000),), 50, BREACHED),
    "little proves nothing": ((arms(0, 5, 3, 5),), 50, UNSURE),
    "as many starts of much traffic": ((arms(60_000, 100_000, 60_000, 100_000),), 50, WITHIN),
    "more starts are no drop": ((arms(70_000, 100_000, 60_000, 100_000),), 50, WITHIN),
    "a drop within the tolerance": ((arms(5_820, 10_000, 6_000, 10_000),), 50, UNSURE),
    "a drop at its limit": ((arms(57_000, 100_000, 60_000, 100_000),), 50, UNSURE),
    "a fifth fewer starts": ((arms(4_800, 10_000, 6_000, 10_000),), 50, BREACHED),
    "a fifth fewer of 90 to 10": ((arms(8_640, 18_000, 1_200, 2_000),), 90, BREACHED),
    "harm that began late": ((*[arms(*EVEN)] * 40, arms(100, 500, 300, 500)), 50, BREACHED),
    "at 100 percent nobody is left in control": ((arms(1, 1_000, 0, 0),), 100, NOTHING),
    "at 0 percent nobody is in treatment": ((arms(0, 0, 600, 1_000),), 0, NOTHING),
}
# fmt: on


@pytest.mark.parametrize("judge", [many, once], ids=["many starts", "once per user"])
@pytest.mark.parametrize(("told", "to", "verdict"), BOTH_FORMS.values(), ids=BOTH_FORMS)
def test_each_count_has_its_verdict(judge, told, to, verdict) -> None:
    assert judge(*told, to=to).verdict is verdict


@pytest.mark.parametrize(("minutes", "verdict"), [(9, UNSURE), (10, BREACHED)])
def test_where_a_user_starts_once_young_windows_say_nothing(minutes, verdict) -> None:
    """Starts come up to 2 min late: 5 times as long must a window have lasted."""
    harm, at = bins(arms(4_800, 10_000, 6_000, 10_000)), T + minutes * MINUTE
    assert judged_at(one(ONCE), harm, STARTS_BEFORE, at=at).verdict is verdict
    assert judged_at(one(STARTS), harm, STARTS_BEFORE, at=at).verdict is BREACHED
    late = bins(*[arms(*EVEN)] * 4, arms(4_800, 10_000, 6_000, 10_000))
    told = judged_at(one(ONCE), late, STARTS_BEFORE, at=T + HOUR + minutes * MINUTE)
    clearest = T + HOUR if verdict is BREACHED else T + HOUR - QUARTER
    assert told.onset == clearest


@pytest.mark.parametrize("told", [(11, 10, 5, 10), (5, 10, 11, 10)])
def test_more_starts_than_assignments_are_no_starts_of_one_per_user(told) -> None:
    found = once(told)
    assert (found.verdict, found.parts) == (BLIND, ())
    assert found.why == "more starts than assignments, yet oncePerUser is set"


def test_users_may_start_more_often_than_they_are_assigned() -> None:
    assert many((25_000, 10_000, 30_000, 10_000)).verdict is BREACHED
    assert many((110_000, 50_000, 110_000, 50_000)).verdict is WITHIN


# --- numbers ---


ROWS = [row for row in VECTORS["two_sample_windows"] if row["id"] in {"T1", "T2"}]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["id"])
def test_evidence_of_one_onset_is_that_of_the_vectors(row: dict) -> None:
    counts = bins(arms(row["kT"], row["nT"], row["kC"], row["nC"]))
    found = judged_at(one(ONCE, soak=ONE_BIN), counts, STARTS_BEFORE)
    log_e = found.log_e_margin if row["id"] == "T1" else found.log_e_null
    assert log_e == pytest.approx(row["log_e"], rel=1e-6)


def test_onsets_that_may_come_cost_half_of_the_evidence() -> None:
    counts = bins(arms(1230, 2510, 1500, 2490))
    alone, of_a_day = (
        judged_at(one(ONCE, soak=soak), counts, STARTS_BEFORE) for soak in (ONE_BIN, DAY)
    )
    assert alone.log_e_null - of_a_day.log_e_null == pytest.approx(math.log(2))
    assert alone.log_e_margin - of_a_day.log_e_margin == pytest.approx(math.log(2))


@pytest.mark.parametrize(
    ("guardrails", "null", "margin"),
    [((STARTS,), 4.60517, 2.30259), ((STARTS, SHARE, replace(SHARE, name="b")), 5.70378, 3.40120)],
    ids=["alone", "one of three"],
)
def test_a_drop_is_one_part_and_has_the_thresholds_of_one(guardrails, null, margin) -> None:
    found = judged_at(plan(guardrails=guardrails), ((), (), (), ()), STARTS_BEFORE)
    assert (found.threshold_null, found.threshold_margin) == pytest.approx((null, margin), rel=1e-5)


def test_phi_divides_the_evidence_and_widens_the_interval() -> None:
    counts = bins(arms(1200, 2500, 1500, 2500))
    plain, scattered = (
        part(
            judged_at(
                one(STARTS, soak=ONE_BIN),
                counts,
                replace(STARTS_BEFORE, phi_arms=Phi(value=phi, batch=HOUR)),
            ),
            "drop",
        )
        for phi in (1.0, 4.0)
    )
    assert scattered.phi == 4
    assert 0 < scattered.log_e_margin < plain.log_e_margin
    assert plain.interval != scattered.interval
    assert (plain.marks, scattered.marks) == ((), ())


def test_once_per_user_needs_no_phi() -> None:
    scattered = replace(STARTS_BEFORE, phi_arms=Phi(value=9.0))
    drop = part(judged_at(one(ONCE), bins(arms(*EVEN)), scattered), "drop")
    assert (drop.phi, drop.marks) == (1, ())


@pytest.mark.parametrize("rate", [0.0, 0.001, 0.6, 0.999, 1.0])
def test_any_guess_of_the_rate_finds_a_large_drop(rate: float) -> None:
    before = replace(STARTS_BEFORE, rate=rate)
    found = judged_at(one(ONCE), bins(arms(100, 1_000, 600, 1_000)), before)
    assert found.verdict is BREACHED


# --- breaches ---


@pytest.mark.parametrize(
    ("alphas", "reached"),
    [((0.5, 1e-300), (True, False)), ((1e-300, 0.5), (False, True))],
    ids=["only the null", "only the margin"],
)
def test_a_breach_needs_both_thresholds(alphas, reached) -> None:
    alpha, within = alphas
    our = one(STARTS, alpha=alpha, alpha_within_tolerance=within)
    found = judged_at(our, bins(arms(4_800, 10_000, 6_000, 10_000)), STARTS_BEFORE)
    beyond = found.log_e_null >= found.threshold_null, found.log_e_margin >= found.threshold_margin
    assert (beyond, found.verdict) == (reached, UNSURE)


def test_a_breach_tells_when_harm_seems_to_have_begun() -> None:
    late = (*[arms(*EVEN)] * 40, *[arms(200, 1_000, 600, 1_000)] * 2)
    assert many(*late).onset == T + 40 * QUARTER
    assert many(arms(0, 1_000, 600, 1_000)).onset == T
    assert many(arms(*EVEN)).onset is None


def test_a_drop_between_the_arms_is_always_of_the_ramp() -> None:
    late = many(*[arms(*EVEN)] * 90, *[arms(200, 1_000, 600, 1_000)] * 2)
    assert (late.verdict, late.attributable) == (BREACHED, True)


def test_onsets_of_a_soak_that_began_anew_are_dated_from_there() -> None:
    anew = replace(soaking().evidence, t0=T + HOUR, counted_to=T + HOUR)
    stage = soaking(evidence=anew)
    found = judged_at(one(STARTS), bins(arms(0, 1_000, 600, 1_000)), STARTS_BEFORE, stage=stage)
    assert found.onset == T + HOUR


# --- words ---


def test_a_judgement_says_value_interval_limit_and_counts() -> None:
    found = many(arms(1230, 2510, 1500, 2490))
    drop = part(found, "drop")
    assert found.value == "x0.813"
    assert found.limit == "x0.95 of control or more"
    assert found.why == "drop: 1230 starts of 2510 assignments, control: 1500 of 2490"
    assert (found.number, found.limits, found.counted) == (0.813, (0.95, None), 5000)
    assert (drop.value, drop.interval, drop.limit) == (found.value, found.interval, found.limit)


@pytest.mark.parametrize(
    ("told", "interval"),
    [
        ((0, 0, 0, 0), ""),
        ((5, 10, 0, 10), "[0.385, inf]"),
        ((0, 1_000, 600, 1_000), "[0, 0.0185]"),
    ],
    ids=["nothing", "control has no hit", "treatment has no hit"],
)
def test_an_interval_is_shown_as_soon_as_both_arms_have_users(told, interval) -> None:
    assert many(told).interval == interval


def test_a_ratio_to_nothing_is_no_number() -> None:
    assert many((60, 100, 0, 100)).number is None
    assert once((60, 100, 0, 100)).number is None


@pytest.mark.parametrize("judge", [many, once], ids=["many starts", "once per user"])
def test_more_traffic_could_have_shown_a_smaller_drop(judge) -> None:
    seen = [judge((6 * n, 10 * n, 6 * n, 10 * n)).could_see for n in (1, 100, 1_000, 10_000)]
    assert seen[0] == "too little traffic to show any drop yet"
    drops = [int(text.split()[6].rstrip("%")) for text in seen[1:]]
    assert drops == sorted(drops, reverse=True)
    assert all(5 < drop < 60 for drop in drops)


def test_a_tolerance_of_everything_is_never_broken() -> None:
    found = many(arms(0, 1_000, 600, 1_000), tolerance=100.0)
    assert found.verdict is WITHIN
    assert found.could_see == "too little traffic to show any drop yet"


# --- counts that should not be ---


HOSTILE = (0.0, 1.0, 1e-9, 2.0**53)


@pytest.mark.parametrize("k", HOSTILE)
@pytest.mark.parametrize("n", HOSTILE)
def test_no_count_makes_a_number_that_is_none(k: float, n: float) -> None:
    for found in (many((k, n, n, k)), many((k, k, n, n)), once((k, n, n, k)), once((k, n, 1, 2))):
        numbers = (found.log_e_null, found.log_e_margin, found.number, found.counted)
        assert not any(x is not None and math.isnan(x) for x in numbers)
        assert "nan" not in f"{found.value} {found.interval} {found.could_see}"


def test_what_names_no_arm_is_of_neither() -> None:
    lost = Reading(other=1e6)
    hits, units = bins(arms(*EVEN))
    mixed = ((hits[0].plus(lost),), (units[0].plus(lost),))
    assert judged_at(one(STARTS), mixed, STARTS_BEFORE) == many(arms(*EVEN))


def test_other_guardrails_leave_a_drop_as_it_is() -> None:
    """Starts and assignments are found among all that is counted."""
    our = plan(guardrails=(SHARE, STARTS, SPEED), alpha=0.02, alpha_within_tolerance=0.2)
    hits, units = bins(arms(4_800, 10_000, 6_000, 10_000))
    stage = soaking()
    wrong = (Reading(7, 7),)
    alone = judged_at(one(STARTS), (hits, units), STARTS_BEFORE)
    swapped = replace(our, ask=replace(our.ask, guardrails=(STARTS, SHARE, SPEED)))
    found = judged_at(swapped, (wrong, hits, units), STARTS_BEFORE, stage=stage)
    assert found == alone


def test_starts_are_counted_from_when_an_assignment_can_have_led_to_them() -> None:
    assert {family.skip for family in one(STARTS).families} == {timedelta(minutes=2)}
    assert one(STARTS).tempo.lag == 2 * MINUTE
