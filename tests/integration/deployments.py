"""Deployments without pods on a real API server, written the ways that people and tools do."""

import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from conftest import Kubectl
from integration.server import ApiServer, Json
from rampguard.adapters.kubernetes import KubernetesCluster
from rampguard.api.apply import apply_body
from rampguard.api.workload import to_workload
from rampguard.core.ask import EnvName, EnvValue, Ref, Target
from rampguard.core.model import Owner, Workload
from rampguard.ports import Conflict, Resource

ENV = EnvName("SKILL_TREE_LIST_ROLLOUT")
TARGET = Target("api", None, 1)
TRIES = 5
APPS = "apis/apps/v1"
ARGO = "argocd-controller"
ENTRIES = (("LOG_LEVEL", "info"), (str(ENV), "10"), ("REGION", "eu"))


def manifest(*entries: tuple[str, str], **annotations: str) -> Json:
    """Return a Deployment of two containers; the second has the same variable."""
    env = [{"name": name, "value": value} for name, value in entries]
    labels = {"app": "api"}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "api", "annotations": annotations},
        "spec": {
            "replicas": 0,
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels},
                "spec": {
                    "containers": [
                        {"name": "api", "image": "app:1", **({"env": env} if env else {})},
                        {
                            "name": "sidecar",
                            "image": "proxy:1",
                            "env": [{"name": str(ENV), "value": "7"}],
                        },
                    ]
                },
            },
        },
    }


@dataclass(frozen=True, slots=True)
class Bench:
    """One Deployment in a namespace of its own, our adapter, and other people's tools."""

    namespace: str
    cluster: KubernetesCluster
    server: ApiServer
    kubectl: Kubectl

    @property
    def ref(self) -> Ref:
        return Ref(self.namespace, "api")

    def told(self, *command: str, body: Json | None = None) -> None:
        """Run kubectl, as a person or Argo CD does."""
        text = {} if body is None else {"input": json.dumps(body)}
        done = self.kubectl("-n", self.namespace, *command, **text)
        assert done.returncode == 0, done.stderr

    def create(self, body: Json) -> None:
        self.told("create", "-f", "-", body=body)

    def apply(self, body: Json, *flags: str) -> None:
        self.told("apply", "-f", "-", *flags, body=body)

    async def get(self) -> Json:
        """Return the Deployment once its controller has seen it; it writes at times of its own."""
        while True:
            seen = await self.cluster.get(Resource.DEPLOYMENTS, self.ref)
            if seen["metadata"]["generation"] == seen.get("status", {}).get("observedGeneration"):
                return seen

    async def put(self, value: str | None, env: EnvName = ENV, container: str = "api") -> Json:
        """Write one variable as the operator does, again where only the controller was faster."""
        for _ in range(TRIES):
            with suppress(Conflict):
                return await self.put_at(await self.get(), value, env, container)
        return await self.put_at(await self.get(), value, env, container)

    async def put_at(
        self, seen: Json, value: str | None, env: EnvName = ENV, container: str = "api"
    ) -> Json:
        """Write one variable to the Deployment as it was seen."""
        wanted = None if value is None else EnvValue(value)
        body = apply_body(seen, container, env, wanted, f"rampguard test: {env}={value}")
        return await self.cluster.apply(self.ref, body)

    async def patch(self, change: Callable[[Json], Json]) -> Json:
        """Patch metadata, made from what stands there; again where the controller was faster."""
        for _ in range(TRIES):
            with suppress(Conflict):
                return await self.patch_at(change(await self.get()))
        return await self.patch_at(change(await self.get()))

    async def patch_at(self, body: Json) -> Json:
        return await self.cluster.merge_patch(Resource.DEPLOYMENTS, self.ref, body)


def standing(deployment: Json, env: EnvName = ENV) -> Workload:
    return to_workload(deployment, TARGET, env)


def owners(deployment: Json, env: EnvName = ENV) -> set[Owner]:
    return set(standing(deployment, env).owners)


def entries(deployment: Json, container: int = 0) -> list[tuple[str, str]]:
    """Return the variables of a container in their order."""
    listed = deployment["spec"]["template"]["spec"]["containers"][container].get("env", [])
    return [(entry["name"], entry.get("value", "")) for entry in listed]


def claimed(deployment: Json) -> list[Json]:
    """Return all that `rampguard` owns, as the API server notes it."""
    told = deployment["metadata"]["managedFields"]
    return [one["fieldsV1"] for one in told if one["manager"] == "rampguard"]
