"""A small world with a Prometheus in it, for tests that have none of their own."""

import pytest

from fakes import FakeClock, FakeCluster, FakeTelemetry
from look_scenes import BOTH, COUNTER, P95, WatchedMetrics
from rampguard.ports import Rules, World


@pytest.fixture
def metrics():
    made = WatchedMetrics(FakeClock(), answers={P95: lambda at: 0.5})
    for arm in ("tree", "list"):
        place = {"namespace": "app", "instance": "a", "pod": "api-1-a"}
        made.count(COUNTER, 0.5, variant=arm, **place)
    return made


@pytest.fixture
def world(metrics):
    return World(
        cluster=FakeCluster(),
        metrics=metrics,
        clock=metrics.clock,
        telemetry=FakeTelemetry(),
        rules=Rules(process="p", tempo=BOTH.tempo),
    )
