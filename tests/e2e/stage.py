"""The example application in a namespace of its own, and what a person does to it."""

import json
import os
import re
import subprocess
import time
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import requests
import yaml

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / "examples" / "skill-tree" / "k8s"
ENV = "SKILL_TREE_LIST_ROLLOUT"
NODE = f"{os.environ.get('LAB_NAME', 'rampguard')}-control-plane"
PROMETHEUS = f"http://127.0.0.1:{30090 + int(os.environ.get('LAB_PORT_OFFSET', '0'))}"
REPLICAS = {"api": 2, "worker": 1, "traffic": 1}
DONE = {"Completed", "RolledBack", "Aborted", "Contested"}
Json = dict[str, Any]
# What an API server says that goes, is gone, or has only just come.
AWAY = re.compile(
    r"refused|reset|EOF|timeout|deadline|i/o|TLS|http2|not ready|etcdserver|orbidden|nauthorized"
    r"|logged in|a resource type|unavailable|Internal|unable to handle|lost|canceled"
)


class Failed(AssertionError):
    """A command of the test failed; the message is its own."""


def kubectl(*args: str, told: str | None = None, patience: float = 60, check: bool = True) -> str:
    """Run kubectl; the API server may be away for a while."""
    deadline = time.monotonic() + patience
    while True:
        done = subprocess.run(
            ["kubectl", *args], input=told, capture_output=True, text=True, check=False, timeout=180
        )
        away = AWAY.search(done.stderr)
        if done.returncode == 0 or not away or time.monotonic() > deadline:
            break
        pause(1)
    if done.returncode and check:
        raise Failed(f"kubectl {' '.join(args)}: {done.stderr.strip()}")
    return done.stdout


def on_node(*command: str) -> None:
    """Run a command in the node's container."""
    subprocess.run(["docker", "exec", NODE, *command], check=True, capture_output=True, timeout=60)


def pause(seconds: float) -> None:
    """Let other processes go on."""
    time.sleep(seconds)  # noqa: TID251 - real processes, real time


def until(look: Callable[[], Any], limit: float, what: str, every: float = 1.5) -> Any:
    """Return the first truth that a look gives."""
    deadline = time.monotonic() + limit
    while True:
        if found := look():
            return found
        if time.monotonic() > deadline:
            pytest.fail(f"after {limit:.0f} s: not {what}")
        pause(every)


@cache
def lab_is_up() -> bool:
    """Say whether the current context is a lab that answers."""
    try:
        context = kubectl("config", "current-context", check=False)
        ready = kubectl("get", "--raw", "/readyz", check=False, patience=5)
    except (FileNotFoundError, subprocess.TimeoutExpired):
        return False
    return context.startswith("kind-rampguard") and ready.strip() == "ok"


