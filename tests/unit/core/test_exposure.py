"""ExposureBalance: what a share of new assignments shows, and when that is harm."""

import json
import math
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from rampguard.core.ask import Guardrail
from rampguard.core.budget import budget
from rampguard.core.guardrails import judge_exposure, worst
from rampguard.core.model import Evidence, Judgement, Reading, Verdict
from rampguard.core.plan import Plan
from rampguard.core.statistics import log_e_binomial, logit
from scenes import HOUR, SHARE, SPEED, T, judged, plan

VECTORS = json.loads((Path(__file__).parents[2] / "vectors/guardrails.json").read_text())
ALONE = plan(guardrails=(SHARE,))
BREACHED, WITHIN = Verdict.BREACHED, Verdict.WITHIN_TOLERANCE
UNSURE, NOTHING = Verdict.INCONCLUSIVE, Verdict.NOT_APPLICABLE


def counted(*bins: tuple[float, float]) -> Evidence:
    """Return the evidence of bins of (treatment, control)."""
    return Evidence(t0=T, counted_to=T, counts=(tuple(Reading(c, t) for t, c in bins),))


def at(
    to: int, tolerance: float, *bins: tuple[float, float], our: Plan = ALONE, step: int = 0
) -> Judgement:
    ask = replace(our.ask, to=to)
    asked = replace(our, ask=ask, values=(*our.values[:-1], to))
    rule = replace(SHARE, tolerance=tolerance)
    return judge_exposure(asked, step, rule, counted(*bins))


# fmt: off
ROWS: dict[str, tuple[Judgement, Verdict]] = {
    "nothing was counted": (at(50, 5), UNSURE),
    "little proves nothing, however extreme": (at(50, 5, (0, 5)), UNSURE),
    "an even split of much traffic": (at(50, 5, (50_000, 50_000)), WITHIN),
    "far too few in treatment": (at(50, 5, (300, 700)), BREACHED),
    "far too many in treatment": (at(50, 5, (700, 300)), BREACHED),
    "a shift within the tolerance is no harm": (at(50, 5, (46_000, 54_000)), WITHIN),
    "a share at its limit is no harm": (at(50, 5, (45_000, 55_000)), UNSURE),
    "a share just beyond its limit needs more traffic": (at(50, 5, (4_400, 5_600)), UNSURE),
    "a share just above its limit needs more traffic": (at(50, 5, (5_600, 4_400)), UNSURE),
    "harm that began late is found": (at(50, 5, *[(500, 500)] * 40, (100, 400)), BREACHED),
    "at 0 percent nobody may be treated": (at(0, 5, (0, 1_000)), WITHIN),
    "at 0 percent too many in treatment": (at(0, 5, (200, 800)), BREACHED),
    "at 100 percent everybody is treated": (at(100, 5, (1_000, 0)), WITHIN),
    "at 100 percent too few in treatment": (at(100, 5, (800, 200)), BREACHED),
    "at 3 percent nobody in treatment is within 5": (at(3, 5, (0, 1_000)), WITHIN),
    "at 3 percent too many in treatment": (at(3, 5, (200, 800)), BREACHED),
    "at 97 percent everybody in treatment is within 5": (at(97, 5, (1_000, 0)), WITHIN),
    "at 5 percent nobody in treatment is within 5": (at(5, 5, (0, 1_000)), WITHIN),
    "at 95 percent everybody in treatment is within 5": (at(95, 5, (1_000, 0)), WITHIN),
    "a tolerance that allows every share judges nothing": (at(50, 50, (0, 9_000)), NOTHING),
}
# fmt: on


@pytest.mark.parametrize(("found", "verdict"), ROWS.values(), ids=ROWS)
def test_each_count_has_its_verdict(found: Judgement, verdict: Verdict) -> None:
    assert found.verdict is verdict


@pytest.mark.parametrize(
    ("to", "tolerance", "parts"), [(50, 5, 2), (0, 5, 1), (100, 5, 1), (5, 5, 1), (58, 42, 1)]
)
def test_a_limit_outside_of_0_and_100_percent_is_no_part_and_spends_nothing(to, tolerance, parts):
    found = at(to, tolerance, (10, 10))
    assert found.threshold_null == pytest.approx(math.log(parts / 0.01))
    assert found.threshold_margin == pytest.approx(math.log(parts / 0.10))


def test_a_breach_needs_both_thresholds_at_one_look() -> None:
    """Far from nothing wrong, yet not far enough from the tolerance: no breach."""
    found = at(50, 5, (4_400, 5_600))
    assert found.log_e_null >= found.threshold_null
    assert found.log_e_margin < found.threshold_margin
    assert found.verdict is UNSURE


def test_evidence_beyond_the_null_alone_never_breaches() -> None:
    """With an alpha that asks for nothing, the tolerance still holds."""
    eager = plan(guardrails=(SHARE,), alpha=0.5, alpha_within_tolerance=1e-9)
    assert at(50, 5, (430, 570), our=eager).verdict is UNSURE


