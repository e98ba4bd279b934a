"""History becomes counts on a grid: whose they are, since when, and what is missing."""

import math
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from pasts import BEGIN, LABELS, PLAN, PODS, RULES, STEP, World, counts_of, past, threshold
from rampguard.core.ask import Metrics, PromQL
from rampguard.core.history import Counts, History, counted, is_of, queries
from rampguard.core.model import Point, Reading, Series
from scenes import HOUR, MINUTE, plan

# fmt: off
PODS_OF_API: dict[str, tuple[str, bool]] = {
    "a pod of it": ("api-7d9f8c6b5f-bcdfg", True),
    "a short hash": ("api-55-x2z9w", True),
    "a pod of another whose name begins alike": ("api-gateway-7d9f8c6b5f-bcdfg", False),
    "a pod of a DaemonSet whose name looks so": ("api-agent-7d9f8", False),
    "a pod of a StatefulSet": ("api-0", False),
    "another Deployment": ("worker-7d9f8c6b5f-bcdfg", False),
    "its ReplicaSet": ("api-7d9f8c6b5f", False),
    "no name": ("", False),
}
# fmt: on


@pytest.mark.parametrize(("pod", "ours"), PODS_OF_API.values(), ids=PODS_OF_API)
def test_a_pod_is_known_by_its_name(pod, ours):
    assert is_of(pod, ("api",)) is ours


def test_each_query_is_asked_once_and_is_that_of_the_operator() -> None:
    asked = queries(PLAN, LABELS)
    assert len(asked) == len(set(asked)) == 4
    assert asked[0] == 'assignments_total{namespace="app"}'


def test_a_free_query_is_asked_as_it_is() -> None:
    assert queries(plan(guardrails=(threshold(),)), LABELS) == ("p95",)


def test_what_is_counted_is_what_happened_though_a_pod_restarted() -> None:
    history = past(days=1)
    told = counted(PLAN, LABELS, history)
    rising = [s for s in history.answers[queries(PLAN, LABELS)[0]] if s.labels["pod"] == PODS[1]]
    of_one = sum(s.points[-1][1] - s.points[0][1] for s in rising)
    total = sum(one.all for one in told.counts[0])
    assert total == pytest.approx(2 * of_one, rel=0.01)
    assert (told.steps, told.span, told.pods) == (288, timedelta(days=1), PODS)


def test_strangers_do_not_count() -> None:
    assert max(one.all for one in counts_of(days=1).counts[0]) < 1000


def test_history_begins_when_all_families_are_there() -> None:
    late = World(absent=lambda at: at < 2 * HOUR)
    told = counts_of(late, days=1)
    assert told.start == BEGIN + 2 * HOUR
    assert told.counts[0][0].all < 1000  # not all that was counted before
    assert all(all(one) for one in told.present)


@pytest.mark.parametrize("missing", [1, 2, 3, 7])
def test_steps_before_it_begins_are_none_of_it(missing: int) -> None:
    told = counts_of(World(absent=lambda at: at < missing * STEP), days=1 / 24)
    assert told.start == BEGIN + missing * STEP
    assert told.steps == 12 - missing
    assert [len(one) for one in told.present] == [told.steps] * len(told.counts)


def test_a_history_may_have_any_number_of_steps() -> None:
    history = past(days=1 / 24)
    told = counted(PLAN, LABELS, replace(history, end=history.end - STEP))
    assert (told.steps, len(told.present[0]), told.end) == (11, 11, BEGIN + 11 * STEP)


def test_where_nothing_was_counted_there_is_no_history() -> None:
    history = past(days=1 / 24)
    told = counted(PLAN, LABELS, replace(history, answers=dict.fromkeys(history.answers, ())))
    assert (told.start, told.steps, told.pods) == (history.end, 0, ())


def test_pods_are_those_that_count_at_its_end() -> None:
    history = past(days=1 / 24)
    query = queries(PLAN, LABELS)[0]

    def of(pod: str, points: tuple[tuple[datetime, float], ...]) -> Series:
        return Series({"pod": f"api-55-xxxx{pod}", "variant": "tree"}, points)

    points = history.answers[query][0].points
    late = of("b", points[:-1]), of("c", points[:-2]), of("d", ())
    told = counted(PLAN, LABELS, replace(history, answers={**history.answers, query: late}))
    assert told.pods == ("api-55-xxxxb", *PODS)