@dataclass(frozen=True)
class Stage:
    """One namespace with the example application in it."""

    namespace: str

    @classmethod
    def of(cls, test: str) -> "Stage":
        short = re.sub(r"[^a-z0-9]+", "-", test.lower().removeprefix("test_"))[:28].strip("-")
        return cls(f"e2e-{short}-{zlib.crc32(test.encode()) % 9973}")

    def raise_(self) -> None:
        """Apply the example, with fewer pods, and wait until it serves."""
        self.strike()
        told = [
            self._small(one)
            for path in sorted(EXAMPLE.glob("*.yaml"))
            for one in yaml.safe_load_all(path.read_text())
        ]
        kubectl("apply", "-f", "-", told=yaml.safe_dump_all(told))
        for name in REPLICAS:
            self.rolled_out(name)
        # A ramp without signals is Blocked, and looked at again after half a minute only.
        until(self._is_scraped, 60, "scraped")

    def _is_scraped(self) -> bool:
        query = f'experiment_assignments_total{{namespace="{self.namespace}",source="assignment"}}'
        at = time.time() - 6  # the operator asks about an instant one scrape ago
        asked = {"query": f"count(last_over_time({query}[10s]))", "time": str(at)}
        told = requests.get(f"{PROMETHEUS}/api/v1/query", params=asked, timeout=10).json()
        pods = told["data"]["result"]
        return bool(pods) and float(pods[0]["value"][1]) >= 2 * REPLICAS["api"]

    def strike(self) -> None:
        """Remove everything; a ramp that still holds is forced to let go."""
        if not kubectl("get", "namespace", self.namespace, "--ignore-not-found"):
            return
        for name in self.kubectl("get", "ramps", "-o", "name", check=False).split():
            self.kubectl(
                "patch",
                name,
                "--type=merge",
                "-p",
                '{"metadata": {"finalizers": null}}',
                check=False,
            )
        kubectl("delete", "namespace", self.namespace, "--wait=true", "--timeout=120s")

    def _small(self, one: Json) -> Json:
        if one["kind"] == "Namespace":
            one["metadata"]["name"] = self.namespace
            return one
        one["metadata"]["namespace"] = self.namespace
        if one["kind"] == "Service":
            one["spec"]["type"] = "ClusterIP"
            for port in one["spec"]["ports"]:
                port.pop("nodePort", None)
        if one["kind"] == "Deployment":
            name = one["metadata"]["name"]
            one["spec"]["replicas"] = REPLICAS[name]
            one["spec"]["progressDeadlineSeconds"] = 60
            pod = one["spec"]["template"]["spec"]
            pod["terminationGracePeriodSeconds"] = 2
            (container,) = pod["containers"]
            container["image"] = _image()
            if name == "traffic":
                container["args"] = ["traffic", "rps=60"]
        return one

    def kubectl(self, *args: str, **options: Any) -> str:
        return kubectl("-n", self.namespace, *args, **options)

    def rolled_out(self, name: str) -> None:
        self.kubectl("rollout", "status", f"deploy/{name}", "--timeout=120s")

    # --- ramps

    def apply(self, name: str = "ramp", **spec: Any) -> None:
        """Apply a ramp 0 -> 50 over a minute; spec changes that."""
        told: Json = {
            "apiVersion": "rampguard.dev/v1alpha1",
            "kind": "ExperimentRamp",
            "metadata": {"name": name, "namespace": self.namespace},
            "spec": {
                "experiment": "skill_tree_layout",
                "env": ENV,
                "targets": [{"name": "api"}, {"name": "worker"}],
                "from": 0,
                "to": 50,
                "soak": "1m",
                "arms": {"control": "tree", "treatment": "list"},
                "metrics": {
                    "assignments": 'experiment_assignments_total{experiment="skill_tree_layout"'
                    ',source="assignment"}'
                },
                "guardrails": [
                    {"name": "balance", "type": "ExposureBalance", "tolerance": 10}
                ],
            } | spec,
        }  # fmt: skip
        kubectl("apply", "-f", "-", told=json.dumps(told))

    def status(self, name: str = "ramp") -> Json:
        """Return the status of a ramp; {}: it is gone, or nobody looked at it yet."""
        told = self.kubectl("get", "ramp", name, "--ignore-not-found", "-o", "json")
        return json.loads(told).get("status", {}) if told else {}

    def phase(self, name: str = "ramp") -> str:
        return self.status(name).get("phase", "")

    def reaches(self, *phases: str, name: str = "ramp", limit: float = 120) -> Json:
        """Wait for one of some phases; an end that is none of them fails at once."""

        def look() -> Json | None:
            status = self.status(name)
            phase = status.get("phase")
            if phase in phases:
                return status
            if phase in DONE:
                pytest.fail(f"{name} is {phase}, not {phases}: {json.dumps(status, indent=1)}")
            return None

        return until(look, limit, f"{name} in {phases}: {self.phase(name)}")

    def condition(self, kind: str, name: str = "ramp") -> Json:
        found = [c for c in self.status(name).get("conditions", []) if c["type"] == kind]
        return found[0] if found else {}

    def ask(self, field: str, value: object, name: str = "ramp") -> None:
        """Write one field of the spec, as `kubectl ramp` does."""
        patch = json.dumps({"spec": {field: value}})
        self.kubectl("patch", "ramp", name, "--type=merge", "-p", patch)

    def ramp(self, *args: str) -> subprocess.CompletedProcess[str]:
        """Run `kubectl ramp`."""
        return subprocess.run(
            [str(ROOT / ".venv" / "bin" / "kubectl-ramp"), *args, "-n", self.namespace],
            capture_output=True, text=True, check=False, timeout=180,
        )  # fmt: skip

    def events(self, name: str = "ramp") -> list[Json]:
        told = self.kubectl("get", "events.events.k8s.io", "-o", "json")
        return [e for e in json.loads(told)["items"] if e["regarding"].get("name") == name]

    # --- what is true of the pods, asked without the operator

    def value(self, deployment: str) -> str | None:
        """Return what a Deployment's template carries; None: the variable is absent."""
        told = json.loads(self.kubectl("get", "deploy", deployment, "-o", "json"))
        return _carried(told["spec"]["template"]["spec"])

    def running(self) -> dict[str, str | None]:
        """Return what each pod of both tiers carries; one that ends counts while it is Ready."""
        told = json.loads(self.kubectl("get", "pods", "-o", "json"))
        return {
            pod["metadata"]["name"]: _carried(pod["spec"])
            for pod in told["items"]
            if pod["metadata"]["name"].startswith(("api-", "worker-")) and _may_serve(pod)
        }

    def only(self, value: str | None) -> bool:
        """Say whether every pod, and both templates, carry a value."""
        pods = set(self.running().values())
        return pods == {self.value("api")} == {self.value("worker")} == {value}

    def annotations(self, deployment: str) -> Json:
        told = json.loads(self.kubectl("get", "deploy", deployment, "-o", "json"))
        return dict(told["metadata"].get("annotations", {}))

    def stamps(self) -> list[str]:
        """Return the marks of ramps on the Deployments."""
        return [
            key
            for name in ("api", "worker")
            for key in self.annotations(name)
            if key.startswith("rampguard.dev/")
        ]

    def knob(self, **knobs: float) -> None:
        """Turn knobs of the traffic."""
        told = [f"{key}={value}" for key, value in knobs.items()]
        program = ("deploy/traffic", "--", "python", "-m", "skilltree")
        self.kubectl("exec", *program, "knobs", "set", *told)


def _may_serve(pod: Json) -> bool:
    ready = [c for c in pod["status"].get("conditions", []) if c["type"] == "Ready"]
    is_ready = bool(ready) and ready[0]["status"] == "True"
    return is_ready or "deletionTimestamp" not in pod["metadata"]


def _carried(pod: Json) -> str | None:
    found = [e.get("value", "") for e in pod["containers"][0].get("env", []) if e["name"] == ENV]
    return found[0] if found else None


@cache
def _image() -> str:
    """Return the image of the example that the lab runs."""
    path = "jsonpath={.spec.template.spec.containers[0].image}"
    return kubectl("-n", "app", "get", "deploy", "api", "-o", path)
