"""A past of the example: counters that only rise, but for one restart, as OpenMetrics."""

import itertools
import re
from collections import defaultdict

import pytest
from lab import past
from lab.past import Past, told

HOUR = 3600
SMALL = Past(end=1_800_000_000, hours=5, every=120, users=0.5)
SAMPLE = re.compile(r"(\w+)\{(.*)\} (\d+) (\d+)")


@pytest.fixture(scope="module")
def series() -> dict[tuple[str, str], list[tuple[int, int]]]:
    found = defaultdict(list)
    for line in told(SMALL):
        if sample := SAMPLE.fullmatch(line):
            name, labels, value, at = sample.groups()
            found[name, labels].append((int(at), int(value)))
    return found


def test_the_text_is_openmetrics():
    lines = list(told(SMALL))
    assert lines[-1] == "# EOF"
    types = [line for line in lines if line.startswith("# TYPE")]
    assert types == [
        "# TYPE experiment_assignments counter",
        "# TYPE session_started_from_tree counter",
        "# TYPE http_requests counter",
    ]
    assert all(SAMPLE.fullmatch(line) for line in lines if not line.startswith("#"))


def test_every_child_is_there_with_0_from_the_start(series):
    starts = {values[0][1] for values in series.values()}
    assert min(starts) == 0
    of_one_pod = [k for k in series if 'pod="api-7d9f8c6b5f-bcdfg"' in k[1]]
    assert len(of_one_pod) == 4 + 4 + 18


def test_samples_are_in_order_and_lie_within_the_past(series):
    for values in series.values():
        times = [at for at, _ in values]
        assert times == sorted(set(times))
        assert SMALL.end - 5 * HOUR <= times[0] <= times[-1] <= SMALL.end


def test_one_process_restarts_and_all_are_replaced(series):
    falls = [
        key
        for key, values in series.items()
        if any(b < a for (_, a), (_, b) in itertools.pairwise(values))
    ]
    assert len({re.search(r'pod="([^"]+)"', labels)[1] for _, labels in falls}) == 1
    pods = {re.search(r'pod="([^"]+)"', labels)[1] for _, labels in series}
    assert len(pods) == 8
    assert len({pod.rsplit("-", 1)[0] for pod in pods}) == 2


def total(series, name: str, *labels: str) -> int:
    """Return what was counted in all, restarts counted in."""
    return sum(
        sum(b - a if b >= a else b for (_, a), (_, b) in itertools.pairwise(v)) + v[0][1]
        for (metric, told_), v in series.items()
        if metric == name and all(one in told_ for one in labels)
    )


def test_the_share_is_as_wanted_and_users_start_sessions(series):
    new = 'source="assignment"'
    treated = total(series, "experiment_assignments_total", new, 'variant="list"')
    everybody = total(series, "experiment_assignments_total", new)
    assert treated / everybody == pytest.approx(0.1, abs=0.02)
    started = total(series, "session_started_from_tree_total", new)
    assert started / everybody == pytest.approx(past.SESSIONS, rel=0.1)


def test_the_same_seed_gives_the_same_past():
    assert list(told(SMALL)) == list(told(SMALL))


def test_by_night_fewer_come():
    assert past._busy(0) == pytest.approx(1 - past.SWING)
    assert past._busy(12 * HOUR) == pytest.approx(1 + past.SWING)