def test_a_hole_is_known() -> None:
    told = counts_of(World(absent=lambda at: 2 * HOUR <= at < 3 * HOUR), days=1)
    assert told.present[0].count(False) == HOUR // STEP
    assert told.counts[0][2 * HOUR // STEP] == Reading()


def test_what_is_no_number_was_not_there() -> None:
    history = past(days=1)
    query = queries(PLAN, LABELS)[0]
    odd = tuple(
        Series(s.labels, (*s.points[:-2], (s.points[-2][0], math.nan), s.points[-1]))
        for s in history.answers[query]
    )
    told = counted(PLAN, LABELS, replace(history, answers={**history.answers, query: odd}))
    assert told.present[0][-2:] == (False, True)
    assert sum(o.all for o in told.counts[0]) == sum(o.all for o in counts_of(days=1).counts[0])


def test_what_nobody_exports_is_named_with_its_query() -> None:
    history = past(days=1)
    query = queries(PLAN, LABELS)[2]
    told = counted(PLAN, LABELS, replace(history, answers={**history.answers, query: ()}))
    assert told.missing == (f"errors-5xx: no series of a pod of api, worker ({query})",)


def test_an_arm_that_nobody_exports_is_named() -> None:
    history = past(days=1)
    query = queries(PLAN, LABELS)[1]
    control = tuple(s for s in history.answers[query] if s.labels["variant"] == "tree")
    told = counted(PLAN, LABELS, replace(history, answers={**history.answers, query: control}))
    assert told.missing == (f'session-starts: no series with variant="list" ({query})',)


def test_a_process_that_two_jobs_scrape_is_named():
    history = past(days=1)
    query = queries(PLAN, LABELS)[0]
    ours = history.answers[query]
    both = tuple(Series({**s.labels, "job": job}, s.points) for job in ("a", "b") for s in ours)
    told = counted(PLAN, LABELS, replace(history, answers={**history.answers, query: both}))
    assert f"{PODS[0]} is scraped twice, as jobs a and b: name one" in told.missing[0]


def test_of_two_servers_of_prometheus_one_counts():
    history = past(days=1)
    query = queries(PLAN, LABELS)[0]
    ours = history.answers[query]
    both = tuple(
        Series({**s.labels, "prometheus_replica": one}, s.points) for one in "ab" for s in ours
    )
    told = counted(PLAN, LABELS, replace(history, answers={**history.answers, query: both}))
    assert told.counts == counts_of(days=1).counts


def test_a_query_without_an_answer_is_an_error() -> None:
    with pytest.raises(KeyError):
        counted(PLAN, LABELS, replace(past(days=1), answers={}))


def free(*found: Series) -> Counts:
    our = plan(guardrails=(threshold(),))
    end = BEGIN + HOUR
    return counted(our, LABELS, History(start=BEGIN, end=end, step=STEP, answers={"p95": found}))


def points(*minutes: float) -> tuple[Point, ...]:
    return tuple((BEGIN + m * MINUTE, m) for m in minutes)


def test_a_free_query_with_two_series_has_no_points() -> None:
    told = free(*(Series({"a": a}, points(1)) for a in "xy"))
    assert told.points == {"p95": "the query gives 2 series; one number is expected"}


def test_a_free_query_without_a_sample_says_so() -> None:
    for told in (free(), free(Series({}, ())), free(Series({}, points(-5, 0)))):
        assert told.points == {"p95": "the query gives no sample"}
        assert (told.start, told.steps) == (BEGIN, 0)


def test_a_free_query_has_the_points_after_the_start() -> None:
    told = free(Series({}, points(-5, 0, 5, 12)))
    assert told.points == {"p95": points(5, 12)}
    assert (told.start, told.steps, told.span) == (BEGIN, 2, 2 * STEP)


def test_arms_are_told_by_the_label_that_the_ramp_names() -> None:
    history = past(days=1 / 24)
    named = Metrics(assignments=PromQL("assignments_total"), arm_label="side")
    our = plan(guardrails=RULES, metrics=named)
    sided = {
        query: tuple(
            Series({**s.labels, "variant": "none", "side": s.labels["variant"]}, s.points)
            for s in found
        )
        for query, found in history.answers.items()
    }
    told = counted(our, LABELS, replace(history, answers=sided))
    assert told.counts == counts_of(days=1 / 24).counts
    assert told.missing == ()


def test_errors_need_no_arm_and_a_ramp_without_arms_none() -> None:
    history = past(days=1 / 24)
    query = queries(PLAN, LABELS)[2]
    control = tuple(s for s in history.answers[query] if s.labels["variant"] == "tree")
    told = counted(PLAN, LABELS, replace(history, answers={**history.answers, query: control}))
    assert told.missing == ()
    one = {name: found[:1] for name, found in history.answers.items()}
    bare = replace(PLAN, ask=replace(PLAN.ask, arms=None))
    assert counted(bare, LABELS, replace(history, answers=one)).missing == ()
