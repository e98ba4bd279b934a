"""Deployments that Argo CD or Flux keep, as they look on a real API server after each sync."""

from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest

from conftest import Kubectl
from integration.deployments import APPS, ARGO, ENTRIES, ENV, Bench, entries, manifest, standing
from integration.server import ApiServer, Json
from rampguard.adapters.kubernetes import KubernetesCluster
from rampguard.api.gitops import TRACKING_ID
from rampguard.core.model import Owner
from rampguard.core.targets import holder

pytestmark = pytest.mark.cluster

OURS = Owner("rampguard", "Apply", value=True)


@dataclass(frozen=True, slots=True)
class Sync:
    """How Argo CD writes: kubectl's own two ways, under its own name."""

    operation: str
    flags: tuple[str, ...]

    def __call__(self, bench: Bench, declared: Json) -> None:
        bench.apply(declared, f"--field-manager={ARGO}", *self.flags)


SYNCS = {
    "client-side": Sync("Update", ()),
    "server-side": Sync("Apply", ("--server-side", "--force-conflicts")),
}


@pytest.fixture
async def bench(server: ApiServer, cluster: Kubectl, namespace: str) -> AsyncIterator[Bench]:
    adapter = await KubernetesCluster.connect()
    yield Bench(namespace, adapter, server, cluster)
    await adapter.close()
    server.call("DELETE", f"{APPS}/namespaces/{namespace}/deployments/api")


def tracked(bench: Bench, *declared: tuple[str, str]) -> Json:
    """Return what Git declares, with Argo CD's mark on it."""
    return manifest(*declared, **{TRACKING_ID: f"shop:apps/Deployment:{bench.namespace}/api"})


@pytest.mark.parametrize("sync", SYNCS.values(), ids=SYNCS)
async def test_a_variable_in_git_is_seen_before_and_after_our_write(
    bench: Bench, sync: Sync
) -> None:
    sync(bench, tracked(bench, *ENTRIES))
    before = standing(await bench.get())
    assert before.owners == (Owner(ARGO, sync.operation, value=True),)
    assert before.declared_by == f"{ARGO} owns the entry ({sync.operation})"
    after = standing(await bench.put("50"))
    assert set(after.owners) == {OURS, Owner(ARGO, sync.operation, value=False)}
    assert after.declared_by == f"{ARGO} owns the entry ({sync.operation})"


@pytest.mark.parametrize("sync", SYNCS.values(), ids=SYNCS)
async def test_a_sync_that_takes_the_value_back_is_named(bench: Bench, sync: Sync) -> None:
    sync(bench, tracked(bench, *ENTRIES))
    await bench.put("50")
    sync(bench, tracked(bench, *ENTRIES))
    seen = standing(await bench.get())
    assert seen.entry.value == "10"
    assert holder(seen) == ARGO
    assert set(seen.owners) == {
        Owner("rampguard", "Apply", value=False),
        Owner(ARGO, sync.operation, value=True),
    }


@pytest.mark.parametrize("sync", SYNCS.values(), ids=SYNCS)
async def test_a_sync_that_respects_our_value_can_be_followed_by_a_rollback(
    bench: Bench, sync: Sync
) -> None:
    sync(bench, tracked(bench, *ENTRIES))
    await bench.put("50")
    # With a rule and RespectIgnoreDifferences, Argo CD sends the value that it finds.
    sync(bench, tracked(bench, *(ENTRIES[0], (ENV, "50"), ENTRIES[2])))
    assert standing(await bench.get()).entry.value == "50"
    back = await bench.put("10")
    assert entries(back) == [*ENTRIES]
    assert OURS in standing(back).owners


@pytest.mark.parametrize("sync", SYNCS.values(), ids=SYNCS)
async def test_a_variable_that_is_not_in_git_is_ours_through_every_sync(
    bench: Bench, sync: Sync
) -> None:
    sync(bench, tracked(bench, *ENTRIES[:1]))
    assert standing(await bench.get()).declared_by == ""
    await bench.put("50")
    sync(bench, tracked(bench, ENTRIES[0], ENTRIES[2]))
    seen = standing(await bench.get())
    assert seen.entry.value == "50"
    assert (set(seen.owners), seen.declared_by) == ({OURS}, "")
    back = await bench.put(None)
    assert sorted(entries(back)) == sorted([ENTRIES[0], ENTRIES[2]])


async def test_a_person_who_applies_a_tracked_deployment_still_declares_it(bench: Bench) -> None:
    bench.apply(tracked(bench, *ENTRIES))
    assert standing(await bench.get()).declared_by == (
        "last-applied-configuration has the entry, under Argo CD tracking id"
        f" shop:apps/Deployment:{bench.namespace}/api"
    )


async def test_a_tracking_id_that_came_with_a_copy_declares_nothing(bench: Bench) -> None:
    bench.apply(manifest(*ENTRIES, **{TRACKING_ID: "shop:apps/Deployment:elsewhere/api"}))
    assert standing(await bench.get()).declared_by == ""


@pytest.mark.parametrize("flux", ["kustomize-controller", "helm-controller"])
async def test_flux_declares_what_it_owns(bench: Bench, flux: str) -> None:
    bench.apply(manifest(*ENTRIES), "--server-side", f"--field-manager={flux}")
    assert standing(await bench.get()).declared_by == f"{flux} owns the entry (Apply)"


async def test_helm_alone_is_not_git(bench: Bench) -> None:
    body = manifest(*ENTRIES)
    body["metadata"]["labels"] = {"app.kubernetes.io/instance": "shop"}
    bench.told("create", "-f", "-", "--field-manager=helm", body=body)
    assert standing(await bench.get()).declared_by == ""
