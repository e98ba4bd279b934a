"""A light Deployment in a namespace of its own, and the truth about its pods."""

import asyncio
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cluster import DEPLOYMENTS, PODS, RAMPS, Api, Change, Json, Late, Seen

NAMESPACE, NAME, ENV = "rampguard-bench", "tier", "BENCH_ROLLOUT"
SCRIPT = Path(__file__).with_name("tier_app.py")
REPLICAS = 2
RATIO = "bench_assigned_total"
ERRORS = f'max(bench_errors{{namespace="{NAMESPACE}"}})'
LOOK = SCRAPE = 5  # seconds, as the lab's Prometheus scrapes
OVER = {"Succeeded", "Failed"}


@dataclass
class Tier:
    """The Deployment, watched from outside of the operator."""

    api: Api
    prometheus: str
    pods: Seen = field(default_factory=Seen)
    ramps: Seen = field(default_factory=Seen)
    deployments: Seen = field(default_factory=Seen)

    async def raise_(self, image: str, value: int) -> None:
        """Make the namespace anew, with pods that are scraped; begin to watch."""
        await self.strike()
        about = {"name": NAMESPACE}
        await self.api.call("POST", "api/v1/namespaces", {"metadata": about})
        self.pods = await self.api.watch(PODS.format(NAMESPACE))
        self.ramps = await self.api.watch(RAMPS.format(NAMESPACE))
        self.deployments = await self.api.watch(DEPLOYMENTS.format(NAMESPACE))
        script = {"metadata": {"name": NAME}, "data": {"app.py": SCRIPT.read_text()}}
        await self.api.call("POST", f"api/v1/namespaces/{NAMESPACE}/configmaps", script)
        await self.api.call("POST", DEPLOYMENTS.format(NAMESPACE), _deployment(image, value))
        await self.scraped()

    async def strike(self) -> None:
        """Delete the namespace and wait until it is gone."""
        path = f"api/v1/namespaces/{NAMESPACE}"
        if await self.api.exists(path):
            # A ramp holds a finalizer, and perhaps nobody runs who would take it off.
            for ramp in (await self.api.call("GET", RAMPS.format(NAMESPACE)))["items"]:
                there = f"{RAMPS.format(NAMESPACE)}/{ramp['metadata']['name']}"
                await self.api.call("PATCH", there, {"metadata": {"finalizers": None}})
            await self.api.call("DELETE", path)
            await self.api.gone(path, 180)

    async def ramp(self, name: str, origin: int, to: int, **spec: Any) -> float:
        """Ask for a ramp; return when."""
        at = time.time()
        told = {
            "apiVersion": "rampguard.dev/v1alpha1",
            "kind": "ExperimentRamp",
            "metadata": {"name": name},
            "spec": _spec(origin, to) | spec,
        }
        await self.api.call("POST", RAMPS.format(NAMESPACE), told)
        return at

    async def end(self, name: str, **spec: Any) -> None:
        """Let a ramp end as the spec asks, then delete it."""
        there = f"{RAMPS.format(NAMESPACE)}/{name}"
        if spec:
            await self.api.call("PATCH", there, {"spec": spec})
        await self.reaches(name, "Aborted", "RolledBack", "Completed")
        await self.api.call("DELETE", there)
        await self.api.gone(there)

    async def reaches(self, name: str, *phases: str) -> Change:
        """Wait until a ramp is in one of some phases."""

        def fits(one: Change) -> bool:
            return one.name == name and one.body.get("status", {}).get("phase") in phases

        return await self.ramps.first(fits, f"{name} in {phases}", limit=180)

    async def proof(self, name: str) -> Change:
        """Wait until a ramp says that its pods are proven."""

        def fits(one: Change) -> bool:
            told = one.body.get("status", {}).get("conditions", [])
            return one.name == name and any(
                c["type"] == "PodsProven" and c["status"] == "True" for c in told
            )

        return await self.ramps.first(fits, f"{name} proven")

    async def carries(self, value: int, after: float) -> Change:
        """Wait until the pod template carries a value."""

        def fits(one: Change) -> bool:
            return _value(one.body["spec"]["template"]["spec"]) == str(value)

        return await self.deployments.first(fits, f"the template at {value}", after, 120)

    def all_there(self, value: int, after: float) -> float | None:
        """Return when the last pod became Ready on a value, or the last other was gone.

        Replays the watch: the last instant before which something was missing. None: not yet.
        """
        pods: dict[str, Json] = {}
        since: float | None = None
        for change in self.pods.changes:
            pods.pop(change.name, None)
            if change.kind != "DELETED" and change.body["status"].get("phase") not in OVER:
                pods[change.name] = change.body
            if change.at < after or not _proven(pods, value):
                since = None
            elif since is None:
                since = change.at
        return since

    async def scraped(self) -> None:
        """Wait until the pods of now are seen by Prometheus, also an interval ago."""
        until = time.time() + 90
        query = f'count(last_over_time({RATIO}{{namespace="{NAMESPACE}"}}[{SCRAPE * 2}s]))'
        while True:
            then = await self.asked(query, time.time() - SCRAPE)
            if then == 2 * REPLICAS and await self.asked(ERRORS, time.time() - SCRAPE) == 0:
                return
            if time.time() > until:
                raise Late("Prometheus does not see the pods: is it up, does it find pods?")
            await asyncio.sleep(0.5)

    async def asked(self, query: str, at: float) -> float | None:
        """Ask Prometheus for one number at an instant; None: there is none."""
        told = {"query": query, "time": f"{at:.3f}"}
        async with self.api.http.get(f"{self.prometheus}/api/v1/query", params=told) as answer:
            found = (await answer.json())["data"]["result"]
        return float(found[0]["value"][1]) if len(found) == 1 else None

    async def harm(self) -> None:
        """Let errors rise in every pod, until it is replaced."""
        listed = (await self.api.call("GET", PODS.format(NAMESPACE)))["items"]
        for name in (pod["metadata"]["name"] for pod in listed):
            await self.api.call("GET", f"{PODS.format(NAMESPACE)}/{name}:8080/proxy/harm")


