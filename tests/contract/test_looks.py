"""What wrong, late and missing data makes of a look, asked of a real Prometheus.

Every story is a namespace of its own in one history that is written in beforehand; what the app
truly counted is known to the last user. A Prometheus that fails
altogether: tests/e2e/test_faults.py; a clock that is another: tests/unit/adapters.
"""

import math
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import time

import pytest
from aiohttp.test_utils import unused_port

from fakes import FakeClock, FakeCluster, FakeTelemetry
from prometheus_process import remembering
from rampguard.adapters.prometheus import PrometheusMetrics, Source
from rampguard.core.ask import Ref
from rampguard.core.model import Evidence, Judgement, Look, Soaking, Verdict
from rampguard.core.plan import Plan
from rampguard.engine.counters import Pods
from rampguard.engine.looks import take_looks
from rampguard.ports import Rules, World
from rate_scenes import ERRORS, ERRORS_BEFORE, ONCE, STARTS_BEFORE
from scenes import HOUR, MINUTE, SECOND, SHARE, plan

T0 = datetime.fromtimestamp(time() // 3600 * 3600, UTC) - 3 * HOUR
SCRAPE, LOOK = 15 * SECOND, 30 * SECOND
BEFORE, SOAK = 20 * MINUTE, 30 * MINUTE
OURS = "api-7d9f8c6b5f"
PODS = tuple(f"{OURS}-{letter * 5}" for letter in "bcdfg")
RULES = (SHARE, replace(ONCE, name="starts"), ERRORS)
BASELINES = (STARTS_BEFORE, ERRORS_BEFORE)
RATES = {  # of each pod, a scrape
    ("assignments_total", "list"): 4,
    ("assignments_total", "tree"): 4,
    ("starts_total", "list"): 2,
    ("starts_total", "tree"): 2,
    ("requests_total", "list"): 200,
    ("requests_total", "tree"): 200,
    ("errors_total", "list"): 1,
    ("errors_total", "tree"): 1,
}

Value = Callable[[str, str, str, int], float | None]  # pod, name, arm, scrapes since T0 -> a sample


def counting(pod: str, name: str, arm: str, scrape: int) -> float | None:
    """Count since long before the ramp."""
    del pod
    return RATES[name, arm] * (scrape + 1000)


def silent_arm(pod: str, name: str, arm: str, scrape: int) -> float | None:
    return (
        None if (name, arm) == ("assignments_total", "list") else counting(pod, name, arm, scrape)
    )


def reset(pod: str, name: str, arm: str, scrape: int) -> float | None:
    """Restart the process of one pod after 10 min: its counters begin at 0."""
    rate = RATES[name, arm]
    begins_anew = pod == PODS[0] and scrape > 40
    return rate * (scrape - 40) if begins_anew else counting(pod, name, arm, scrape)


def replaced(pod: str, name: str, arm: str, scrape: int) -> float | None:
    """Let another pod take the place of one after 10 min."""
    if pod == PODS[0]:
        return counting(pod, name, arm, scrape) if scrape <= 40 else None
    if pod == PODS[1]:
        return RATES[name, arm] * (scrape - 40) if scrape > 40 else None
    return counting(pod, name, arm, scrape)


def gap(pod: str, name: str, arm: str, scrape: int) -> float | None:
    """Scrape nothing for 10 min."""
    return None if 40 < scrape <= 80 else counting(pod, name, arm, scrape)


def partial(pod: str, name: str, arm: str, scrape: int) -> float | None:
    """Scrape one pod of five from 5 min on."""
    return counting(pod, name, arm, scrape) if pod == PODS[0] or scrape <= 20 else None


def no_number(pod: str, name: str, arm: str, scrape: int) -> float | None:
    nan = (pod, name, arm) == (PODS[0], "errors_total", "list") and scrape > 40
    return math.nan if nan else counting(pod, name, arm, scrape)


def many_starts(pod: str, name: str, arm: str, scrape: int) -> float | None:
    told = counting(pod, name, arm, scrape)
    return told and told * 3 if name == "starts_total" else told


def lost(pod: str, name: str, arm: str, scrape: int) -> float | None:
    """Forget what was before, as a Prometheus does whose disk was lost after 10 min."""
    return counting(pod, name, arm, scrape) if scrape > 41 else None


STORIES: dict[str, Value] = {
    told.__name__.replace("_", "-"): told
    for told in (
        counting, silent_arm, reset, replaced, gap, partial, no_number, many_starts, lost,
    )
}  # fmt: skip


def history() -> str:
    """Return all stories as OpenMetrics."""
    scrapes = range(-(BEFORE // SCRAPE), SOAK // SCRAPE + 1)
    lines: list[str] = []
    for name in dict.fromkeys(name for name, _ in RATES):
        lines.append(f"# TYPE {name.removesuffix('_total')} counter")
        lines += [
            f'{name}{{namespace="{story}",pod="{pod}",instance="{pod}:80",job="app",'
            f'variant="{arm}"}} {value} {(T0 + scrape * SCRAPE).timestamp():.0f}'
            for story, told in STORIES.items()
            for pod in PODS
            for arm in ("list", "tree")
            for scrape in scrapes
            if (value := told(pod, name, arm, scrape)) is not None
        ]
    return "\n".join([*lines, "# EOF", ""])


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    home: Path = tmp_path_factory.mktemp("prometheus")
    with remembering(history(), home, unused_port()) as address:
        yield address


@pytest.fixture
async def metrics(url: str) -> AsyncIterator[PrometheusMetrics]:
    adapter = PrometheusMetrics({"default": Source(url=url)})
    yield adapter
    adapter.close()


def asked(story: str) -> Plan:
    return plan(ref=Ref(story, "tree-50"), guardrails=RULES, soak=SOAK)


async def look(
    metrics: PrometheusMetrics,
    story: str,
    after: timedelta,
    *,
    was: Look | None = None,
    started: dict[str, datetime] | None = None,
) -> Look:
    """Look some time after T0, going on from what an earlier look left to be remembered."""
    our = asked(story)
    evidence = was.evidence if was else Evidence(t0=T0, counted_to=T0, size=5 * MINUTE, onsets=6)
    clock = FakeClock(T0 + after + our.tempo.scrape)
    rules = Rules(process="p", tempo=our.tempo)
    world = World(
        cluster=FakeCluster(clock), metrics=metrics, clock=clock, telemetry=FakeTelemetry(),
        rules=rules,
    )  # fmt: skip
    pods = Pods(frozenset({OURS}), frozenset(PODS), started or {})
    stage = Soaking(since=T0, step=0, evidence=evidence)
    (found,) = await take_looks(our, stage, [T0 + after], world, pods, baselines=BASELINES)
    return found


def judged(found: Look, name: str) -> Judgement:
    return next(one for one in found.judgements if one.name == name)


def users(found: Look, story: str) -> tuple[float, float]:
    """Return how many new users each arm was counted to have: control, treatment."""
    our, counted = asked(story), found.measured.counted
    assert isinstance(counted, Evidence)
    bins = counted.counts[[f.selector for f in our.families].index("assignments_total")]
    return sum(one.control for one in bins), sum(one.treatment for one in bins)


def after(scrapes: int, pods: int = 5) -> tuple[float, float]:
    return 4.0 * pods * scrapes, 4.0 * pods * scrapes


async def test_every_user_is_counted_once(metrics):
    found = await look(metrics, "counting", SOAK)
    assert users(found, "counting") == after(120)
    assert not any(one.verdict is Verdict.NO_DATA for one in found.judgements)


async def test_an_arm_without_series_is_no_data(metrics):
    share = judged(await look(metrics, "silent-arm", SOAK), "share")
    assert share.verdict is Verdict.NO_DATA
    assert share.why == 'no series with variant="list" of a pod of the targets; there are: tree'


async def test_a_restart_loses_no_user_that_was_scraped(metrics):
    found = await look(metrics, "reset", SOAK)
    assert users(found, "reset") == after(120)


async def test_a_pod_that_takes_the_place_of_another_counts_from_its_start(metrics):
    started = dict.fromkeys(PODS, T0 - HOUR) | {PODS[1]: T0 + 10 * MINUTE}
    found = await look(metrics, "replaced", SOAK, started=started)
    control, treatment = users(found, "replaced")
    assert (control, treatment) == after(120, pods=4)


@pytest.mark.parametrize("minutes", [19, 20])
async def test_a_gap_is_blind_and_then_caught_up(metrics, minutes):
    before = await look(metrics, "gap", 10 * MINUTE)
    blind = await look(metrics, "gap", minutes * MINUTE, was=before)
    assert {one.verdict for one in blind.judgements} == {Verdict.NO_DATA}
    found = await look(metrics, "gap", SOAK, was=blind)
    assert users(found, "gap") == after(120)
    assert not any(one.verdict is Verdict.NO_DATA for one in found.judgements)


async def test_few_pods_of_many_are_no_data_and_what_they_count_stays(metrics):
    found = await look(metrics, "partial", 20 * MINUTE)
    assert {one.why for one in found.judgements} == {"1 of 5 pods were scraped within 45s"}
    control, treatment = users(found, "partial")
    assert control == treatment == 4 * (80 + 4 * 20)


async def test_a_counter_that_is_no_number_silences_its_guardrail_alone(metrics):
    found = await look(metrics, "no-number", SOAK)
    errors = judged(found, "errors")
    assert errors.verdict is Verdict.NO_DATA
    assert errors.why == "a counter of errors_total is NaN or infinite"
    assert judged(found, "share").verdict is not Verdict.NO_DATA
    assert users(found, "no-number") == after(120)


async def test_more_starts_than_users_are_none_of_one_each(metrics):
    starts = judged(await look(metrics, "many-starts", SOAK), "starts")
    assert starts.verdict is Verdict.NO_DATA
    assert starts.why == "more starts than assignments, yet oncePerUser is set"


async def test_what_prometheus_forgot_is_not_counted_and_nothing_else_instead(metrics):
    """Values after the loss are the bases of what comes then: lifetimes never count."""
    started = dict.fromkeys(PODS, T0 - HOUR)
    found = await look(metrics, "lost", SOAK, started=started)
    control, treatment = users(found, "lost")
    assert control == treatment
    assert 4 * 5 * 76 <= control <= 4 * 5 * 78


async def test_a_pod_of_another_app_counts_nothing(metrics):
    our = asked("counting")
    clock = FakeClock(T0 + SOAK + SCRAPE)
    world = World(
        cluster=FakeCluster(clock), metrics=metrics, clock=clock, telemetry=FakeTelemetry(),
        rules=Rules(process="p", tempo=our.tempo),
    )  # fmt: skip
    stage = Soaking(since=T0, step=0, evidence=Evidence(t0=T0, counted_to=T0))
    others = Pods(frozenset({"web-7d9f8c6b5f"}))
    (found,) = await take_looks(our, stage, [T0 + SOAK], world, others, baselines=BASELINES)
    assert {one.verdict for one in found.judgements} == {Verdict.NO_DATA}
