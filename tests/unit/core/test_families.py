"""What is counted: the selectors of all guardrails, each once, from when on."""

from dataclasses import replace

import pytest

from rampguard.core.ask import GuardrailType, Metrics, PromQL
from rampguard.core.plan import Family, families_of, make_plan
from rampguard.core.promql import cohort, without_cohort
from rate_scenes import ERRORS, ONCE, STARTS
from scenes import ASK, MINUTE, SHARE, SPEED, TEMPO, plan

NEW = PromQL('assignments_total{experiment="tree",source="assignment"}')
EVERY = PromQL('assignments_total{experiment="tree"}')
NARROW = Metrics(assignments=NEW)
WIDE = Metrics(assignments=EVERY)
WEB, ALL = PromQL('a{zone="b",experiment="tree"}'), PromQL('a{experiment="tree"}')
LAG = 2 * MINUTE
BAD, ASKED = PromQL("errors_total"), PromQL("requests_total")
FIRST = PromQL("starts_total")

# fmt: off
ROWS: dict[str, tuple[dict, tuple[Family, ...]]] = {
    "a threshold counts nothing": ({"guardrails": (SPEED,)}, ()),
    "the share counts new assignments, and all where they can be told apart": (
        {"guardrails": (SHARE,), "metrics": NARROW}, (Family(NEW), Family(EVERY))),
    "what narrows may stand first": (
        {"guardrails": (SHARE,), "metrics": Metrics(assignments=WEB)}, (Family(WEB), Family(ALL))),
    "all exposures are what nothing narrows": (
        {"guardrails": (SHARE,), "metrics": WIDE}, (Family(EVERY),)),
    "starts and assignments both begin after the lag": (
        {"guardrails": (STARTS,), "metrics": NARROW}, (Family(FIRST, LAG), Family(NEW, LAG))),
    "one start per user is counted alike": (
        {"guardrails": (ONCE,), "metrics": NARROW}, (Family(FIRST, LAG), Family(NEW, LAG))),
    "errors and requests have no lag": (
        {"guardrails": (ERRORS,)}, (Family(BAD), Family(ASKED))),
    "what two guardrails count is counted once": (
        {"guardrails": (ERRORS, replace(ERRORS, name="b"), replace(ERRORS, name="c", metric=ASKED)),
         }, (Family(BAD), Family(ASKED))),
    "assignments with a lag and without are two": (
        {"guardrails": (SHARE, STARTS), "metrics": NARROW},
        (Family(NEW), Family(EVERY), Family(FIRST, LAG), Family(NEW, LAG))),
    "the order is that of the manifest": (
        {"guardrails": (STARTS, SPEED, SHARE), "metrics": WIDE},
        (Family(FIRST, LAG), Family(EVERY, LAG), Family(EVERY))),
    "a dry run is counted": (
        {"guardrails": (replace(ERRORS, dry_run=True),)}, (Family(BAD), Family(ASKED))),
    "without metrics there are no assignments": (
        {"guardrails": (SHARE, STARTS, ERRORS), "metrics": None}, (Family(BAD), Family(ASKED))),
    "starts without a selector": (
        {"guardrails": (replace(STARTS, metric=None),)}, ()),
    "errors without requests": (
        {"guardrails": (replace(ERRORS, requests=None),)}, ()),
    "errors without errors": (
        {"guardrails": (replace(ERRORS, metric=None),)}, ()),
}
# fmt: on


@pytest.mark.parametrize(("asked", "families"), ROWS.values(), ids=ROWS)
def test_each_selector_is_counted_once(asked: dict, families: tuple[Family, ...]) -> None:
    assert plan(**asked).families == families


def test_no_lag_makes_assignments_one_family() -> None:
    tempo = replace(TEMPO, lag=0 * MINUTE)
    ask = replace(ASK, guardrails=(SHARE, STARTS), metrics=WIDE)
    assert make_plan(ask, tempo).families == (Family(EVERY), Family(FIRST))


@pytest.mark.parametrize("kind", GuardrailType)
def test_every_family_of_a_guardrail_is_in_the_plan(kind: GuardrailType) -> None:
    rule = next(one for one in (SHARE, STARTS, ERRORS, SPEED) if one.type is kind)
    our = plan(guardrails=(ERRORS, SPEED, STARTS, SHARE), metrics=NARROW)
    assert set(families_of(our.ask, rule, our.tempo)) <= set(our.families)


# --- who is in the cohort ---

COHORTS = {
    "a bare counter": ("a_total", "a_total", []),
    "no matcher": ("a_total{}", "a_total{}", []),
    "only the experiment": ('a_total{experiment="tree"}', 'a_total{experiment="tree"}', []),
    "the experiment in single quotes": ("a{e='tree'}", "a{e='tree'}", []),
    "a source": (
        'a{experiment="tree",source="assignment"}', 'a{experiment="tree"}', ['source="assignment"'],
    ),
    "any label narrows": ('a{route=~"/x.*"}', "a{}", ['route=~"/x.*"']),
    "all that narrow go": (
        "a{source='assignment', e='tree', new!='no'}", "a{e='tree'}",
        ["source='assignment'", "new!='no'"],
    ),
    "what stands before the experiment narrows": (
        'a{channel="web",experiment="tree"}', 'a{experiment="tree"}', ['channel="web"']),
    "an experiment with a later name narrows": ('a{experiment="zoo"}', "a{}", ['experiment="zoo"']),
    "another experiment narrows": ('a{experiment="list"}', "a{}", ['experiment="list"']),
}  # fmt: skip


@pytest.mark.parametrize(("told", "everybody", "narrow"), COHORTS.values(), ids=COHORTS)
def test_who_counts_is_what_is_not_the_experiment(told, everybody, narrow) -> None:
    assert without_cohort(told, "tree") == everybody
    assert [str(one) for one in cohort(told, "tree")] == narrow
