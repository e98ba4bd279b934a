"""Our own logs, as JSON on standard error, and our own metrics, for /metrics.

What `show_ramp` takes as figures; each may be absent where it is not known:

    phase       str
    share       float, 0 to 1: what the targets carry
    proven      int: pods
    lagging     int: pods
    blind       float, seconds: how long the guardrails have not been able to see
    overdue     float, seconds: how long a proof has been overdue
    guardrails  {name: {"value": float | None, "low": float | None, "high": float | None,
                        "verdict": str}}
"""

import contextlib
import logging
import sys
from collections.abc import Iterable, Iterator, Mapping
from datetime import timedelta
from typing import Any, TextIO

import structlog
from prometheus_client import (
    GC_COLLECTOR,
    PLATFORM_COLLECTOR,
    PROCESS_COLLECTOR,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
)
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from rampguard.core.ask import Ref

MOST_RAMPS = 1000  # shown at once; what is counted over all ramps has no such limit
PASS_SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 45)
LEVELS = logging.getLevelNamesMapping()


class RealTelemetry:
    """Implements ports.Telemetry; counts API calls and renders /metrics besides."""

    def __init__(
        self, *, level: str = "info", stream: TextIO | None = None, most: int = MOST_RAMPS
    ) -> None:
        self._log = structlog.wrap_logger(
            structlog.WriteLogger(stream or sys.stderr),
            wrapper_class=structlog.make_filtering_bound_logger(LEVELS[level.upper()]),
            processors=[
                structlog.processors.add_log_level,
                structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
                structlog.processors.EventRenamer("message"),
                structlog.processors.format_exc_info,
                structlog.processors.JSONRenderer(default=str, skipkeys=True),
            ],
        )
        self._registry = CollectorRegistry()
        for collector in (PROCESS_COLLECTOR, PLATFORM_COLLECTOR, GC_COLLECTOR):
            self._registry.register(collector)
        self._ramps = _Ramps(most)
        self._told = False
        self._registry.register(self._ramps)
        self._passes = self._counter("rampguard_passes", "Passes over ramps.", "result")
        self._seconds = Histogram(
            "rampguard_pass_seconds",
            "How long passes take.",
            buckets=PASS_SECONDS,
            registry=self._registry,
        )
        self._calls = self._counter(
            "rampguard_api_calls", "Kubernetes API calls.", "verb", "resource", "result"
        )
        self._dropped = self._counter(
            "rampguard_records_dropped", "Records of passes that were not written."
        )
        self._queued = self._gauge("rampguard_queue_depth", "Ramps that wait for a pass.")
        self._running = self._gauge("rampguard_passes_running", "Passes that run now.")
        self._overdue = self._gauge(
            "rampguard_overdue_seconds", "How long the ramp that waits longest has been due."
        )

    def _counter(self, name: str, meaning: str, *labels: str) -> Counter:
        return Counter(name, meaning, labels, registry=self._registry)

    def _gauge(self, name: str, meaning: str) -> Gauge:
        return Gauge(name, meaning, registry=self._registry)

    def log(self, level: str, message: str, **facts: object) -> None:
        """Write one line: a constant message and varying facts."""
        # A log that nobody reads any more stops no ramp.
        with contextlib.suppress(OSError, ValueError):
            self._log.bind(**facts).log(LEVELS.get(level.upper(), logging.INFO), message)

    def capture_logging(self) -> None:
        """Let what libraries log come out as our own lines."""
        logging.basicConfig(
            handlers=[_Bridge(self)], level=self._log.get_effective_level(), force=True
        )
        # One line per event that reached us says nothing of what was decided.
        logging.getLogger("kopf.objects").setLevel(logging.WARNING)
        # At debug it tells paths, and those of a webhook are secret.
        logging.getLogger("urllib3").setLevel(logging.WARNING)

    def show_ramp(self, ref: Ref, figures: Mapping[str, Any]) -> None:
        """Set the gauges of one ramp; the head of this module names the figures."""
        if not self._ramps.show(ref, figures) and not self._told:
            self._told = True
            self.log("warning", "more ramps than /metrics shows", first_hidden=str(ref))

    def forget_ramp(self, ref: Ref) -> None:
        """Drop the gauges of a ramp that is gone."""
        self._ramps.forget(ref)

    def count_pass(self, result: str, seconds: float) -> None:
        """Count one pass by its result: ok, conflict, unavailable, refused, invalid, bug."""
        self._passes.labels(result).inc()
        self._seconds.observe(seconds)

    def count_call(self, verb: str, resource: str, result: str) -> None:
        """Count one call of the Kubernetes API by its result: ok, or the name of the error."""
        self._calls.labels(verb, resource, result).inc()

    def count_dropped(self) -> None:
        """Count one record of a pass that is lost."""
        self._dropped.inc()

    def set_queue(self, queued: int, running: int, overdue: timedelta) -> None:
        """Set the gauges of the workqueue."""
        self._queued.set(queued)
        self._running.set(running)
        self._overdue.set(overdue.total_seconds())

    def render(self) -> bytes:
        """Return all metrics in Prometheus' text format 0.0.4."""
        return generate_latest(self._registry)


