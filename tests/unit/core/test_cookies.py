"""All exposures beside the new ones: what dashboards show, and what cookies make of it."""

import pytest

from rampguard.core.ask import Metrics, PromQL
from rampguard.core.guardrails import judge_exposure
from rampguard.core.model import Evidence, Part, Reading, Verdict
from scenes import SHARE, T, plan

NEW = PromQL('assignments_total{source="assignment"}')
OUR = plan(guardrails=(SHARE,), metrics=Metrics(assignments=NEW))
OLD = "drawn before, not judged"
NONE = "all exposures: the new ones alone"


def shown(new: Reading, every: Reading) -> Part:
    evidence = Evidence(t0=T, counted_to=T, counts=((new,), (every,)))
    return judge_exposure(OUR, 0, SHARE, evidence).parts[0]


# fmt: off
ROWS = {
    "cookies of the ten percent before": (Reading(500, 500), Reading(1_400, 600),
        f"all exposures: 30.0% of 2000; 1000 by cookie, 10.0% of them treated: {OLD}"),
    "cookies of control alone": (Reading(500, 500), Reading(600, 500),
        f"all exposures: 45.5% of 1100; 100 by cookie, 0.0% of them treated: {OLD}"),
    "old cookies of treatment above all": (Reading(500, 500), Reading(600, 1_500),
        f"all exposures: 71.4% of 2100; 1100 by cookie, 90.9% of them treated: {OLD}"),
    "one user came back": (Reading(500, 500), Reading(501, 500),
        f"all exposures: 50.0% of 1001; 1 by cookie, 0.0% of them treated: {OLD}"),
    "nobody came back": (Reading(500, 500), Reading(500, 500), NONE),
    "fewer than the new ones, by a scrape": (Reading(500, 500), Reading(499, 499), NONE),
    "none was counted": (Reading(500, 500), Reading(), NONE),
    "only of no arm": (Reading(500, 500), Reading(other=900), NONE),
}
# fmt: on


@pytest.mark.parametrize(("new", "every", "text"), ROWS.values(), ids=ROWS)
def test_what_all_exposures_show_is_told_beside(new, every, text) -> None:
    assert shown(new, every).marks == (text,)


def test_all_exposures_are_those_of_the_whole_soak() -> None:
    new, every = (Reading(250, 250), Reading(250, 250)), (Reading(1_000, 300), Reading(400, 300))
    evidence = Evidence(t0=T, counted_to=T, counts=(new, every))
    (mark,) = judge_exposure(OUR, 0, SHARE, evidence).parts[0].marks
    assert mark == ROWS["cookies of the ten percent before"][2]


def test_before_anybody_was_assigned_nothing_is_told() -> None:
    assert shown(Reading(), Reading(900, 100)).marks == ()


def test_all_exposures_never_judge() -> None:
    """A perfect splitter, and cookies of an older share."""
    found = shown(Reading(50_000, 50_000), Reading(900_000, 100_000))
    assert found.verdict is Verdict.WITHIN_TOLERANCE
    assert found.value == "50.0%"
