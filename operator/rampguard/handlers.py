"""The shell: kopf tells which ramp changed, we put its name into the queue. Nothing is decided."""

import asyncio
from collections.abc import Callable
from typing import Any

import kopf
from kubernetes import config
from kubernetes.client import Configuration

from rampguard.core.ask import Ref

GROUP, VERSION, PLURAL = "rampguard.dev", "v1alpha1", "experimentramps"


class _NoDiffBase(kopf.DiffBaseStorage):  # type: ignore[misc]  # kopf is untyped for us
    """Keeps nothing on objects: handlers of plain events need no last-seen state."""

    def fetch(self, **_: Any) -> None:
        return None

    def store(self, **_: Any) -> None:
        return None


class _NoProgress(kopf.ProgressStorage):  # type: ignore[misc]  # kopf is untyped for us
    """Keeps nothing on objects: our handler never retries."""

    def fetch(self, **_: Any) -> None:
        return None

    def store(self, **_: Any) -> None:
        return None

    def purge(self, **_: Any) -> None:
        return None

    def touch(self, **_: Any) -> None:
        return None

    def clear(self, *, essence: Any) -> Any:
        return essence


async def listen(
    wake: Callable[[Ref], None],
    namespaces: tuple[str, ...],
    *,
    context: str | None,
    ready: asyncio.Event,
    stop: asyncio.Event,
) -> None:
    """Wake each ramp that is created, changed or gone, until stop is set.

    Returning before that means that kopf gave up: the process should end.
    """
    registry = kopf.OperatorRegistry()

    @kopf.on.event(GROUP, VERSION, PLURAL, registry=registry)  # type: ignore[untyped-decorator]  # kopf's
    async def changed(namespace: str, name: str, **_: Any) -> None:
        wake(Ref(namespace, name))

    @kopf.on.login(registry=registry)  # type: ignore[untyped-decorator]  # kopf's
    def log_in(**_: Any) -> kopf.ConnectionInfo:
        return connection(context)

    await kopf.operator(
        registry=registry,
        settings=settings(),
        clusterwide=not namespaces,
        namespaces=namespaces,
        standalone=True,
        identity="rampguard",  # else kopf asks for the user's name: a pod may have none
        ready_flag=ready,
        stop_flag=stop,
    )


def connection(context: str | None) -> kopf.ConnectionInfo:
    """Return the same way into the cluster that our own adapter takes."""
    found = Configuration()
    if context is not None or not _in_cluster(found):
        config.load_kube_config(context=context, client_configuration=found, persist_config=False)
    header = found.get_api_key_with_prefix("BearerToken") or ""
    scheme, _, token = header.rpartition(" ")
    return kopf.ConnectionInfo(
        server=found.host,
        ca_path=found.ssl_ca_cert,
        insecure=not found.verify_ssl,
        username=found.username or None,
        password=found.password or None,
        scheme=scheme or None,
        token=token or None,
        certificate_path=found.cert_file,
        private_key_path=found.key_file,
    )


def _in_cluster(found: Configuration) -> bool:
    try:
        config.load_incluster_config(client_configuration=found)
    except config.ConfigException:
        return False
    return True


def settings() -> kopf.OperatorSettings:
    """Return what we change of kopf's defaults; docs/decisions tells why."""
    told = kopf.OperatorSettings()
    told.posting.enabled = False
    told.peering.standalone = True
    told.scanning.disabled = True
    told.queueing.worker_limit = None
    told.queueing.idle_timeout = 0.5
    told.queueing.exit_timeout = 5.0
    told.watching.server_timeout = 290  # whole: it goes out as text, and "290.0" is refused
    told.watching.inactivity_timeout = 70.0
    told.watching.connect_timeout = 10.0
    told.watching.chunk_size = 500
    told.networking.request_timeout = 30.0
    told.networking.connect_timeout = 5.0
    told.process.ultimate_exiting_timeout = 20.0
    # Never our own name: kopf strips this finalizer from every object that it sees.
    told.persistence.finalizer = "rampguard.dev/kopf-unused"
    told.persistence.diffbase_storage = _NoDiffBase()
    told.persistence.progress_storage = _NoProgress()
    return told
