"""What ports.Cluster promises, on a real API server and on the fake of tests/fakes.py."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing
from dataclasses import dataclass
from typing import Protocol

import aiohttp
import pytest
from kubernetes.aio.client import Configuration

from control_plane import ADMIN, STRANGER, ControlPlane, control_plane
from rampguard.adapters.kubernetes import KubernetesCluster, Limits
from rampguard.core.ask import Ref
from rampguard.ports import (
    Cluster,
    Conflict,
    Json,
    NotFound,
    RampError,
    Refused,
    Resource,
    Unavailable,
)

names = (f"ns-{n}" for n in itertools.count())


class Bench(Protocol):
    """A cluster, and what a test needs beyond the port."""

    cluster: Cluster
    namespace: str

    async def create(self, resource: Resource, body: Json) -> Json: ...

    async def delete(self, resource: Resource, ref: Ref) -> None: ...


# --- the real one --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    with control_plane(tmp_path_factory.mktemp("control-plane")) as running:
        yield running


@dataclass
class RealBench:
    plane: ControlPlane
    session: aiohttp.ClientSession
    cluster: Cluster
    namespace: str

    async def create(self, resource: Resource, body: Json) -> Json:
        root, _, plural = resource.rpartition("/")
        path = f"/{root}/namespaces/{self.namespace}/{plural}"
        return await self.call("POST", path, body)

    async def delete(self, resource: Resource, ref: Ref) -> None:
        root, _, plural = resource.rpartition("/")
        await self.call("DELETE", f"/{root}/namespaces/{ref.namespace}/{plural}/{ref.name}")

    async def call(self, method: str, path: str, body: Json | None = None) -> Json:
        async with self.session.request(method, self.plane.url + path, json=body) as response:
            answer: Json = await response.json()
            assert response.status < 300, answer
            return answer


def configuration(plane: ControlPlane, token: str) -> Configuration:
    configured = Configuration(host=plane.url)
    configured.ssl_ca_cert = str(plane.ca_file)
    configured.api_key["BearerToken"] = f"Bearer {token}"
    return configured


CRD = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": "experimentramps.rampguard.dev"},
    "spec": {
        "group": "rampguard.dev",
        "names": {"kind": "ExperimentRamp", "plural": "experimentramps"},
        "scope": "Namespaced",
        "versions": [
            {
                "name": "v1alpha1",
                "served": True,
                "storage": True,
                "subresources": {"status": {}},
                "schema": {
                    "openAPIV3Schema": {
                        "type": "object",
                        "properties": {
                            key: {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
                            for key in ("spec", "status")
                        },
                    }
                },
            }
        ],
    },
}


async def real_bench(plane: ControlPlane) -> AsyncIterator[Bench]:
    headers = {"Authorization": f"Bearer {ADMIN}"}
    connector = aiohttp.TCPConnector(ssl=False)
    async with aiohttp.ClientSession(headers=headers, connector=connector) as session:
        cluster = KubernetesCluster(configuration(plane, ADMIN), limits=Limits(page=2))
        bench = RealBench(plane, session, cluster, next(names))
        try:
            await bench.call("POST", "/api/v1/namespaces", {"metadata": {"name": bench.namespace}})
            await have_crd(bench)
            yield bench
        finally:
            await cluster.close()


async def have_crd(bench: RealBench) -> None:
    root = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
    if not (await bench.call("GET", root))["items"]:
        await bench.call("POST", root, CRD)
    for _ in range(300):
        try:
            await bench.cluster.list(Resource.RAMPS, None)
        except (NotFound, Unavailable):  # a kind that is not served yet is either
            await asyncio.sleep(0.1)
        else:
            return
    pytest.fail("the API server does not serve ramps")


# --- the fake one --------------------------------------------------------------------------------


@dataclass
class FakeBench:
    cluster: Cluster
    namespace: str

    async def create(self, resource: Resource, body: Json) -> Json:
        ref = Ref(self.namespace, body["metadata"]["name"])
        self.cluster.put(
            resource, {**body, "metadata": {**body["metadata"], "namespace": ref.namespace}}
        )
        return await self.cluster.get(resource, ref)

    async def delete(self, resource: Resource, ref: Ref) -> None:
        self.cluster.delete(resource, ref)


@pytest.fixture(params=["real", "fake"])
async def bench(request: pytest.FixtureRequest) -> AsyncIterator[Bench]:
    if request.param == "real":
        async for real in real_bench(request.getfixturevalue("plane")):
            yield real
    else:
        fakes = pytest.importorskip("fakes")
        yield FakeBench(fakes.FakeCluster(), next(names))


# --- facts ---------------------------------------------------------------------------------------


def deployment(name: str = "api", **labels: str) -> Json:
    """A Deployment whose share, 10, was written by somebody else."""
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "labels": labels},
        "spec": {
            "selector": {"matchLabels": {"app": name}},
            "template": {
                "metadata": {"labels": {"app": name}},
                "spec": {
                    "containers": [
                        {
                            "name": "api",
                            "image": "app:1",
                            "env": [
                                {"name": "OTHER", "value": "x"},
                                {"name": "SHARE", "value": "10"},
                            ],
                        }
                    ]
                },
            },
        },
    }


def ramp(name: str = "tree") -> Json:
    return {
        "apiVersion": "rampguard.dev/v1alpha1",
        "kind": "ExperimentRamp",
        "metadata": {"name": name},
        "spec": {"to": 50},
    }


def body(seen: Json, *env: Json, container: str = "api", **pins: str) -> Json:
    """A server-side apply of some entries, pinned to what was seen."""
    metadata = seen["metadata"]
    pin = {key: metadata[key] for key in ("name", "namespace", "uid", "resourceVersion")}
    containers = [{"name": container, "env": list(env)}] if env else []
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": pin | pins,
        "spec": {"template": {"spec": {"containers": containers}}} if env else {},
    }


def share(value: str) -> Json:
    return {"name": "SHARE", "value": value}


def env(seen: Json) -> dict[str, str]:
    (container,) = seen["spec"]["template"]["spec"]["containers"]
    return {entry["name"]: entry.get("value", "") for entry in container["env"]}


def owners(seen: Json) -> set[tuple[str, str]]:
    """Who owns the value of SHARE."""
    found = set()
    for entry in seen["metadata"]["managedFields"]:
        spec = entry["fieldsV1"].get("f:spec", {})
        containers = spec.get("f:template", {}).get("f:spec", {}).get("f:containers", {})
        ours = containers.get('k:{"name":"api"}', {}).get("f:env", {})
        if "f:value" in ours.get('k:{"name":"SHARE"}', {}):
            found.add((entry["manager"], entry["operation"]))
    return found


def ref(seen: Json) -> Ref:
    return Ref(seen["metadata"]["namespace"], seen["metadata"]["name"])


# --- reading -------------------------------------------------------------------------------------


async def test_what_is_there_is_got_and_the_rest_is_not_found(bench):
    made = await bench.create(Resource.DEPLOYMENTS, deployment())
    got = await bench.cluster.get(Resource.DEPLOYMENTS, ref(made))
    assert (got["kind"], env(got)["SHARE"]) == ("Deployment", "10")
    assert got["metadata"]["uid"] == made["metadata"]["uid"]
    with pytest.raises(NotFound):
        await bench.cluster.get(Resource.DEPLOYMENTS, Ref(bench.namespace, "other"))


async def test_a_list_is_whole_and_selected(bench):
    for name in ("a", "b", "c", "d", "e"):
        await bench.create(Resource.DEPLOYMENTS, deployment(name, odd=str(name in "ace").lower()))
    for fresh in (True, False):
        every = await bench.cluster.list(Resource.DEPLOYMENTS, bench.namespace, fresh=fresh)
        assert [each["metadata"]["name"] for each in every] == ["a", "b", "c", "d", "e"]
    odd = await bench.cluster.list(Resource.DEPLOYMENTS, bench.namespace, selector="odd=true")
    assert [each["metadata"]["name"] for each in odd] == ["a", "c", "e"]
    assert await bench.cluster.list(Resource.PODS, bench.namespace) == ()


async def test_a_list_of_the_cluster_sees_each_namespace(bench):
    made = await bench.create(Resource.RAMPS, ramp())
    every = await bench.cluster.list(Resource.RAMPS, None)
    assert made["metadata"]["uid"] in {each["metadata"]["uid"] for each in every}


async def test_a_watch_tells_what_stands_and_each_change(bench):
    made = await bench.create(Resource.DEPLOYMENTS, deployment(app="api"))
    await bench.create(Resource.DEPLOYMENTS, deployment("other", app="other"))
    watch = bench.cluster.watch(Resource.DEPLOYMENTS, bench.namespace, selector="app=api")
    async with aclosing(watch) as changes, asyncio.timeout(10):
        assert ref(await anext(changes)) == ref(made)
        await bench.cluster.apply(ref(made), body(made, share("50")))
        assert env(await anext(changes))["SHARE"] == "50"
        await bench.delete(Resource.DEPLOYMENTS, ref(made))
        assert ref(await anext(changes)) == ref(made)


# --- server-side apply ---------------------------------------------------------------------------


async def test_an_apply_changes_one_entry_and_takes_it(bench):
    made = await bench.create(Resource.DEPLOYMENTS, deployment())
    changed = await bench.cluster.apply(ref(made), body(made, share("50")))
    assert env(changed) == {"OTHER": "x", "SHARE": "50"}
    assert owners(changed) == {("rampguard", "Apply")}
    assert changed["metadata"]["generation"] == made["metadata"]["generation"] + 1
    assert changed == await bench.cluster.get(Resource.DEPLOYMENTS, ref(made))


async def test_an_entry_that_we_added_goes_when_no_longer_named(bench):
    made = await bench.create(Resource.DEPLOYMENTS, deployment())
    new = {"name": "NEW", "value": "1"}
    both = await bench.cluster.apply(ref(made), body(made, share("50"), new))
    assert env(both) == {"OTHER": "x", "SHARE": "50", "NEW": "1"}
    one = await bench.cluster.apply(ref(made), body(both, share("50")))
    assert env(one) == {"OTHER": "x", "SHARE": "50"}


async def test_the_value_before_comes_back_by_an_apply(bench):
    made = await bench.create(Resource.DEPLOYMENTS, deployment())
    changed = await bench.cluster.apply(ref(made), body(made, share("50")))
    restored = await bench.cluster.apply(ref(made), body(changed, share("10")))
    assert env(restored) == env(made)


@pytest.mark.parametrize("pin", ["uid", "resourceVersion"])
async def test_an_apply_to_another_version_is_a_conflict_and_changes_nothing(bench, pin):
    made = await bench.create(Resource.DEPLOYMENTS, deployment())
    other = {"uid": "00000000-0000-0000-0000-000000000000", "resourceVersion": "1"}[pin]
    with pytest.raises(Conflict):
        await bench.cluster.apply(ref(made), body(made, share("50"), **{pin: other}))
    assert await bench.cluster.get(Resource.DEPLOYMENTS, ref(made)) == made


async def test_an_apply_never_creates(bench):
    made = await bench.create(Resource.DEPLOYMENTS, deployment())
    await bench.delete(Resource.DEPLOYMENTS, ref(made))
    with pytest.raises((Conflict, NotFound)):
        await bench.cluster.apply(ref(made), body(made, share("50")))
    with pytest.raises(NotFound):
        await bench.cluster.get(Resource.DEPLOYMENTS, ref(made))


async def test_a_dry_run_changes_nothing(bench):
    made = await bench.create(Resource.DEPLOYMENTS, deployment())
    dry = await bench.cluster.apply(ref(made), body(made, share("50")), dry_run=True)
    assert env(dry)["SHARE"] == "50"
    assert await bench.cluster.get(Resource.DEPLOYMENTS, ref(made)) == made


async def test_a_container_that_is_not_there_is_refused(bench):
    made = await bench.create(Resource.DEPLOYMENTS, deployment())
    for dry_run in (True, False):
        with pytest.raises(Refused, match="image"):
            await bench.cluster.apply(
                ref(made), body(made, share("50"), container="other"), dry_run=dry_run
            )
    assert await bench.cluster.get(Resource.DEPLOYMENTS, ref(made)) == made


# --- other writes --------------------------------------------------------------------------------


async def test_a_stamp_is_placed_survives_an_apply_and_is_taken_away(bench):
    made = await bench.create(Resource.DEPLOYMENTS, deployment())

    def stamp(seen: Json, value: str | None) -> Json:
        pin = {key: seen["metadata"][key] for key in ("uid", "resourceVersion")}
        return {"metadata": pin | {"annotations": {"rampguard.dev/share": value}}}

    stamped = await bench.cluster.merge_patch(Resource.DEPLOYMENTS, ref(made), stamp(made, "us"))
    assert stamped["metadata"]["annotations"]["rampguard.dev/share"] == "us"
    assert stamped["spec"] == made["spec"]
    # The API server counts annotations of a Deployment into its generation, unlike elsewhere.
    assert stamped["metadata"]["generation"] == made["metadata"]["generation"] + 1
    with pytest.raises(Conflict):
        await bench.cluster.merge_patch(Resource.DEPLOYMENTS, ref(made), stamp(made, "them"))
    changed = await bench.cluster.apply(ref(made), body(stamped, share("50")))
    assert changed["metadata"]["annotations"]["rampguard.dev/share"] == "us"
    freed = await bench.cluster.merge_patch(Resource.DEPLOYMENTS, ref(made), stamp(changed, None))
    assert "rampguard.dev/share" not in freed["metadata"].get("annotations", {})


async def test_a_merge_patch_of_another_object_is_a_conflict(bench):
    made = await bench.create(Resource.DEPLOYMENTS, deployment())
    other = {"metadata": {"uid": "00000000-0000-0000-0000-000000000000", "annotations": {"a": "b"}}}
    with pytest.raises(Conflict):
        await bench.cluster.merge_patch(Resource.DEPLOYMENTS, ref(made), other)


async def test_a_json_patch_happens_only_if_its_tests_hold(bench):
    made = await bench.create(Resource.DEPLOYMENTS, deployment())
    path = "/spec/template/spec/containers/0/env/1/value"

    def swap(old: str, new: str) -> list[Json]:
        return [
            {"op": "test", "path": path, "value": old},
            {"op": "replace", "path": path, "value": new},
        ]

    with pytest.raises(Conflict):
        await bench.cluster.json_patch(Resource.DEPLOYMENTS, ref(made), swap("11", "50"))
    assert await bench.cluster.get(Resource.DEPLOYMENTS, ref(made)) == made
    changed = await bench.cluster.json_patch(Resource.DEPLOYMENTS, ref(made), swap("10", "50"))
    assert env(changed)["SHARE"] == "50"


async def test_a_finalizer_holds_a_deleted_ramp_until_it_is_dropped(bench):
    made = await bench.create(Resource.RAMPS, ramp())
    held = {"metadata": {"finalizers": ["rampguard.dev/rollback"]}}
    await bench.cluster.merge_patch(Resource.RAMPS, ref(made), held)
    await bench.delete(Resource.RAMPS, ref(made))
    leaving = await bench.cluster.get(Resource.RAMPS, ref(made))
    assert leaving["metadata"]["deletionTimestamp"]
    await bench.cluster.merge_patch(Resource.RAMPS, ref(made), {"metadata": {"finalizers": None}})
    with pytest.raises(NotFound):
        await bench.cluster.get(Resource.RAMPS, ref(made))


async def test_a_status_is_swapped_alone_and_only_from_the_version_read(bench):
    made = await bench.create(Resource.RAMPS, ramp())
    mine = {**made, "spec": {"to": 99}, "status": {"phase": "Soaking"}}
    written = await bench.cluster.put_status(ref(made), mine)
    assert (written["spec"], written["status"]) == ({"to": 50}, {"phase": "Soaking"})
    assert written["metadata"]["generation"] == made["metadata"]["generation"]
    with pytest.raises(Conflict):
        await bench.cluster.put_status(ref(made), {**made, "status": {"phase": "Pending"}})
    assert (await bench.cluster.get(Resource.RAMPS, ref(made)))["status"] == {"phase": "Soaking"}


async def test_a_status_that_changes_nothing_keeps_the_version(bench):
    made = await bench.create(Resource.RAMPS, ramp())
    written = await bench.cluster.put_status(ref(made), {**made, "status": {"phase": "Soaking"}})
    again = await bench.cluster.put_status(ref(made), written)
    assert again["metadata"]["resourceVersion"] == written["metadata"]["resourceVersion"]


async def test_a_ramp_that_is_gone_has_no_status(bench):
    made = await bench.create(Resource.RAMPS, ramp())
    await bench.delete(Resource.RAMPS, ref(made))
    with pytest.raises((Conflict, NotFound)):
        await bench.cluster.put_status(ref(made), {**made, "status": {}})


async def test_an_event_is_created_once(bench):
    event = {
        "apiVersion": "events.k8s.io/v1",
        "kind": "Event",
        "metadata": {"name": "tree.1", "namespace": bench.namespace},
        "eventTime": "2026-03-01T12:00:00.000000Z",
        "reportingController": "rampguard.dev/operator",
        "reportingInstance": "rampguard-1",
        "action": "Watch",
        "reason": "StepProven",
        "note": "6 of 6 pods run 50",
        "type": "Normal",
        "regarding": {
            "apiVersion": "rampguard.dev/v1alpha1",
            "kind": "ExperimentRamp",
            "namespace": bench.namespace,
            "name": "tree",
        },
    }
    await bench.cluster.create_event(event)
    with pytest.raises(Conflict):
        await bench.cluster.create_event(event)


async def test_an_administrator_may(bench):
    assert await bench.cluster.can_i("update", Resource.RAMPS, bench.namespace, "status")
    assert await bench.cluster.can_i("list", Resource.PODS, None)


# --- on the real one alone -----------------------------------------------------------------------


async def test_a_stranger_may_not(plane):
    cluster = KubernetesCluster(configuration(plane, STRANGER))
    assert not await cluster.can_i("get", Resource.DEPLOYMENTS, "default")
    with pytest.raises(Refused, match="forbidden"):
        await cluster.get(Resource.DEPLOYMENTS, Ref("default", "api"))
    await cluster.close()


async def test_a_wrong_token_is_no_answer(plane):
    cluster = KubernetesCluster(configuration(plane, "wrong"))
    with pytest.raises(RampError, match="Unauthorized"):
        await cluster.get(Resource.DEPLOYMENTS, Ref("default", "api"))
    await cluster.close()
