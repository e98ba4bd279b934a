"""A world whose Prometheus scrapes what the tests let pods count."""

import pytest

from counter_scenes import (
    ALONE,
    LateMetrics,
)
from fakes import FakeClock, FakeCluster, FakeTelemetry
from rampguard.ports import Rules, World


@pytest.fixture
def clock():
    return FakeClock()


@pytest.fixture
def metrics(clock):
    return LateMetrics(clock)


@pytest.fixture
def world(clock, metrics):
    return World(
        cluster=FakeCluster(),
        metrics=metrics,
        clock=clock,
        telemetry=FakeTelemetry(),
        rules=Rules(process="p", tempo=ALONE.tempo),
    )