def _proven(pods: dict[str, Json], value: int) -> bool:
    ready = [pod for pod in pods.values() if _is_ready(pod) and _value(pod["spec"]) == str(value)]
    return len(ready) == len(pods) == REPLICAS


def _is_ready(pod: Json) -> bool:
    told = pod["status"].get("conditions", [])
    return any(c["type"] == "Ready" and c["status"] == "True" for c in told)


def _value(pod: Json) -> str | None:
    env = pod["containers"][0].get("env", [])
    return next((one.get("value") for one in env if one["name"] == ENV), None)


def _spec(origin: int, to: int) -> Json:
    metrics = {"assignments": RATIO}
    return {
        "experiment": "bench",
        "env": ENV,
        "targets": [{"name": NAME}],
        "from": origin,
        "to": to,
        "soak": "30m",
        "arms": {"control": "control", "treatment": "treatment"},
        "metrics": metrics,
        "guardrails": [
            {"name": "balance", "type": "ExposureBalance", "tolerance": 10},
            {"name": "errors", "type": "Threshold", "query": ERRORS, "max": "0.5"},
        ],
    }


def _deployment(image: str, value: int) -> Json:
    labels = {"app": NAME}
    scraped = {"prometheus.io/scrape": "true", "prometheus.io/port": "8080"}
    container = {
        "name": NAME,
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "command": ["python3", "-u", "/app/app.py"],
        "env": [{"name": ENV, "value": str(value)}],
        "readinessProbe": {"httpGet": {"path": "/", "port": 8080}, "periodSeconds": 1},
        "volumeMounts": [{"name": "app", "mountPath": "/app"}],
        "resources": {"requests": {"cpu": "10m", "memory": "24Mi"}},
    }
    pod = {
        "terminationGracePeriodSeconds": 2,
        "automountServiceAccountToken": False,
        "containers": [container],
        "volumes": [{"name": "app", "configMap": {"name": NAME}}],
    }
    return {
        "metadata": {"name": NAME, "labels": labels},
        "spec": {
            "replicas": REPLICAS,
            "selector": {"matchLabels": labels},
            "strategy": {"rollingUpdate": {"maxSurge": "100%", "maxUnavailable": 0}},
            "template": {"metadata": {"labels": labels, "annotations": scraped}, "spec": pod},
        },
    }
