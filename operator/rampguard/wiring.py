"""Builds the World; knows every adapter, and is known by the entry points only."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from importlib.metadata import version

from rampguard.adapters.checks import HttpChecks
from rampguard.adapters.clock import RealClock
from rampguard.adapters.exports import FileExports
from rampguard.adapters.kubernetes import KubernetesCluster
from rampguard.adapters.notices import ChannelNotifier
from rampguard.adapters.probe import HttpProber
from rampguard.adapters.prometheus import PrometheusMetrics
from rampguard.adapters.records import FlightRecorder, Place
from rampguard.adapters.telemetry import RealTelemetry
from rampguard.ports import Cluster, NoRecorder, Refused, Resource, Rules, World
from rampguard.settings import Settings, process_identity

# What we do, as verb, resource and subresource; the chart grants exactly this.
RIGHTS = (
    *(("get", Resource.RAMPS, ""), ("list", Resource.RAMPS, ""), ("watch", Resource.RAMPS, "")),
    *(("patch", Resource.RAMPS, ""), ("update", Resource.RAMPS, "status")),
    *(("get", Resource.DEPLOYMENTS, ""), ("patch", Resource.DEPLOYMENTS, "")),
    ("list", Resource.REPLICASETS, ""),
    *(("list", Resource.PODS, ""), ("watch", Resource.PODS, "")),
    ("get", Resource.SERVICES, ""),
    ("create", Resource.EVENTS, ""),
)


@dataclass(frozen=True, slots=True)
class Wired:
    """The World, and what only the process itself needs. recorder None: nothing is recorded."""

    world: World
    telemetry: RealTelemetry
    recorder: FlightRecorder | None


@asynccontextmanager
async def wire(settings: Settings, environment: Mapping[str, str]) -> AsyncIterator[Wired]:
    """Connect to everything outside, and let go of it at the end; Refused: no way in."""
    telemetry = RealTelemetry(level=settings.log_level)
    telemetry.capture_logging()
    cluster = await KubernetesCluster.connect(
        context=settings.context, on_call=telemetry.count_call
    )
    metrics = PrometheusMetrics(settings.sources, log=telemetry.log)
    rules = Rules(
        process=process_identity(environment),
        tempo=settings.tempo,
        namespace_label=settings.namespace_label,
        pod_label=settings.pod_label,
        links=settings.notices.as_links,
    )
    recorder = _recorder(settings, telemetry)
    notifier = _notifier(settings, telemetry)
    exports = FileExports(
        {name: one.url for name, one in settings.exports.items()}, settings.captures.url
    )
    world = World(
        cluster=cluster,
        metrics=metrics,
        clock=RealClock(),
        telemetry=telemetry,
        rules=rules,
        checks=HttpChecks(settings.checks),
        recorder=recorder or NoRecorder(),
        notifier=notifier,
        prober=HttpProber(settings.ways),
        exports=exports,
    )
    try:
        yield Wired(world, telemetry, recorder)
    finally:
        if recorder:
            await asyncio.to_thread(recorder.close)
        notifier.close()
        exports.close()
        metrics.close()
        await cluster.close()


def _recorder(settings: Settings, telemetry: RealTelemetry) -> FlightRecorder | None:
    if not settings.records.url:
        return None
    return FlightRecorder(
        Place(settings.records.url),
        limit=settings.records.max_mb * 10**6,
        version=version("rampguard"),
        log=telemetry.log,
        on_dropped=telemetry.count_dropped,
    )


def _notifier(settings: Settings, telemetry: RealTelemetry) -> ChannelNotifier:
    told = settings.notices
    return ChannelNotifier(
        told.as_channels,
        grafana=told.grafana.as_grafana() if told.grafana else None,
        templates=told.templates,
        link_templates=told.as_links,
        log=telemetry.log,
    )


async def check_rights(cluster: Cluster, namespaces: tuple[str, ...]) -> None:
    """Ask for every right that we need; Refused names all that are missing, at once."""
    missing = [
        f"{verb} {resource.rpartition('/')[2]}{f'/{sub}' if sub else ''}"
        f" in {namespace or 'all namespaces'}"
        for namespace in namespaces or (None,)
        for verb, resource, sub in RIGHTS
        if not await cluster.can_i(verb, resource, namespace, sub)
    ]
    if missing:
        raise Refused(
            f"rights are missing: {', '.join(missing)}; install the chart, which grants them"
        )