def test_evidence_beyond_the_margin_alone_never_breaches() -> None:
    eager = plan(guardrails=(SHARE,), alpha=1e-30, alpha_within_tolerance=0.5)
    found = at(50, 5, (400, 600), our=eager)
    assert found.log_e_margin > found.threshold_margin
    assert found.verdict is UNSURE


THIRDS = [row for row in VECTORS["thresholds"] if row["weight"] == "1/3"]


@pytest.mark.parametrize("row", THIRDS, ids=lambda row: row["id"])
def test_the_budget_is_shared_by_guardrails_and_soaks(row: dict) -> None:
    rules = tuple(replace(SHARE, name=f"g{i}") for i in range(3))
    spent = budget(plan(guardrails=rules))
    assert spent.null(row["parts"]) == pytest.approx(row["null"])
    assert spent.margin(row["parts"]) == pytest.approx(row["margin"])


def test_every_soak_of_a_ramp_spends_its_part() -> None:
    once, thrice = budget(plan()), budget(plan(steps=(20, 30)))
    assert thrice.null(1) - once.null(1) == pytest.approx(math.log(3))
    assert thrice.margin(2) - once.margin(2) == pytest.approx(math.log(3))
    assert thrice.level == pytest.approx(once.level / 3)


def test_a_threshold_is_no_test_and_spends_nothing() -> None:
    assert budget(plan(guardrails=(SHARE, SPEED))) == budget(plan(guardrails=(SHARE,)))


def test_a_dry_run_spends_nothing() -> None:
    quiet = replace(SHARE, name="quiet", dry_run=True)
    assert budget(plan(guardrails=(SHARE, quiet))) == budget(plan(guardrails=(SHARE,)))
    assert budget(plan(guardrails=(quiet,))).weight == 1


def test_a_dry_run_is_judged_and_says_so() -> None:
    quiet = replace(SHARE, dry_run=True)
    found = judge_exposure(plan(guardrails=(quiet,)), 0, quiet, counted((300, 700)))
    assert (found.verdict, found.dry_run) == (BREACHED, True)


EVEN_THEN_FEW = [(15, 15)] * 780 + [(9, 21)] * 100


@pytest.mark.parametrize("within", [0.10, 0.01], ids=["two levels", "strict"])
@pytest.mark.parametrize(("row", "looks"), [("P1", [(12, 18)] * 100), ("P2", EVEN_THEN_FEW)])
def test_a_breach_is_found_at_the_look_of_the_vectors(row, looks, within) -> None:
    """Looks of the vectors are counted from 0."""
    want = next(path for path in VECTORS["paths"] if path["id"] == row)
    first = want["first_look_two_level" if within == 0.10 else "first_look_strict"]
    our = plan(guardrails=(SHARE,), alpha_within_tolerance=within)

    def look(n: int) -> Judgement:
        return judge_exposure(our, 0, SHARE, binned(looks[: n + 1]))

    assert [look(n).verdict is BREACHED for n in (first - 1, first)] == [False, True]
    if within == 0.10:
        assert look(first).log_e_margin == pytest.approx(want["log_e_margin"], rel=1e-6)
        assert look(first).log_e_null == pytest.approx(want["log_e_null"], rel=1e-6)


def binned(looks: list[tuple[int, int]]) -> Evidence:
    """Return evidence of looks of 30 s in bins of 15 min, the last one open."""
    size = 30
    groups = [looks[i : i + size] for i in range(0, len(looks), size)]
    return counted(*((sum(t for t, _ in g), sum(c for _, c in g)) for g in groups))


def test_the_text_names_value_interval_limit_and_counts() -> None:
    found = at(50, 5, (4_970, 5_030))
    assert found.value == "49.7%"
    assert found.interval == "[47.6%, 51.8%]"
    assert found.limit == "45% .. 55%"
    assert found.why == "4970 of 10000 new assignments"
    assert (found.number, found.limits, found.counted) == (0.497, (0.45, 0.55), 10_000)


def test_the_text_of_a_breach_says_what_should_have_been() -> None:
    found = at(50, 5, (300, 700))
    assert found.why == "300 of 1000 new assignments went to treatment, 50% should have"


def test_limits_that_people_read_stay_within_0_and_100_percent() -> None:
    assert at(3, 5, (1, 30)).limit == "0% .. 8%"
    assert at(97, 5, (30, 1)).limit == "92% .. 100%"
    assert at(3, 5, (1, 30)).limits == (0.0, 0.08)
    assert at(97, 5, (30, 1)).limits == (0.92, 1.0)
    every = at(50, 50, (30, 1))
    assert (every.limit, every.limits) == ("0% .. 100%", (0.0, 1.0))