class _Bridge(logging.Handler):
    """Hands the records of the standard library's logging on."""

    def __init__(self, telemetry: RealTelemetry) -> None:
        super().__init__()
        self._telemetry = telemetry

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record as one line."""
        facts: dict[str, object] = {"logger": record.name}
        if record.exc_info:
            facts["exc_info"] = record.exc_info
        self._telemetry.log(record.levelname, record.getMessage(), **facts)


# Of one ramp: what each gauge means, and its labels after namespace and name.
GAUGES: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "rampguard_ramp_phase": ("1 for the phase that the ramp is in.", ("phase",)),
    "rampguard_ramp_share": ("Share of the treatment that the targets carry, 0 to 1.", ()),
    "rampguard_pods_proven": ("Pods that are proven to run the wanted value.", ()),
    "rampguard_pods_lagging": ("Pods that are not proven yet.", ()),
    "rampguard_blind_seconds": ("How long the guardrails have not been able to see.", ()),
    "rampguard_ramp_overdue_seconds": ("How long a proof has been overdue.", ()),
    "rampguard_guardrail_value": ("What the guardrail measures.", ("guardrail",)),
    "rampguard_guardrail_limit_low": ("Below this the guardrail breaches.", ("guardrail",)),
    "rampguard_guardrail_limit_high": ("Above this the guardrail breaches.", ("guardrail",)),
    "rampguard_guardrail_verdict": (
        "1 for the verdict of the latest look.",
        ("guardrail", "verdict"),
    ),
}
_Sample = tuple[str, tuple[str, ...], float]  # name, labels after namespace and name, value


class _Ramps(Collector):
    """The gauges of the ramps, made anew at each scrape: what is gone leaves no series behind."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._shown: dict[Ref, tuple[_Sample, ...]] = {}

    def show(self, ref: Ref, figures: Mapping[str, Any]) -> bool:
        """Keep the figures of a ramp; False: there are too many ramps already."""
        if ref not in self._shown and len(self._shown) >= self._most:
            return False
        self._shown[ref] = tuple(_samples(figures))
        return True

    def forget(self, ref: Ref) -> None:
        """Drop the figures of a ramp."""
        self._shown.pop(ref, None)

    def collect(self) -> Iterable[GaugeMetricFamily]:
        """Render the figures."""
        families = {
            name: GaugeMetricFamily(name, meaning, labels=("namespace", "name", *labels))
            for name, (meaning, labels) in GAUGES.items()
        }
        for ref, samples in self._shown.items():
            for name, labels, value in samples:
                families[name].add_metric((ref.namespace, ref.name, *labels), value)
        return families.values()


def _samples(figures: Mapping[str, Any]) -> Iterator[_Sample]:
    """Turn figures into samples; what is absent or None has none."""
    if phase := figures.get("phase"):
        yield "rampguard_ramp_phase", (phase,), 1.0
    for name, key in (
        ("rampguard_ramp_share", "share"),
        ("rampguard_pods_proven", "proven"),
        ("rampguard_pods_lagging", "lagging"),
        ("rampguard_blind_seconds", "blind"),
        ("rampguard_ramp_overdue_seconds", "overdue"),
    ):
        if (value := figures.get(key)) is not None:
            yield name, (), float(value)
    for guardrail, seen in figures.get("guardrails", {}).items():
        for name, key in (
            ("rampguard_guardrail_value", "value"),
            ("rampguard_guardrail_limit_low", "low"),
            ("rampguard_guardrail_limit_high", "high"),
        ):
            if (value := seen.get(key)) is not None:
                yield name, (guardrail,), float(value)
        if verdict := seen.get("verdict"):
            yield "rampguard_guardrail_verdict", (guardrail, verdict), 1.0