def test_without_a_count_no_value_is_shown() -> None:
    found = at(50, 5, (0, 0))
    assert (found.value, found.interval, found.number, found.counted) == ("", "", None, 0)
    assert found.could_see == "too little traffic to show any shift yet"


@pytest.mark.parametrize(
    ("to", "bins"),
    [
        (50, (5_000, 5_000)),
        (5, (500, 9_500)),
        (0, (0, 10_000)),
        (100, (10_000, 0)),
        (3, (300, 9_700)),
    ],
)
def test_what_could_have_been_seen_is_told_at_every_share(to: int, bins: tuple[int, int]) -> None:
    told = at(to, 5, bins).could_see
    assert told.startswith("could have seen a shift of ")
    assert 5 < float(told.split()[6]) < 10


def test_what_could_have_been_seen_is_of_the_whole_soak_and_beyond_the_tolerance() -> None:
    halves, whole = at(50, 40, *[(25_000, 25_000)] * 2), at(50, 40, (50_000, 50_000))
    assert halves.could_see == whole.could_see == "could have seen a shift of 40.3 pp or more"


@pytest.mark.parametrize("to", [3, 5])
def test_a_rise_from_a_small_share_shows_as_well_as_a_fall_from_a_large_one(to: int) -> None:
    rise, fall = (at(one, 5, (500, 9_500)).could_see for one in (to, 100 - to))
    assert rise == fall


def test_more_traffic_could_have_shown_a_smaller_shift() -> None:
    shifts = [float(at(50, 5, (n, n)).could_see.split()[6]) for n in (500, 5_000, 50_000)]
    assert shifts == sorted(shifts, reverse=True)
    assert len(set(shifts)) == 3


def test_a_breach_is_dated_by_the_bin_in_which_harm_began() -> None:
    quarter = timedelta(minutes=15)
    found = at(50, 5, *[(500, 500)] * 26, *[(270, 630)] * 4)
    assert found.verdict is BREACHED
    assert found.onset == T + 26 * quarter
    assert at(50, 5, (300, 700)).onset == T


def test_no_breach_has_no_date() -> None:
    assert at(50, 5, (500, 500)).onset is None
    assert at(50, 5, (0, 5)).onset is None


def test_the_arms_are_a_control_for_one_another_so_harm_is_always_the_ramps() -> None:
    late = at(50, 5, *[(500, 500)] * 40, (100, 400))
    assert late.onset - T > HOUR
    assert late.attributable


def test_the_interval_and_the_value_are_of_the_whole_soak() -> None:
    found = at(50, 5, (500, 500), (480, 520))
    assert (found.value, found.interval) == ("49.0%", at(50, 5, (980, 1_020)).interval)
    assert found.counted == 2_000


def test_those_of_a_breach_are_of_the_window_in_which_it_is_clearest() -> None:
    found = at(50, 5, (5_000, 5_000), (100, 300))
    assert (found.verdict, found.value) == (Verdict.BREACHED, "25.0%")
    assert found.why == "100 of 400 new assignments went to treatment, 50% should have"
    assert found.counted == 10_400


def test_the_evidence_of_one_bin_is_half_its_own() -> None:
    """Half of the mixture lies on the start of the soak, the rest on bins yet to begin."""
    found = at(50, 5, (300, 700))
    own = log_e_binomial(300, 700, logit(0.45), -1)
    assert found.log_e_margin == pytest.approx(own + math.log(0.5))


def test_a_short_soak_of_one_bin_has_one_onset() -> None:
    asked = plan(guardrails=(SHARE,), soak=timedelta(seconds=30))
    found = judge_exposure(asked, 0, SHARE, counted((300, 700)))
    assert found.log_e_margin == pytest.approx(log_e_binomial(300, 700, logit(0.45), -1))


def test_each_step_is_judged_at_its_own_share() -> None:
    stepped = plan(guardrails=(SHARE,), steps=(25,))
    assert judge_exposure(stepped, 0, SHARE, counted((2_500, 7_500))).limit == "20% .. 30%"
    assert judge_exposure(stepped, 1, SHARE, counted((2_500, 7_500))).verdict is BREACHED


def test_a_guardrail_without_a_tolerance_tolerates_nothing() -> None:
    bare: Guardrail = replace(SHARE, tolerance=None)
    found = judge_exposure(ALONE, 0, bare, counted((500, 500)))
    assert found.limits == (0.5, 0.5)


@pytest.mark.parametrize(
    ("some", "one"),
    [
        ((), Verdict.NO_DATA),
        ((WITHIN, UNSURE), UNSURE),
        ((UNSURE, Verdict.NO_DATA), Verdict.NO_DATA),
        ((Verdict.NO_DATA, BREACHED), BREACHED),
        ((NOTHING, WITHIN), WITHIN),
    ],
)
def test_the_worst_verdict_rules(some: tuple[Verdict, ...], one: Verdict) -> None:
    assert worst(map(judged, some)) is one
